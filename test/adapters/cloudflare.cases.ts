import { strict as assert } from 'node:assert'
import { Hono } from 'hono'
import { durableObjectStore, HinobanObject } from '../../adapters/cloudflare/durable-object.ts'
import { kvStore } from '../../adapters/cloudflare/kv.ts'
import { platform } from '../../adapters/cloudflare/platform.ts'
import { rateLimitBinding } from '../../adapters/cloudflare/rate-limit-binding.ts'
import { hibernatingSockets } from '../../adapters/cloudflare/sockets.ts'
import type { Clock } from '../../src/clock.ts'
import { rateLimit } from '../../src/limit/middleware.ts'
import { security } from '../../src/security.ts'
import type { StoreHarness } from '../../src/store/conformance.ts'
import { type AtomicStore, type Store, StoreOutage } from '../../src/store/contract.ts'
import { makeRate } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { limiterCasesOf } from '../limit/every-store.ts'
import { anomalies } from '../race/linearizable.ts'
import { consumeAll, recordHistory } from '../race/tasks.ts'
import { conformanceOf } from '../store/conformance.cases.ts'
import { kvLocations } from './kv-locations.ts'

const START = 1_780_000_000_000
const HOUR = 3_600_000
const KEY = { partition: 'p', name: 'n' }

/** What the cases need of their Worker. */
export interface Bindings {
  readonly OBJECT: DurableObjectNamespace<TestObject>
  readonly KV: KVNamespace
  /** 5 in 60 s. */
  readonly LIMITER: RateLimit
}

let objectClock: Clock = { now: () => Date.now() }

/** The object with a clock that cases set: objects of one test Worker share its isolate. */
export class TestObject extends HinobanObject {
  /** Fires the alarm and tells what it left: rows of records and buckets (null: no tables), and whether it comes again. */
  async fire(): Promise<{ rows: number | null; again: boolean }> {
    const { storage } = this.ctx
    await storage.deleteAlarm()
    await this.alarm()
    const again = (await storage.getAlarm()) !== null
    const tables = storage.sql.exec("select name from sqlite_master where name like 'hinoban_%'").toArray()
    if (tables.length === 0) return { rows: null, again }
    const count = 'select (select count(*) from hinoban_record) + (select count(*) from hinoban_bucket) as n'
    return { rows: storage.sql.exec<{ n: number }>(count).one().n, again }
  }

  /** Whether no table was ever made. */
  isEmpty(): boolean {
    return this.ctx.storage.sql.exec("select 1 from sqlite_master where name like 'hinoban_%'").toArray().length === 0
  }

  protected override now(): number {
    return objectClock.now()
  }
}

/** Every case about Cloudflare's stores, over real bindings. */
export function cloudflareCases({ OBJECT, KV, LIMITER }: Bindings): readonly Case[] {
  const namespaces = new WeakMap<Store, DurableObjectNamespace<HinobanObject>>()
  const openObject = (namespace: DurableObjectNamespace<HinobanObject>, clock: Clock): AtomicStore => {
    objectClock = clock
    const store = durableObjectStore(namespace, { deadlineMs: 30_000 })
    namespaces.set(store, namespace)
    return store
  }
  const object: StoreHarness = {
    consistency: 'atomic',
    open: (clock) => openObject(prefixedObjects(OBJECT, crypto.randomUUID()), clock),
    another: (store, clock) => openObject(namespaces.get(store)!, clock),
    reopen: (store, clock) => openObject(namespaces.get(store)!, clock),
  }
  const kv: StoreHarness = {
    consistency: 'eventual',
    open: (clock) => kvStore(prefixedKv(KV, `${crypto.randomUUID()}|`), { clock, deadlineMs: 30_000 }),
  }
  return [
    ...conformanceOf('durable object', object),
    ...limiterCasesOf('durable object', object),
    ...conformanceOf('kv', kv),
    ...cases('durable object > HinobanObject', {
      'sweeps by alarm, and deletes itself when nothing is left': async () => {
        const clock = { at: START, now: () => clock.at }
        const store = openObject(OBJECT, clock)
        const partition = crypto.randomUUID()
        const stub = OBJECT.get(OBJECT.idFromName(partition))
        await store.claim({ partition, name: 'n' }, START + 1)
        await store.consume(partition, [{ name: 'n', rate: makeRate(1, 1), cost: 1 }])
        clock.at = START + HOUR
        assert.deepEqual({ ...(await stub.fire()) }, { rows: 2, again: true })
        clock.at = START + HOUR + 1
        assert.deepEqual({ ...(await stub.fire()) }, { rows: 1, again: true })
        clock.at = START + HOUR + 1_000
        assert.deepEqual({ ...(await stub.fire()) }, { rows: null, again: false })
        assert.equal(await store.claim({ partition, name: 'n' }, START + 2 * HOUR), true)
        assert.equal(await store.claim({ partition, name: 'n' }, START + 2 * HOUR), false)
      },
      'stays asleep while only records without an end are left': async () => {
        const store = openObject(OBJECT, { now: () => START })
        const partition = crypto.randomUUID()
        await store.set({ partition, name: 'n' }, 1, null)
        assert.deepEqual({ ...(await OBJECT.get(OBJECT.idFromName(partition)).fire()) }, { rows: 1, again: false })
        assert.equal((await store.get({ partition, name: 'n' }))?.value, 1)
      },
      'writes nothing when it is only asked': async () => {
        const store = openObject(OBJECT, { now: () => START })
        const partition = crypto.randomUUID()
        assert.equal(await store.get({ partition, name: 'n' }), null)
        assert.equal(await store.take({ partition, name: 'n' }), null)
        await store.delete({ partition, name: 'n' })
        assert.deepEqual((await store.list(partition, '', null)).entries, [])
        const stub = OBJECT.get(OBJECT.idFromName(partition))
        assert.equal(await stub.isEmpty(), true)
      },
    }),
    ...cases('durable object > durableObjectStore()', {
      'checks arguments before any call, and turns every other error into StoreOutage': async () => {
        let calls = 0
        const broken = prefixedObjects(OBJECT, 'x')
        broken.get = () => {
          calls++
          throw new RangeError('of the engine')
        }
        const store = durableObjectStore(broken)
        const key = { partition: 'p', name: 'n' }
        const charge = { name: 'n', rate: makeRate(1, 1), cost: Number.NaN }
        await assert.rejects(async () => store.set(key, 1, 0.5), { name: 'RangeError', message: /^expiresAt/ })
        await assert.rejects(async () => store.consume('p', [charge]), { name: 'RangeError', message: /^A cost/ })
        assert.equal(calls, 0)
        await assert.rejects(async () => store.get(key), StoreOutage)
        assert.equal(calls, 1)
      },
    }),
    ...cases('durable object > hibernatingSockets()', {
      'throws for a setting that is wrong, naming it, for nobody, and for a tag that counts for others': () => {
        const ctx = { getWebSockets: () => [] } as unknown as DurableObjectState
        const quota = { quota: 1, periodSeconds: 1 }
        for (const [message, options] of [
          [/limit must/, { limit: 0 }],
          [/limit must/, { limit: 1001 }],
          [/messages: quota must/, { limit: 1, messages: { ...quota, quota: 0 } }],
          [/allMessages: periodSeconds must/, { limit: 1, allMessages: { ...quota, periodSeconds: 0 } }],
        ] as const)
          assert.throws(() => hibernatingSockets(ctx, options), { name: 'RangeError', message })
        const sockets = hibernatingSockets(ctx, { limit: 1 })
        const request = new Request('http://localhost/', { headers: { upgrade: 'websocket' } })
        for (const user of ['', null as never]) assert.throws(() => sockets.accept(request, user), TypeError)
        assert.throws(() => sockets.accept(request, 'alice', { tags: ['hinoban:bob'] }), TypeError)
        assert.equal(sockets.accept(new Request('http://localhost/'), 'alice').status, 400)
      },
    }),
    ...cases('durable object > hibernatingSockets()', {
      'admits nothing of a socket that is being closed, also when it slept meanwhile': () => {
        const ctx = { getTags: () => ['hinoban:alice'], getWebSockets: () => [] } as unknown as DurableObjectState
        const states = [WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED]
        // An object that has just woken up knows nothing of the socket but what it says itself.
        const admitted = states.map((readyState) =>
          hibernatingSockets(ctx, { limit: 1 }).admits({ readyState } as unknown as WebSocket),
        )
        assert.deepEqual(admitted, [true, false, false])
      },
    }),
    ...cases('durable object >', {
      'of 200 calls at once to one object exactly 100 are admitted, in each of 5 rounds': async () => {
        const store = openObject(OBJECT, { now: () => START })
        for (let i = 0; i < 5; i++) {
          const task = { partition: crypto.randomUUID(), burst: 100, calls: 200 }
          const report = await consumeAll(store, { type: 'consume', ...task })
          assert.deepEqual(report, { admitted: 100, refused: 100, outages: 0 })
        }
      },
      'one order explains every answer of 1,000 mixed calls by 8 callers': async () => {
        const store = openObject(OBJECT, { now: () => START })
        for (let i = 0; i < 13; i++) {
          const task = { partition: crypto.randomUUID(), member: 'worker', seed: i * 131, callers: 8, operations: 10 }
          const history = await recordHistory(store, { type: 'history', ...task }, () => Date.now() * 1e6)
          assert.equal(history.length, 80)
          assert.deepEqual(anomalies(history), [])
        }
      },
    }),
    ...cases('kv > kvStore()', {
      'keeps the instant in the value and lets KV collect an hour late': async () => {
        const prefix = `${crypto.randomUUID()}|`
        const store = kvStore(prefixedKv(KV, prefix))
        const expiresAt = Date.now() + 1_000
        await store.set({ partition: 'p', name: 'n' }, 1, expiresAt)
        await store.set({ partition: 'p', name: 'past' }, 1, Date.now() - 2 * HOUR)
        const { keys } = await KV.list({ prefix })
        const [kept, past] = keys.map(({ expiration }) => expiration! - Date.now() / 1000)
        assert.ok(Math.abs(kept! - 3_601) < 5, `${kept}`)
        assert.ok(Math.abs(past! - 60) < 5, `${past}`)
        assert.equal((await store.get({ partition: 'p', name: 'n' }))?.expiresAt, expiresAt)
      },
      'turns errors of KV, and a foreign value, into StoreOutage': async () => {
        const prefix = `${crypto.randomUUID()}|`
        const store = kvStore(prefixedKv(KV, prefix))
        await KV.put(`${prefix}p/n`, 'not JSON')
        await assert.rejects(async () => store.get({ partition: 'p', name: 'n' }), StoreOutage)
        await assert.rejects(async () => store.list('p', '', null), StoreOutage)
      },
    }),
    ...cases('kv >', {
      'a reader elsewhere sees a revoked record for up to 60 s': async () => {
        const { clock, here, elsewhere } = twoLocations(KV)
        await here.set(KEY, 'granted', null)
        assert.equal((await elsewhere.get(KEY))?.value, 'granted')
        clock.at += 1_000
        await here.delete(KEY)
        assert.equal(await here.get(KEY), null)
        clock.at += 58_999
        assert.equal((await elsewhere.get(KEY))?.value, 'granted')
        clock.at += 1
        assert.equal(await elsewhere.get(KEY), null)
      },
      'a reader elsewhere who asked too early misses a new record for up to 60 s': async () => {
        const { clock, here, elsewhere } = twoLocations(KV)
        assert.equal(await elsewhere.get(KEY), null)
        await here.set(KEY, 'new', null)
        clock.at += 59_999
        assert.equal(await elsewhere.get(KEY), null)
        clock.at += 1
        assert.equal((await elsewhere.get(KEY))?.value, 'new')
      },
      'two writers overwrite each other and neither is told': async () => {
        const { clock, here, elsewhere } = twoLocations(KV)
        await here.set(KEY, ['first'], null)
        const read = [(await here.get(KEY))!.value, (await elsewhere.get(KEY))!.value] as string[][]
        clock.at += 1_000
        await here.set(KEY, [...read[0]!, 'of here'], null)
        clock.at += 1_000
        await elsewhere.set(KEY, [...read[1]!, 'of elsewhere'], null)
        clock.at += 60_000
        for (const store of [here, elsewhere])
          assert.deepEqual((await store.get(KEY))?.value, ['first', 'of elsewhere'])
      },
      'a second write to one key within a second is a StoreOutage': async () => {
        const { clock, here, elsewhere } = twoLocations(KV)
        await here.set(KEY, 'kept', null)
        clock.at += 999
        for (const call of [
          () => here.set(KEY, 'lost', null),
          () => elsewhere.set(KEY, 'lost', null),
          () => here.delete(KEY),
        ]) {
          await assert.rejects(
            async () => call(),
            (error: Error) => {
              assert.ok(error instanceof StoreOutage)
              assert.match((error.cause as Error).message, /^KV (PUT|DELETE) failed: 429 Too Many Requests$/)
              return true
            },
          )
        }
        await here.set({ ...KEY, name: 'other' }, 1, null)
        assert.equal((await here.get(KEY))?.value, 'kept')
        clock.at += 1
        await here.set(KEY, 'after', null)
        assert.equal((await here.get(KEY))?.value, 'after')
      },
      'rateLimit() and security() refuse it at start, and name themselves, the store and what to use instead': () => {
        const store = kvStore(KV) as unknown as AtomicStore
        const why = "store 'cloudflare-kv' is eventually consistent, so limits and single use could not be exact."
        const instead =
          'Use an AtomicStore: memoryStore(), sqliteStore(), redisStore(), denoKvStore() or durableObjectStore().'
        const features = {
          'rateLimit()': () => rateLimit({ quota: 100, periodSeconds: 60, platform, store }),
          'security()': () => security({ platform, store }),
        }
        for (const [feature, start] of Object.entries(features)) {
          assert.throws(start, { name: 'TypeError', message: `${feature}: ${why} ${instead}` })
        }
      },
    }),
    ...cases('rate-limit binding > rateLimitBinding()', {
      'admits 5 of a key and refuses the sixth, whatever another key does': async () => {
        const tier = rateLimitBinding(LIMITER, { periodSeconds: 60 })
        const ask = async (key: string, times: number): Promise<boolean[]> => {
          const answers: boolean[] = []
          for (let i = 0; i < times; i++) answers.push(await tier.admits(key))
          return answers
        }
        // Miniflare counts by the minute of the clock: a turn of it among the calls proves nothing.
        let minute: number
        let answers: boolean[]
        do {
          minute = Math.floor(Date.now() / 60_000)
          answers = await ask(crypto.randomUUID(), 7)
        } while (Math.floor(Date.now() / 60_000) !== minute)
        assert.deepEqual(answers, [true, true, true, true, true, false, false])
        assert.deepEqual(await ask(crypto.randomUUID(), 1), [true])
        assert.equal(tier.periodSeconds, 60)
      },
      'in front of rateLimit() refuses what the exact limit would still let pass, and nobody else': async () => {
        const firstTier = rateLimitBinding(LIMITER, { periodSeconds: 60 })
        let minute: number
        let statuses: number[]
        let refused: Response | null = null
        do {
          minute = Math.floor(Date.now() / 60_000)
          statuses = []
          const app = new Hono().use(security({ platform, store: memoryStore(), events: [] }))
          app.get('/', rateLimit({ quota: 100, periodSeconds: 60, by: () => tenant, name: 'tenant', firstTier }), (c) =>
            c.text('ok'),
          )
          const tenant = crypto.randomUUID()
          for (let i = 0; i < 7; i++) {
            const answer = await app.request('/')
            statuses.push(answer.status)
            if (answer.status === 429) refused = answer
          }
        } while (Math.floor(Date.now() / 60_000) !== minute)
        assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429])
        assert.equal(refused!.headers.get('retry-after'), '60')
      },
      'admits only where success is true itself, and tells a failure as one': async () => {
        const answering = (outcome: unknown) =>
          rateLimitBinding({ limit: async () => outcome as RateLimitOutcome }, { periodSeconds: 10 }).admits('key')
        assert.equal(await answering({ success: true }), true)
        for (const outcome of [{ success: false }, { success: 1 }, { success: 'true' }, {}])
          assert.equal(await answering(outcome), false)
        const broken = rateLimitBinding({ limit: () => Promise.reject(new Error('down')) }, { periodSeconds: 10 })
        await assert.rejects(async () => broken.admits('key'), /down/)
        await assert.rejects(async () => answering(undefined), TypeError)
      },
      'throws at start where the binding is missing, or for a period that Cloudflare has not': () => {
        assert.throws(() => rateLimitBinding(undefined as never, { periodSeconds: 60 }), {
          name: 'TypeError',
          message: /binding is missing.*ratelimits/,
        })
        for (const periodSeconds of [0, 1, 30, 61, '60', undefined])
          assert.throws(() => rateLimitBinding(LIMITER, { periodSeconds: periodSeconds as never }), {
            name: 'RangeError',
            message: /periodSeconds must be 10 or 60/,
          })
      },
    }),
  ]
}

/** One KV as two locations see it, by a clock that the case moves. */
function twoLocations(namespace: KVNamespace): { clock: Clock & { at: number }; here: Store; elsewhere: Store } {
  const clock = { at: START, now: () => clock.at }
  const locations = kvLocations(prefixedKv(namespace, `${crypto.randomUUID()}|`), clock)
  return { clock, here: kvStore(locations.here, { clock }), elsewhere: kvStore(locations.elsewhere, { clock }) }
}

/** A namespace of its own for one store: the same objects under other names. */
function prefixedObjects(
  namespace: DurableObjectNamespace<TestObject>,
  prefix: string,
): DurableObjectNamespace<HinobanObject> {
  const own = {
    idFromName: (name: string) => namespace.idFromName(`${prefix}|${name}`),
    get: (id: DurableObjectId) => namespace.get(id),
  }
  return own as unknown as DurableObjectNamespace<HinobanObject>
}

/** A namespace of its own for one store: the same keys under a prefix. */
function prefixedKv(namespace: KVNamespace, prefix: string): KVNamespace {
  const own = {
    get: async (key: string | string[]) => {
      if (typeof key === 'string') return namespace.get(prefix + key)
      const found = await namespace.get(key.map((one) => prefix + one))
      return new Map([...found].map(([path, text]) => [path.slice(prefix.length), text]))
    },
    put: (key: string, value: string, options: KVNamespacePutOptions) => namespace.put(prefix + key, value, options),
    delete: (key: string) => namespace.delete(prefix + key),
    list: async (options: KVNamespaceListOptions) => {
      const page = await namespace.list({ ...options, prefix: prefix + (options.prefix ?? '') })
      return { ...page, keys: page.keys.map((key) => ({ ...key, name: key.name.slice(prefix.length) })) }
    },
  }
  return own as unknown as KVNamespace
}
