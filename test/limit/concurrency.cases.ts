import { strict as assert } from 'node:assert'
import type { Context } from 'hono'
import { timeout } from 'hono/timeout'
import { apiKeys } from '../../src/auth/api-keys.ts'
import { digestApiKey } from '../../src/auth/key-format.ts'
import { authenticate } from '../../src/auth/middleware.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import { type ConcurrencyOptions, concurrency } from '../../src/limit/concurrency-middleware.ts'
import { Problem, type ProblemDetails } from '../../src/problem.ts'
import { type SecurityOptions, security } from '../../src/security.ts'
import { type AtomicStore, StoreOutage } from '../../src/store/contract.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases, waitingCases } from '../cases.ts'
import { peer, quietly, StoppedClock, secured, storeOver, TEST_KEYS, TestPlatform } from '../support/fixtures.ts'

const CLOCK = new StoppedClock()

type Handler = (c: Context) => Response | Promise<Response>

function setUp(handler: Handler, limit: Partial<ConcurrencyOptions> = {}, options: Partial<SecurityOptions> = {}) {
  const made = secured(options)
  const slots = limit.limit ?? 2
  made.app.all('/*', concurrency({ limit: 2, by: 'address', name: 'runs', ...limit }), handler)
  const ask = async (init: RequestInit = {}, ip = '203.0.113.9') => made.app.request('/', init, peer(ip))
  const held = async (): Promise<number> => {
    let count = 0
    for (const partition of [`lease:${slots}::address:203.0.113.9`, `lease:${slots}::everyone:`])
      count += (await (options.store ?? made.store).list(partition, '', null)).entries.length
    return count
  }
  return { ...made, ask, held }
}

/** Answers with a body that the test feeds. */
class Tap {
  readonly #controllers: ReadableStreamDefaultController<Uint8Array>[] = []
  readonly handler: Handler = () =>
    new Response(new ReadableStream({ start: (controller) => void this.#controllers.push(controller) }))
  say(text: string): void {
    for (const controller of this.#controllers) controller.enqueue(new TextEncoder().encode(text))
  }
  end(): void {
    for (const controller of this.#controllers.splice(0)) controller.close()
  }
  break(): void {
    for (const controller of this.#controllers.splice(0)) controller.error(new Error('the model hung up'))
  }
}

/** A store whose engine takes its time. */
function laterStore(clock: Clock): AtomicStore {
  const { consume, ...store } = storeOver(memoryStore({ clock }))
  return {
    ...store,
    consume,
    swap: async (key, version, value, expiresAt) => {
      await null
      return store.swap(key, version, value, expiresAt)
    },
  }
}

export const concurrencyCases: readonly Case[] = [
  ...cases('LIM-5', {
    'a refusal that an outer security() puts in another shape frees its slot': async () => {
      const { app, store, clock } = secured({ formatProblem: ({ code }) => ({ error: code }) })
      const inner = security({ platform: new TestPlatform(), store, clock, events: () => undefined })
      app.get('/inner', inner, concurrency({ limit: 2, by: 'address', name: 'runs' }), () => {
        throw new Problem({ code: 'internal', detail: 'Broken.' })
      })
      for (let i = 0; i < 5; i++) {
        const answer = await app.request('/inner', {}, peer('203.0.113.9'))
        assert.deepEqual([answer.status, await answer.json()], [500, { error: 'internal' }])
        // Its body was cancelled, which the inner kit is told of in a while.
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    },
    'of 100 requests at once exactly the limit run, and the others are told to come back': async () => {
      const gate = Promise.withResolvers<void>()
      const { ask, held, events, platform } = setUp(async (c) => {
        await gate.promise
        return c.text('done')
      })
      const answers = Promise.all(Array.from({ length: 100 }, () => ask()))
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.equal(await held(), 2)
      gate.resolve()
      const statuses = (await answers).map(({ status }) => status)
      assert.equal(statuses.filter((status) => status === 200).length, 2)
      const refused = (await answers).find(({ status }) => status !== 200)!
      assert.equal(refused.status, 429)
      assert.equal(refused.headers.get('retry-after'), '1')
      assert.equal(((await refused.json()) as ProblemDetails).code, 'limit.busy')
      for (const answer of await answers) if (answer.status === 200) await answer.text()
      assert.equal(await held(), 0)
      await platform.settled()
      const [first] = events
      assert.deepEqual([first?.type, first?.reason, first?.resource], ['limit.refused', 'concurrency', 'runs'])
    },
    'a stream holds its slot until its last byte was taken': async () => {
      const tap = new Tap()
      const { ask, held } = setUp(tap.handler, { limit: 1 })
      const streamed = await ask()
      tap.say('one')
      assert.equal((await ask()).status, 429)
      const reader = streamed.body!.getReader()
      await reader.read()
      assert.equal(await held(), 1)
      tap.end()
      await reader.read()
      assert.equal(await held(), 0)
      const next = await ask()
      assert.equal(next.status, 200)
      await next.body!.cancel()
    },
    'a stream that the client leaves, or that breaks, gives its slot back': async () => {
      const tap = new Tap()
      const { ask, held } = setUp(tap.handler, { limit: 1 })
      const left = await ask()
      assert.equal(await held(), 1)
      await left.body!.cancel()
      assert.equal(await held(), 0)
      const broken = await ask()
      tap.break()
      await assert.rejects(broken.text())
      assert.equal(await held(), 0)
      const gone = new AbortController()
      await ask({ signal: gone.signal })
      assert.equal(await held(), 1)
      gone.abort()
      assert.equal(await held(), 0)
    },
    'HEAD, an empty answer, a refusal, a thrown error and an upgrade hold nothing afterwards': async () => {
      const answers: readonly [Handler, RequestInit][] = [
        [(c) => c.text('whole'), { method: 'HEAD' }],
        [(c) => c.body(null, 204), {}],
        [(c) => c.json({ error: 'no' }, 403), {}],
        [() => Promise.reject(new Error('bug')), {}],
        [(() => undefined) as unknown as Handler, {}],
        [() => ({ status: 101, headers: new Headers() }) as Response, {}],
      ]
      for (const [handler, init] of answers) {
        const { ask, held } = setUp(handler)
        const answer = await quietly(() => ask(init))
        await answer.text?.()
        assert.equal(await held(), 0, String(handler))
      }
    },
    'each principal has slots of its own, whatever address it comes from': async () => {
      const tap = new Tap()
      const { app } = secured()
      const records = TEST_KEYS.map((key, i) => ({ id: `user-${i}`, digest: digestApiKey(key), scopes: [] }))
      app.use(authenticate(apiKeys({ keys: records }))).all('/*', concurrency({ limit: 1, name: 'runs' }), tap.handler)
      const ask = (key: string, ip: string) =>
        app.request('/', { headers: { authorization: `Bearer ${key}` } }, peer(ip))
      const open = [await ask(TEST_KEYS[0], '203.0.113.1'), await ask(TEST_KEYS[1], '203.0.113.1')]
      assert.deepEqual([open[0]!.status, open[1]!.status], [200, 200])
      assert.equal((await ask(TEST_KEYS[0], '203.0.113.2')).status, 429)
      for (const one of open) await one.body!.cancel()
      const again = await ask(TEST_KEYS[0], '203.0.113.2')
      assert.equal(again.status, 200)
      await again.body!.cancel()
    },
    'by principal where nobody is asked who they are is a fault, and no handler runs': async () => {
      let handled = 0
      const { app } = secured()
      app.all('/*', concurrency({ limit: 1, name: 'runs' }), (c) => c.text(`${++handled}`))
      assert.equal((await quietly(() => app.request('/'))).status, 500)
      assert.equal(handled, 0)
    },
    'a store that takes its time gives the slot back by work that the platform waits for': async () => {
      const { ask, held, platform } = setUp(
        (c) => c.text('done'),
        { limit: 1 },
        { clock: CLOCK, store: laterStore(CLOCK) },
      )
      for (let i = 0; i < 3; i++) {
        const answer = await ask()
        assert.equal(answer.status, 200)
        await answer.text()
        await platform.settled()
        assert.equal(await held(), 0)
      }
    },
    'a slot that comes after a time-out has answered is given back, and no handler runs': async () => {
      for (const isLateAlready of [false, true]) {
        const clock = new StoppedClock()
        const gate = Promise.withResolvers<void>()
        const store = storeOver(memoryStore({ clock }))
        const swap: AtomicStore['swap'] = async (...args) => {
          if (!isLateAlready) await gate.promise
          return store.swap(...args)
        }
        const { app, platform } = secured({ clock, store: { ...store, swap, deadlineMs: 1000 } })
        let handled = 0
        app.use(timeout(10))
        app.use(async (_c, next) => {
          if (isLateAlready) await gate.promise
          await next()
        })
        app.get('/', concurrency({ limit: 1, by: 'everyone', name: 'runs' }), (c) => c.text(`${++handled}`))
        const answer = await app.request('/')
        assert.equal(answer.status, 504)
        await answer.text()
        gate.resolve()
        await new Promise((resolve) => setTimeout(resolve, 5))
        await platform.settled()
        assert.equal(handled, 0)
        assert.deepEqual((await store.list('lease:1::everyone:', '', null)).entries, [])
      }
    },
    'limiters of one name share their slots, of two names or limits they do not': async () => {
      const tap = new Tap()
      const { app } = secured()
      for (const [path, name, limit] of [
        ['/a', 'x', 1],
        ['/b', 'x', 1],
        ['/c', 'y', 1],
        ['/d', 'x', 3],
      ] as const)
        app.get(path, concurrency({ limit, by: 'everyone', name }), tap.handler)
      const open: Response[] = []
      for (const path of ['/a', '/b', '/c', '/d', '/d', '/d', '/d', '/a']) open.push(await app.request(path))
      assert.deepEqual(
        open.map(({ status }) => status),
        [200, 429, 200, 200, 200, 200, 429, 429],
      )
      for (const one of open) await one.body!.cancel()
    },
  }),
  ...waitingCases('LIM-5', {
    'an answer whose slot is lost is broken off, with an event, whether it streams or only begins': async () => {
      const broken = async (isLate: boolean): Promise<void> => {
        const tap = new Tap()
        const gate = Promise.withResolvers<void>()
        const store = memoryStore()
        const handler: Handler = async (c) => {
          if (isLate) await gate.promise
          return tap.handler(c)
        }
        const limit = { limit: 1, leaseSeconds: 1, by: 'everyone' } as const
        const { ask, events, platform } = setUp(handler, limit, { clock: systemClock, store })
        const answer = ask()
        if (!isLate) await answer
        const key = { partition: 'lease:1::everyone:', name: 'runs/0' }
        store.delete(key)
        assert.notEqual(store.swap(key, null, 'of another', null), null)
        // Until the renewal: an event of a request that is not answered waits for it.
        await new Promise((resolve) => setTimeout(resolve, 700))
        gate.resolve()
        await assert.rejects(async () => (await answer).text(), /slot of this request/)
        await platform.settled()
        assert.deepEqual(
          events.map(({ type, reason, resource }) => [type, reason, resource]),
          [['limit.degraded', 'lease_lost', 'runs']],
        )
        assert.equal(store.get(key)?.value, 'of another')
      }
      await Promise.all([broken(false), broken(true)])
    },
  }),
  ...cases('LIM-8', {
    'a store that fails refuses with 503, and no handler runs': async () => {
      for (const swap of [
        () => {
          throw new StoreOutage('down')
        },
        () => Promise.reject(new StoreOutage('down')),
      ]) {
        let handled = 0
        const { ask } = setUp((c) => c.text(`${++handled}`), {}, { store: storeOver(memoryStore(), { swap }) })
        const answer = await ask()
        assert.equal(answer.status, 503)
        assert.equal(answer.headers.get('retry-after'), '1')
        assert.equal(handled, 0)
      }
    },
    'a store that fails while a request ends changes nothing of the answer': async () => {
      for (const fail of [
        () => {
          throw new StoreOutage('down')
        },
        () => Promise.reject(new StoreOutage('down')),
      ]) {
        const working = storeOver(memoryStore({ clock: CLOCK }))
        let isDown = false
        const swap: AtomicStore['swap'] = (...args) => (isDown ? fail() : working.swap(...args))
        const { ask, events, platform } = setUp(
          (c) => {
            isDown = true
            return c.text('done')
          },
          {},
          { clock: CLOCK, store: { ...working, swap } },
        )
        const answer = await ask()
        assert.equal(await answer.text(), 'done')
        await platform.settled()
        assert.deepEqual(
          events.map(({ type }) => type),
          ['store.outage'],
        )
      }
    },
  }),
  ...cases('concurrency()', {
    'a bad setting throws at start, naming it': () => {
      const bad: readonly [RegExp, Partial<ConcurrencyOptions>][] = [
        [/limit must/, { limit: 0 }],
        [/limit must/, { limit: 1001 }],
        [/limit must/, { limit: 1.5 }],
        [/leaseSeconds must/, { leaseSeconds: 0.5 }],
        [/leaseSeconds must/, { leaseSeconds: Number.NaN }],
        [/leaseSeconds must/, { leaseSeconds: 3601 }],
        [/name must/, { name: 'a"b' }],
        [/name must/, { name: '' }],
        [/name must/, { name: undefined as never }],
        [/ipv6Prefix must/, { ipv6Prefix: 0 }],
        [/by must/, { by: 'users' as never }],
      ]
      for (const [message, options] of bad)
        assert.throws(() => concurrency({ limit: 1, name: 'runs', ...options }), message)
    },
    'the longest name and a principal of any length fit into the store': async () => {
      const { ask, held } = setUp((c) => c.text('done'), {
        limit: 1000,
        name: '%'.repeat(64),
        by: ['everyone', () => 'k'.repeat(5000)],
      })
      const answer = await ask()
      assert.equal(answer.status, 200)
      await answer.text()
      assert.equal(await held(), 0)
    },
  }),
]
