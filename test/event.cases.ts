import assert from 'node:assert/strict'
import fc from 'fast-check'
import { EventQueue, eventLine, eventText, lineSink, type SecurityEvent } from '../src/event.ts'
import { type Case, cases } from './cases.ts'
import { keepEvents, StoppedClock, secured, TEST_KEYS } from './support/fixtures.ts'

function event(fields: Partial<SecurityEvent> = {}): SecurityEvent {
  return {
    type: 'auth.refused',
    level: 'warn',
    at: 1_780_000_000_000,
    method: 'GET',
    path: '/x',
    address: '203.0.113.9',
    principal: null,
    reason: 'missing',
    resource: null,
    origin: null,
    userAgent: null,
    count: 1,
    ...fields,
  }
}

// What ends a line, moves the cursor or turns the direction in some terminal, log reader or spreadsheet.
const HOSTILE = [
  '\r\n{"type":"auth.accepted"}',
  '\n',
  '\r',
  '\u0000',
  '\u0008\u0008\u0008',
  '\u001b[2J\u001b[31mroot',
  '\u009b31m',
  '\u0085',
  '\u2028',
  '\u2029',
  '\u202e\u2066evil\u2069',
  '\u200b\u200f\ufeff',
  '\u061c',
  '\u007f',
  '"},{"type":"auth.accepted',
  '\\u000a\\',
  '\ud800',
  '%0a%0d',
]
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/

function assertOneLine(text: string): void {
  const given = event({ path: text, origin: text, userAgent: text, resource: text, reason: text, principal: text })
  const line = eventLine(given)
  assert.equal(UNSAFE.test(line), false, JSON.stringify(text))
  assert.deepEqual(JSON.parse(line), given)
}

export const eventCases: readonly Case[] = [
  ...cases('eventLine()', {
    'keeps one event one line, and gives the same event back as JSON': () => {
      for (const text of HOSTILE) assertOneLine(text)
    },
    'does so for any text': () => {
      fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 60 }), assertOneLine), { seed: 3, numRuns: 5000 })
      const nasty = fc.array(fc.constantFrom(...HOSTILE), { maxLength: 8 }).map((parts) => parts.join(''))
      fc.assert(fc.property(nasty, assertOneLine), { seed: 4, numRuns: 2000 })
    },
  }),
  ...cases('lineSink()', {
    'writes from its level on': async () => {
      const lines: string[] = []
      const all: string[] = []
      const batch = [
        event({ level: 'debug' }),
        event({ level: 'info' }),
        event({ level: 'warn' }),
        event({ level: 'error' }),
      ]
      await lineSink((line) => void lines.push(line))(batch)
      await lineSink((line) => void all.push(line), 'debug')(batch)
      assert.deepEqual(
        lines.map((line) => JSON.parse(line).level),
        ['info', 'warn', 'error'],
      )
      assert.equal(all.length, 4)
    },
  }),
  ...cases('eventText()', {
    'cuts at 256 characters, and leaves shorter texts alone': () => {
      assert.equal(eventText('a'.repeat(256)), 'a'.repeat(256))
      assert.equal(eventText('a'.repeat(257)), `${'a'.repeat(255)}…`)
    },
    'replaces the shortest text that can be a credential': () => {
      for (const text of ['eyJ12345678.12345678.', 'bearer 1234567890abcdef', 'sk-1234567890abcdefghij']) {
        assert.equal(eventText(text), '[redacted]')
      }
    },
  }),
  ...cases('EventQueue', {
    'folds what repeats within a second, and lets the rest out when the second is over': async () => {
      const { events, sink } = keepEvents()
      const queue = new EventQueue([sink], new StoppedClock())
      for (let i = 0; i < 5; i++) queue.push(event({ at: 1_780_000_000_000 + i }))
      queue.push(event({ at: 1_780_000_001_000, path: '/other', level: 'info' }))
      await queue.flush()
      assert.deepEqual(
        events.map((one) => [one.path, one.count]),
        [
          [event().path, 1],
          [event().path, 4],
          ['/other', 1],
        ],
      )
    },
    'does not fold events of another type, reason or address, nor any but warnings': async () => {
      const { events, sink } = keepEvents()
      const queue = new EventQueue([sink], new StoppedClock())
      queue.push(event())
      queue.push(event({ reason: 'unknown_key' }))
      queue.push(event({ address: '203.0.113.10' }))
      queue.push(event({ type: 'limit.refused' }))
      for (let i = 0; i < 3; i++) queue.push(event({ type: 'auth.accepted', level: 'debug' }))
      await queue.flush()
      assert.equal(events.length, 7)
      assert.ok(events.every((one) => one.count === 1))
    },
    'holds 1,000 events, and counts what it drops': async () => {
      const { events, sink } = keepEvents()
      const queue = new EventQueue([sink], new StoppedClock())
      for (let i = 0; i < 1234; i++) queue.push(event({ level: 'info', resource: String(i) }))
      await queue.flush()
      assert.equal(events.length, 1001)
      assert.equal(events[1000]!.type, 'events.dropped')
      assert.equal(events[1000]!.level, 'error')
      assert.equal(events[1000]!.count, 234)
      queue.push(event())
      await queue.flush()
      assert.equal(events.length, 1002)
    },
    'counts events under way towards the bound, for 30 seconds': async () => {
      const clock = new StoppedClock()
      let release = (): void => undefined
      let taken = 0
      const queue = new EventQueue(
        [
          (batch) => {
            taken += batch.length
            return new Promise<void>((resolve) => {
              release = resolve
            })
          },
        ],
        clock,
      )
      const pushMany = (): void => {
        for (let i = 0; i < 1000; i++) queue.push(event({ level: 'info' }))
      }
      pushMany()
      const first = queue.flush()
      queue.push(event({ level: 'info' }))
      assert.equal(queue.waiting, false)
      clock.advance(30_001)
      queue.push(event({ level: 'info' }))
      assert.equal(queue.waiting, true)
      release()
      await first
      assert.equal(taken, 1000)
    },
    'serves every sink though others throw or reject': async () => {
      const { events, sink } = keepEvents()
      const queue = new EventQueue(
        [
          () => {
            throw new Error('broken')
          },
          () => Promise.reject(new Error('down')),
          sink,
        ],
        new StoppedClock(),
      )
      queue.push(event())
      await queue.flush()
      assert.deepEqual(
        events.map(({ type, reason, count }) => [type, reason, count]),
        [
          [event().type, event().reason, 1],
          ['events.dropped', 'sink_failed', 1],
        ],
      )
    },
    'keeps nothing without a sink': () => {
      const queue = new EventQueue([], new StoppedClock())
      queue.push(event())
      assert.equal(queue.waiting, false)
    },
    'a decoy hides nothing: another path, principal or resource is another event': async () => {
      const { events, sink } = keepEvents()
      const queue = new EventQueue([sink], new StoppedClock())
      queue.push(event({ principal: 'alice', path: '/harmless' }))
      for (let i = 0; i < 500; i++) queue.push(event({ principal: 'mallory', path: '/delete-everything' }))
      queue.push(event({ at: event().at + 1000, principal: 'alice', path: '/harmless' }))
      await queue.flush()
      assert.deepEqual(
        events.map(({ principal, count }) => [principal, count]),
        [
          ['alice', 1],
          ['mallory', 1],
          ['mallory', 499],
          ['alice', 1],
        ],
      )
    },
    'one client cannot flood the log by inventing paths or rotating inside its /64': async () => {
      const { events, sink } = keepEvents()
      const queue = new EventQueue([sink], new StoppedClock())
      for (let i = 0; i < 900; i++) {
        queue.push(event({ address: `2001:db8::${(i + 1).toString(16)}`, path: `/invented-${i}` }))
      }
      queue.push(event({ at: event().at + 1000, type: 'auth.accepted', level: 'debug' }))
      await queue.flush()
      assert.equal(events.length, 16 + 1 + 1 + 1)
      assert.equal(
        events.filter(({ level }) => level === 'warn').reduce((sum, { count }) => sum + count, 0),
        900,
      )
    },
    'remembers a bounded number of sources, and loses none above it': async () => {
      const { events, sink } = keepEvents()
      const queue = new EventQueue([sink], new StoppedClock())
      for (let i = 0; i < 3000; i++) {
        queue.push(event({ address: `10.0.${i >> 8}.${i & 255}` }))
        if (i % 500 === 499) await queue.flush()
      }
      assert.equal(events.length, 3000)
      // The first thousand are remembered and fold, what came above is let through each time.
      queue.push(event({ address: '10.0.0.0' }))
      queue.push(event({ address: '10.0.11.183' }))
      await queue.flush()
      assert.equal(events.length, 3001)
    },
    'takes out of paths and user agents what looks like a credential': () => {
      const secrets = [
        TEST_KEYS[0],
        `${TEST_KEYS[0]}x`,
        `hnb_${'0123456789abcdef'.repeat(4)}`,
        TEST_KEYS[0].replace('_', '%5F'),
        'sk-live-0123456789abcdef',
        'eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl',
        'Bearer whatever.it-is.0123456789',
      ]
      for (const secret of secrets) {
        for (const text of [
          `/reset/${secret}`,
          `/x_${secret}/y`,
          `${'/long'.repeat(48)}/${secret}`,
          `/${'a/'.repeat(246)}${secret}`,
        ]) {
          const kept = eventText(text)
          if (!/^(?:sk|eyJ|Bearer)/.test(secret) || !text.startsWith('/x_'))
            assert.equal(kept.includes(secret.slice(8, 20)), false, text)
          assert.ok(kept.length <= 256)
        }
      }
    },
    'shows where a path leads, however long it is made': () => {
      for (const tail of ['a/'.repeat(400), 'b'.repeat(600), '%41'.repeat(400), `${'c-'.repeat(250)}/hnb_`]) {
        assert.ok(eventText(`/api/admin/delete-everything/${tail}`).startsWith('/api/admin/delete-everything/'), tail)
      }
    },
    'leaves ordinary paths as they are': () => {
      for (const path of [
        '/plain/path_with_words',
        '/files/sk-SK-documents-translation.pdf',
        '/docs/bearer%20tokens',
        '/u/bearer+of-the-bad-news',
      ]) {
        assert.equal(eventText(path), path)
      }
    },
    'reads a long text once, however it is made': () => {
      for (const piece of ['-eyJ', 'eyJ', 'sk-', 'bearer ', 'bearer+', 'a_', 'hnb_']) {
        const start = performance.now()
        for (let i = 0; i < 100; i++) eventText(piece.repeat(4096 / piece.length))
        assert.ok(performance.now() - start < 1000, piece)
      }
    },
  }),
  ...cases('An event of a request', {
    'is one line whatever the request brings, and holds no query': async () => {
      const { app, platform } = secured({ events: undefined as never })
      app.get('/*', (c) => {
        c.var.security.emit({ type: 'auth.refused', level: 'warn', reason: 'missing' })
        return c.text('ok')
      })
      const path = '/caf%C3%A9/%E2%80%A8%E2%80%AEx'
      await app.request(`${path}?token=hunter2`, {
        headers: { origin: 'null"\u0085', 'user-agent': `\u009b31m${'a'.repeat(400)}` },
      })
      await platform.settled()
      assert.equal(platform.lines.length, 1)
      const line = platform.lines[0]!
      assert.equal(UNSAFE.test(line), false)
      assert.equal(line.includes('hunter2'), false)
      const written = JSON.parse(line) as SecurityEvent
      assert.equal(written.path, '/café/\u2028\u202ex')
      assert.equal(written.userAgent?.length, 256)
      assert.equal(written.address, 'unknown')
    },
    'does not stop the request when its sink fails': async () => {
      const { app, platform } = secured({ events: [() => Promise.reject(new Error('down'))] })
      app.get('/', (c) => {
        c.var.security.emit({ type: 'auth.refused', level: 'warn' })
        return c.text('ok')
      })
      assert.equal((await app.request('/')).status, 200)
      await platform.settled()
    },
  }),
]
