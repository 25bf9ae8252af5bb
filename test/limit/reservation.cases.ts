import assert from 'node:assert/strict'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { type RateLimitOptions, rateLimit } from '../../src/limit/middleware.ts'
import { meter, settle } from '../../src/limit/settle.ts'
import { type AtomicStore, StoreOutage } from '../../src/store/contract.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { inHandler, keepEvents, peer, quietly, secured, storeOver, streamOf } from '../support/fixtures.ts'

const ME = '203.0.113.9'
const TOKENS: RateLimitOptions = { quota: 1000, periodSeconds: 1000, name: 'tokens', reserve: 400 }
const CHUNK = new Uint8Array(10)

/** An app whose handler reserves tokens, and what is left of them. */
function setUp(
  handler: (c: Context) => Response | Promise<Response>,
  options: RateLimitOptions = TOKENS,
  given?: AtomicStore,
) {
  const made = secured(given && { store: given })
  const limiter = rateLimit(options)
  made.app.get('/', limiter, handler)
  const store = given ?? made.store
  const left = async () => (await inHandler({ ...made, store }, (c) => limiter.peek(c, { address: ME })))[0]!.remaining
  const ask = async (init: RequestInit = {}) => made.app.request('/', init, peer(ME))
  return { ...made, limiter, store, left, ask }
}

const ok = (c: Context): Response => c.text('ok')

export const reservationCases: readonly Case[] = [
  ...cases('LIM-4', {
    'operations of unlike cost draw on one budget': async () => {
      const { app, clock } = secured()
      const budget = { quota: 500, periodSeconds: 60, name: 'budget' }
      app
        .get('/health', rateLimit({ ...budget, cost: 1 }), ok)
        .post('/spawn', rateLimit({ ...budget, cost: 50 }), ok)
        .post('/message', rateLimit({ ...budget, cost: 30 }), ok)
      const status = async (path: string, method = 'POST') => (await app.request(path, { method }, peer(ME))).status
      for (let i = 0; i < 9; i++) assert.equal(await status('/spawn'), 200)
      assert.deepEqual([await status('/message'), await status('/message')], [200, 429])
      for (let i = 0; i < 20; i++) assert.equal(await status('/health', 'GET'), 200)
      assert.equal(await status('/health', 'GET'), 429)
      clock.advance(120)
      assert.equal(await status('/health', 'GET'), 200)
    },
    'a cost can follow from the request, also later': async () => {
      for (const cost of [(c: Context) => Number(c.req.query('n')), async (c: Context) => Number(c.req.query('n'))]) {
        const { app } = secured()
        app.get('/', rateLimit({ quota: 10, periodSeconds: 60, cost }), ok)
        const status = async (n: string) => (await app.request(`/?n=${n}`, {}, peer(ME))).status
        assert.deepEqual(
          [await status('7'), await status('4'), await status('3'), await status('0')],
          [200, 429, 200, 200],
        )
      }
    },
    'a cost that is no whole number is a fault and admits nothing': async () => {
      const costs = [Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, '1', null, undefined, {}, 2 ** 53]
      for (const cost of costs) {
        for (const answer of [() => cost, async () => cost]) {
          const made = secured()
          const { app } = made
          let handled = 0
          const limiter = rateLimit({ quota: 10, periodSeconds: 60, cost: answer as never })
          app.get('/', limiter, () => new Response(String(++handled)))
          assert.equal((await quietly(() => app.request('/', {}, peer(ME)))).status, 500)
          assert.equal(handled, 0)
          const [state] = await inHandler(made, (c) => limiter.peek(c, { address: ME }))
          assert.equal(state!.remaining, 10)
        }
      }
    },
    'a request dearer than the burst is 413 without Retry-After, and is asked about nowhere': async () => {
      let asked = 0
      const inner = memoryStore()
      const store = counting(inner, () => asked++)
      const { app, events, platform } = secured({ store })
      app.get('/', rateLimit({ quota: 10, periodSeconds: 60, cost: () => 11, name: 'small' }), ok)
      const answer = await app.request('/', {}, peer(ME))
      assert.equal(answer.status, 413)
      assert.equal(answer.headers.get('retry-after'), null)
      assert.equal(((await answer.json()) as { code: string }).code, 'limit.cost_too_large')
      assert.equal(asked, 0)
      await platform.settled()
      assert.deepEqual([events[0]!.type, events[0]!.reason, events[0]!.resource], ['limit.refused', 'cost', 'small'])
    },
    'what a call took in truth takes the place of what it reserved': async () => {
      const { ask, left } = setUp(async (c) => {
        assert.equal(await left(), 600)
        await settle(c, 'tokens', 123)
        return c.text('ok')
      })
      await ask()
      assert.equal(await left(), 877)
    },
    'a reservation settles once, whoever comes first': async () => {
      const { ask, left } = setUp(async (c) => {
        await Promise.all([settle(c, 'tokens', 100), settle(c, 'tokens', 0), settle(c, 'tokens', 50)])
        await settle(c, 'tokens', 0)
        return c.text('ok')
      })
      await ask()
      assert.equal(await left(), 900)
    },
    'a failed request gets back what it reserved, and a settled one does not': async () => {
      const thrown = setUp(() => {
        throw new Error('model')
      })
      assert.equal((await quietly(() => thrown.ask())).status, 500)
      assert.equal(await thrown.left(), 1000)
      const answered = setUp((c) => c.text('no model', 502))
      await answered.ask()
      assert.equal(await answered.left(), 1000)
      const settled = setUp(async (c) => {
        await settle(c, 'tokens', 30)
        return c.text('broke later', 500)
      })
      await settled.ask()
      assert.equal(await settled.left(), 970)
    },
    'what nobody settles stays charged, and so does a refusal by the handler': async () => {
      const { ask, left } = setUp(ok)
      await ask()
      assert.equal(await left(), 600)
      const refused = setUp((c) => c.text('no', 400))
      await refused.ask()
      assert.equal(await refused.left(), 600)
    },
    'reservations that do not fit are refused before the call is made': async () => {
      let calls = 0
      const { ask } = setUp((c) => c.text(String(++calls)))
      const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await ask()).status))
      assert.equal(statuses.filter((status) => status === 200).length, 2)
      assert.equal(calls, 2)
    },
    'a number that is none stays charged in full, and the request does not come free': async () => {
      for (const units of [Number.NaN, -5, 1.5, Number.POSITIVE_INFINITY, '7' as never]) {
        const { ask, left } = setUp(async (c) => {
          await settle(c, 'tokens', units)
          return c.text('ok')
        })
        assert.equal((await quietly(() => ask())).status, 500)
        assert.equal(await left(), 600)
      }
    },
    'settling under a name that nothing reserves is a fault': async () => {
      const { ask } = setUp(async (c) => {
        await settle(c, 'tokns', 1)
        return c.text('ok')
      })
      assert.equal((await quietly(() => ask())).status, 500)
    },
    'a refund never raises a bucket above its burst': async () => {
      const { ask, left, clock } = setUp(async (c) => {
        clock.advance(900_000)
        await settle(c, 'tokens', 0)
        return c.text('ok')
      })
      await ask()
      assert.equal(await left(), 1000)
    },
    'units that time gave back already are not given back again: who hangs up late spends no burst twice': async () => {
      let hold: (() => Promise<void>) | null = null
      const { ask, clock } = setUp(
        (c) => {
          hold ??= () => settle(c, 'tokens', 0)
          return c.text('ok')
        },
        { quota: 10, periodSeconds: 60, name: 'tokens', reserve: 10 },
      )
      assert.equal((await ask()).status, 200)
      clock.advance(60_000)
      assert.deepEqual([(await ask()).status, (await ask()).status], [200, 429])
      await hold!()
      assert.equal((await ask()).status, 429)
    },
    'over random schedules of reservations no window admits more than burst and rate allow': async () => {
      for (let seed = 1; seed <= 40; seed++) {
        const random = mulberry(seed)
        const open: ((units: number) => Promise<void>)[] = []
        const { app, clock } = secured()
        let last = 0
        const limit = { quota: 20, periodSeconds: 20, name: 'tokens', reserve: () => last } as const
        app.get('/', rateLimit(limit), (c) => {
          open.push((units) => settle(c, 'tokens', units))
          return c.text('ok')
        })
        const spent: { at: number; units: number }[] = []
        for (let i = 0; i < 150; i++) {
          clock.advance(Math.floor(random() * 2_000))
          last = Math.floor(random() * 20)
          if (random() < 0.6) {
            const { status } = await app.request('/', {}, peer(ME))
            // Counted when it is reserved: that is when the call that takes them is let through.
            if (status === 200) spent.push({ at: clock.now(), units: last })
          } else if (open.length > 0) {
            const at = Math.floor(random() * open.length)
            const kept = Math.floor(random() * (spent[at]!.units + 1))
            await open[at]!(kept)
            spent[at]!.units = Math.min(spent[at]!.units, kept)
            open[at] = async () => undefined
          }
        }
        for (const [i, { at: from }] of spent.entries()) {
          let sum = 0
          for (const { at, units } of spent.slice(i)) {
            sum += units
            assert.ok(sum <= 20 + (at - from) / 1000 + 1e-9, `seed ${seed}: ${sum} in ${at - from} ms`)
          }
        }
      }
    },
    'a request that the handler refuses by throwing keeps its charge': async () => {
      const { ask, left } = setUp(() => {
        throw new HTTPException(422)
      })
      assert.equal((await ask()).status, 422)
      assert.equal(await left(), 600)
    },
    'a call that ends after its request had failed is charged after all': async () => {
      let late: (() => Promise<void>) | null = null
      const { ask, left } = setUp((c) => {
        late = () => settle(c, 'tokens', 350)
        return c.text('timeout', 504)
      })
      await ask()
      assert.equal(await left(), 1000)
      await late!()
      assert.equal(await left(), 650)
    },
    'who hangs up so that the handler fails gets nothing back': async () => {
      const abort = new AbortController()
      const { ask, left } = setUp(() => {
        abort.abort()
        throw new Error('aborted')
      })
      await quietly(() => ask({ signal: abort.signal }))
      assert.equal(await left(), 600)
    },
    'a measure that throws, or a source that hangs when it is cancelled, makes no stream free': async () => {
      const stuck = () =>
        new ReadableStream<Uint8Array>({
          pull: (controller) => controller.enqueue(CHUNK),
          cancel: () => new Promise(() => undefined),
        })
      for (const unitsOf of [
        () => {
          throw new Error('parse')
        },
        () => Number.NaN,
        () => Number.MAX_VALUE,
      ]) {
        const { ask, left } = setUp((c) => c.body(meter(c, 'tokens', stuck(), unitsOf)))
        await assert.rejects((await ask()).arrayBuffer())
        assert.equal(await left(), 600)
      }
    },
    'two limiters that reserve under one name are both settled': async () => {
      const made = secured()
      const one = rateLimit({ ...TOKENS, by: 'address' } as RateLimitOptions)
      const all = rateLimit({ ...TOKENS, by: 'everyone' } as RateLimitOptions)
      made.app.get('/', one, all, async (c) => {
        await settle(c, 'tokens', 10)
        return c.text('ok')
      })
      await made.app.request('/', {}, peer(ME))
      const left = await inHandler(made, async (c) => [
        (await one.peek(c, { address: ME }))[0]!.remaining,
        (await all.peek(c, {}))[0]!.remaining,
      ])
      assert.deepEqual(left, [990, 990])
    },
    'a second stream towards one reservation is a fault': async () => {
      const { ask } = setUp((c) => {
        meter(c, 'tokens', streamOf(CHUNK), () => 1)
        return c.body(meter(c, 'tokens', streamOf(CHUNK), () => 1))
      })
      assert.equal((await quietly(() => ask())).status, 500)
    },
    'costs that fail together fail the request, and nothing else': async () => {
      const { app } = secured()
      const failing = async () => {
        throw new Error('late')
      }
      const throwing = () => {
        throw new Error('now')
      }
      const quotas = [failing, throwing, failing].map((cost, i) => ({ quota: 1, periodSeconds: 1, name: `${i}`, cost }))
      app.get('/', rateLimit({ quotas }), ok)
      assert.equal((await quietly(() => app.request('/', {}, peer(ME)))).status, 500)
      await new Promise((resolve) => setTimeout(resolve, 5))
    },
    'what was taken beyond the reserve is charged as far as there is any, with an event': async () => {
      const more = setUp(async (c) => {
        await settle(c, 'tokens', 900)
        return c.text('ok')
      })
      await more.ask()
      assert.equal(await more.left(), 100)
      const over = setUp(async (c) => {
        await settle(c, 'tokens', 5_000)
        return c.text('ok')
      })
      await over.ask()
      assert.equal(await over.left(), 0)
      await over.platform.settled()
      assert.deepEqual(
        over.events.map(({ type, resource }) => [type, resource]),
        [['limit.overrun', 'tokens']],
      )
      assert.equal((await over.ask()).status, 429)
    },
    'a stream is charged for what passed, once it has ended': async () => {
      const { ask, left, platform } = setUp((c) => {
        const body = meter(c, 'tokens', streamOf(CHUNK, CHUNK, CHUNK), (chunk) => chunk.byteLength / 4)
        return c.body(body)
      })
      const answer = await ask()
      assert.equal(await left(), 600)
      assert.equal((await answer.arrayBuffer()).byteLength, 30)
      await platform.settled()
      assert.equal(await left(), 992)
    },
    'an aborted stream is charged for what it got': async () => {
      let sent = 0
      let stopped = false
      const endless = () =>
        new ReadableStream<Uint8Array>(
          {
            pull(controller) {
              sent++
              controller.enqueue(CHUNK)
            },
            cancel() {
              stopped = true
            },
          },
          { highWaterMark: 0 },
        )
      const { ask, left, platform } = setUp((c) => c.body(meter(c, 'tokens', endless(), (chunk) => chunk.byteLength)))
      const reader = (await ask()).body!.getReader()
      for (let i = 0; i < 5; i++) await reader.read()
      await reader.cancel()
      await platform.settled()
      assert.equal(stopped, true)
      // What a runtime took in advance counts as sent; a chunk that was on its way when the client left does not.
      const charged = 1000 - (await left())
      assert.ok(charged >= 50 && charged <= 10 * sent && sent <= 8, `${charged} units of ${sent} chunks were charged`)
    },
    'a stream that breaks is charged for what came before': async () => {
      const { ask, left, platform } = setUp((c) =>
        c.body(meter(c, 'tokens', streamOf(CHUNK, CHUNK, new Error('model')), (chunk) => chunk.byteLength)),
      )
      const answer = await ask()
      await assert.rejects(answer.arrayBuffer())
      await platform.settled()
      assert.equal(await left(), 980)
    },
    'a request that fails after its stream was made gets back what it reserved': async () => {
      const { ask, left } = setUp((c) => {
        meter(c, 'tokens', streamOf(CHUNK), () => 1)
        throw new Error('later')
      })
      assert.equal((await quietly(() => ask())).status, 500)
      assert.equal(await left(), 1000)
    },
    'the number that came with a stream counts, not what was measured of it': async () => {
      const { ask, left } = setUp((c) => {
        const told = streamOf(CHUNK, CHUNK).pipeThrough(
          new TransformStream<Uint8Array, Uint8Array>({ flush: () => settle(c, 'tokens', 77) }),
        )
        return c.body(meter(c, 'tokens', told, (chunk) => chunk.byteLength))
      })
      await (await ask()).arrayBuffer()
      assert.equal(await left(), 923)
    },
    'a measure that is no number breaks the stream and does not make it free': async () => {
      for (const bad of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
        const { ask, left } = setUp((c) => c.body(meter(c, 'tokens', streamOf(CHUNK), () => bad)))
        const answer = await ask()
        await assert.rejects(answer.arrayBuffer())
        assert.equal(await left(), 600)
      }
    },
    'an outage while settling leaves the reservation and harms no answer': async () => {
      const inner = memoryStore()
      let down = false
      const store = counting(inner, () => {
        if (down) throw new StoreOutage('down')
      })
      const { ask, left, events, platform } = setUp(
        async (c) => {
          down = true
          await settle(c, 'tokens', 1)
          return c.text('ok')
        },
        TOKENS,
        store,
      )
      assert.equal((await ask()).status, 200)
      down = false
      assert.equal(await left(), 600)
      await platform.settled()
      assert.deepEqual(
        events.map(({ type }) => type),
        ['store.outage'],
      )
    },
    'who is skipped, or let through without a store, may settle all the same': async () => {
      const skipped = setUp(
        async (c) => {
          await settle(c, 'tokens', 10)
          return c.body(meter(c, 'tokens', streamOf(CHUNK), () => 1))
        },
        { ...TOKENS, skip: () => true } as RateLimitOptions,
      )
      assert.equal((await skipped.ask()).status, 200)
      assert.equal(await skipped.left(), 1000)
    },
    'settling makes room at once for a client whose denial is remembered': async () => {
      let open: (() => Promise<void>) | null = null
      const { ask } = setUp((c) => {
        open ??= () => settle(c, 'tokens', 0)
        return c.text('ok')
      })
      assert.deepEqual([(await ask()).status, (await ask()).status, (await ask()).status], [200, 200, 429])
      await open!()
      assert.equal((await ask()).status, 200)
    },
  }),
  ...cases('LIM-7', {
    'a reset makes room at once for a client whose denial is remembered, and for nobody else': async () => {
      const made = secured()
      const { app } = made
      const { events, sink } = keepEvents()
      const limiter = rateLimit({ quota: 1, periodSeconds: 60, by: ['address', 'route'], name: 'x' })
      app.use(limiter).get('/a', ok).get('/b', ok)
      const status = async (path: string, ip = ME) => (await app.request(path, {}, peer(ip))).status
      for (const ip of [ME, '198.51.100.1']) {
        assert.deepEqual([await status('/a', ip), await status('/a', ip), await status('/b', ip)], [200, 429, 200])
      }
      await inHandler({ ...made, sink }, (c) => limiter.reset(c, { address: ME, route: 'GET /a' }))
      assert.deepEqual([events[0]!.type, events[0]!.reason, events[0]!.resource], ['limit.reset', 'quota', 'x'])
      assert.deepEqual([await status('/a'), await status('/a'), await status('/b')], [200, 429, 429])
      assert.equal(await status('/a', '198.51.100.1'), 429)
      const message = await inHandler(made, (c) => limiter.peek(c, { address: ME }).catch(({ cause }) => cause.message))
      assert.match(message, /say whose, \{ route: … \}/)
      const peeked = await inHandler(made, (c) => limiter.peek(c, { address: `::ffff:${ME}`, route: 'GET /a' }))
      assert.deepEqual(peeked, [{ policy: 'x', quota: 1, remaining: 0, resetAfterMs: 60_000 }])
    },
  }),
]

/** Random numbers of a seed. */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A store that tells before each decision. */
function counting(inner: AtomicStore, before: () => void): AtomicStore {
  return storeOver(inner, {
    deadlineMs: 0,
    consume(partition, charges) {
      before()
      return inner.consume(partition, charges)
    },
  })
}
