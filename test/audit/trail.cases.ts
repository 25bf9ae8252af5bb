import assert from 'node:assert/strict'
import { auditTrail } from '../../src/audit/trail.ts'
import { apiKeys } from '../../src/auth/api-keys.ts'
import { digestApiKey } from '../../src/auth/key-format.ts'
import { authenticate } from '../../src/auth/middleware.ts'
import type { SecurityEvent } from '../../src/event.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { peer, StoppedClock, secured } from '../support/fixtures.ts'

const START = Date.UTC(2026, 10, 21)
const DAY = 86_400_000

function event(fields: Partial<SecurityEvent> = {}): SecurityEvent {
  return {
    type: 'auth.refused',
    level: 'warn',
    at: START,
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

export const trailCases: readonly Case[] = [
  ...cases('AUD-1', {
    'an entry has actor, action, resource, details and timestamp': async () => {
      const trail = auditTrail({ store: memoryStore({ clock: new StoppedClock() }) })
      await trail.sink([
        event({ count: 3 }),
        event({
          at: START + 1,
          type: 'credential.stored',
          level: 'info',
          principal: 'api-key::ci',
          reason: null,
          resource: 'openai',
        }),
      ])
      assert.deepEqual(await trail.recent(10), [
        {
          actor: 'api-key::ci',
          action: 'credential.stored',
          resource: 'openai',
          details: 'success',
          timestamp: '2026-11-21T00:00:00.001Z',
        },
        {
          actor: '203.0.113.9',
          action: 'auth.refused',
          resource: 'GET /x',
          details: 'missing (3 times)',
          timestamp: '2026-11-21T00:00:00.000Z',
        },
      ])
    },
    'what an app behind security() refuses and lets in is on the trail': async () => {
      const clock = new StoppedClock()
      const store = memoryStore({ clock })
      const trail = auditTrail({ store })
      const { app, platform } = secured({ store, clock, events: [trail.sink] })
      app.use(authenticate(apiKeys({ keys: [{ id: 'ci', digest: digestApiKey('k') }] }))).get('/', (c) => c.text('ok'))
      await app.request('/', {}, peer('203.0.113.9'))
      await platform.settled()
      clock.advance(10)
      await app.request('/', { headers: { 'x-api-key': 'k' } })
      await platform.settled()
      const entries = await trail.recent(10)
      assert.deepEqual(
        entries.map(({ actor, action, details }) => [actor, action, details]),
        [
          ['api-key::ci', 'auth.accepted', 'success'],
          ['203.0.113.9', 'auth.refused', 'missing'],
        ],
      )
      assert.equal(JSON.stringify(entries).includes(digestApiKey('k')), false)
    },
  }),
  ...cases('auditTrail()', {
    'gives the newest first, whatever the order of arrival': async () => {
      const trail = auditTrail({ store: memoryStore({ clock: new StoppedClock() }) })
      await trail.sink([event({ at: START + 5, path: '/b' }), event({ at: START + 9, path: '/c' })])
      await trail.sink([event({ at: START + 1, path: '/a' })])
      assert.deepEqual(
        (await trail.recent(100)).map(({ resource }) => resource),
        ['GET /c', 'GET /b', 'GET /a'],
      )
    },
    'keeps the order of one millisecond': async () => {
      const trail = auditTrail({ store: memoryStore({ clock: new StoppedClock() }) })
      await trail.sink(Array.from({ length: 50 }, (_, i) => event({ path: `/${i}` })))
      assert.deepEqual(
        (await trail.recent(3)).map(({ resource }) => resource),
        ['GET /49', 'GET /48', 'GET /47'],
      )
    },
    'refuses a retention or number of entries that it could not keep': () => {
      const store = memoryStore()
      for (const retentionDays of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e9]) {
        assert.throws(() => auditTrail({ store, retentionDays }), RangeError)
      }
      for (const maxEntries of [0, 1.5, Number.POSITIVE_INFINITY]) {
        assert.throws(() => auditTrail({ store, maxEntries }), RangeError)
      }
    },
    'keeps the newest entries of a process, up to its bound': async () => {
      const store = memoryStore({ clock: new StoppedClock() })
      const trail = auditTrail({ store, maxEntries: 10 })
      await trail.sink(Array.from({ length: 35 }, (_, i) => event({ at: START + i, path: `/${i}` })))
      assert.deepEqual(
        (await trail.recent(100)).map(({ resource }) => resource),
        Array.from({ length: 10 }, (_, i) => `GET /${34 - i}`),
      )
    },
    'keeps what principals did through any flood of strangers': async () => {
      const store = memoryStore({ clock: new StoppedClock() })
      const trail = auditTrail({ store, maxEntries: 10 })
      await trail.sink([event({ at: START, principal: 'api-key::owner', path: '/kept' })])
      await trail.sink(Array.from({ length: 80 }, (_, i) => event({ at: START + 1 + i, path: `/${i}` })))
      assert.equal((await trail.recent(100)).at(-1)!.resource, 'GET /kept')
    },
    'goes on with the batch when one entry cannot be kept, and says so': async () => {
      const store = memoryStore({ clock: new StoppedClock() })
      let writes = 0
      const failing = Object.assign(Object.create(store), {
        set: (...given: Parameters<typeof store.set>) => {
          writes += 1
          if (writes === 2) throw new Error('full')
          store.set(...given)
        },
      })
      const trail = auditTrail({ store: failing })
      const batch = [1, 2, 3].map((i) => event({ at: START + i, path: `/${i}` }))
      await assert.rejects(async () => trail.sink(batch), /full/)
      const kept = await auditTrail({ store }).recent(10)
      assert.deepEqual(
        kept.map(({ resource }) => resource),
        ['GET /3', 'GET /1'],
      )
    },
    'gives as many as asked, 100 at most': async () => {
      const trail = auditTrail({ store: memoryStore({ clock: new StoppedClock() }) })
      await trail.sink(Array.from({ length: 250 }, (_, i) => event({ at: START + i, path: `/${i}` })))
      assert.equal((await trail.recent(7)).length, 7)
      for (const limit of [0, -1, 1.5, 101, Number.NaN]) await assert.rejects(trail.recent(limit), RangeError)
      assert.equal((await trail.recent(100))[0]!.resource, 'GET /249')
    },
    'survives a new trail over the same store': async () => {
      const store = memoryStore({ clock: new StoppedClock() })
      await auditTrail({ store }).sink([event()])
      const later = auditTrail({ store })
      await later.sink([event({ at: START + 1, path: '/later' })])
      assert.deepEqual(
        (await later.recent(10)).map(({ resource }) => resource),
        ['GET /later', 'GET /x'],
      )
    },
  }),
  ...cases('VLT-5', {
    'an audit entry is kept 30 days, and no longer': async () => {
      const clock = new StoppedClock()
      const trail = auditTrail({ store: memoryStore({ clock }) })
      await trail.sink([event()])
      clock.advance(30 * DAY - 1)
      assert.equal((await trail.recent(1)).length, 1)
      clock.advance(1)
      assert.equal((await trail.recent(1)).length, 0)
    },
    'an audit entry is kept as long as told': async () => {
      const clock = new StoppedClock()
      const trail = auditTrail({ store: memoryStore({ clock }), retentionDays: 0.5 })
      await trail.sink([event()])
      clock.advance(DAY / 2 - 1)
      assert.equal((await trail.recent(1)).length, 1)
      clock.advance(1)
      assert.equal((await trail.recent(1)).length, 0)
    },
    'a retention that is not above 0 throws at start': () => {
      for (const retentionDays of [0, -1, Number.NaN])
        assert.throws(() => auditTrail({ store: memoryStore(), retentionDays }), RangeError)
    },
  }),
]
