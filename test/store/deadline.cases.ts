import { strict as assert } from 'node:assert'
import { type AtomicStore, type Store, type Stored, type StoreKey, StoreOutage } from '../../src/store/contract.ts'
import { withDeadline } from '../../src/store/deadline.ts'
import { makeRate } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { StoppedClock } from '../support/fixtures.ts'
import { conformanceOf } from './conformance.cases.ts'

const KEY = { partition: 'p', name: 'n' }
const CHARGES = [{ name: 'n', rate: makeRate(10, 60), cost: 1 }]

/** A memory store whose verbs answer when they are told to, or never. */
function slow(): { store: AtomicStore; calls: () => number; answer(): void; fail(error: Error): void } {
  let calls = 0
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = []
  const inner = memoryStore()
  const later =
    <A extends unknown[], T>(verb: (...args: A) => T) =>
    (...args: A): Promise<T> => {
      calls++
      return new Promise((resolve, reject) => waiting.push({ resolve: () => resolve(verb(...args)), reject }))
    }
  const store: AtomicStore = {
    name: 'slow',
    consistency: 'atomic',
    get: later(inner.get.bind(inner)),
    set: later(inner.set.bind(inner)),
    delete: later(inner.delete.bind(inner)),
    list: later(inner.list.bind(inner)),
    claim: later(inner.claim.bind(inner)),
    take: later(inner.take.bind(inner)),
    swap: later(inner.swap.bind(inner)),
    consume: later(inner.consume.bind(inner)),
    close: () => inner.close(),
  }
  return {
    store,
    calls: () => calls,
    answer: () => {
      for (const { resolve } of waiting.splice(0)) resolve()
    },
    fail: (error) => {
      for (const { reject } of waiting.splice(0)) reject(error)
    },
  }
}

/** A store that answers with promises, as one over a network does. */
function asynchronous(store: AtomicStore): AtomicStore {
  return {
    name: store.name,
    consistency: 'atomic',
    get: async (key) => store.get(key),
    set: async (key, value, expiresAt) => store.set(key, value, expiresAt),
    delete: async (key) => store.delete(key),
    list: async (...args) => store.list(...args),
    claim: async (key, expiresAt) => store.claim(key, expiresAt),
    take: async (key) => store.take(key),
    swap: async (key, version, value, expiresAt) => store.swap(key, version, value, expiresAt),
    consume: async (partition, charges) => store.consume(partition, charges),
    close: async () => store.close(),
  }
}

/** A store with one other verb. */
function withVerb(
  store: AtomicStore,
  name: 'get',
  verb: (key: StoreKey) => never | Promise<Stored | null>,
): AtomicStore {
  return { ...asynchronous(store), [name]: verb }
}

export const deadlineCases: readonly Case[] = [
  ...conformanceOf('with deadline', {
    consistency: 'atomic',
    open: (clock) => withDeadline(asynchronous(memoryStore({ clock })), { deadlineMs: 30_000 }),
  }),
  ...cases('withDeadline()', {
    'every verb that gets no answer is a StoreOutage when its time is up': async () => {
      const { store } = slow()
      const guarded = withDeadline(store, { deadlineMs: 20 })
      const verbs: Record<string, () => unknown> = {
        get: () => guarded.get(KEY),
        set: () => guarded.set(KEY, 1, null),
        delete: () => guarded.delete(KEY),
        list: () => guarded.list('p', '', null),
        claim: () => withDeadline(store, { deadlineMs: 20 }).claim(KEY, 1),
        take: () => withDeadline(store, { deadlineMs: 20 }).take(KEY),
        swap: () => withDeadline(store, { deadlineMs: 20 }).swap(KEY, null, 1, null),
        consume: () => withDeadline(store, { deadlineMs: 20 }).consume('p', CHARGES),
      }
      for (const [name, call] of Object.entries(verbs)) {
        const began = performance.now()
        await assert.rejects(async () => call(), StoreOutage, name)
        assert.ok(performance.now() - began < 1_000, name)
      }
    },
    'what comes in time passes, and so does what is thrown': async () => {
      const { store, answer, fail } = slow()
      const guarded = withDeadline(store)
      const admitted = guarded.consume('p', CHARGES)
      answer()
      assert.equal((await admitted).admitted, true)
      const failing = guarded.get(KEY)
      fail(new StoreOutage('of the engine'))
      await assert.rejects(async () => failing, /of the engine/)
    },
    'a store that answers at once is not made to wait': () => {
      const store: Store = withDeadline(memoryStore())
      assert.equal(store.set(KEY, 1, null), undefined)
      assert.equal((store.get(KEY) as { value: unknown }).value, 1)
    },
    'after 5 failures the store is spared, and used again when a try succeeds': async () => {
      const clock = new StoppedClock()
      const { store, calls, answer } = slow()
      const guarded = withDeadline(store, { deadlineMs: 10, clock })
      for (let i = 0; i < 5; i++) await assert.rejects(async () => guarded.get(KEY), /in time/)
      await assert.rejects(async () => guarded.get(KEY), /5 times in a row/)
      assert.equal(calls(), 5)
      clock.advance(500)
      const tried = guarded.get(KEY)
      await assert.rejects(async () => guarded.get(KEY), /5 times in a row/)
      answer()
      assert.equal(await tried, null)
      const next = guarded.get(KEY)
      answer()
      assert.equal(await next, null)
    },
    'wrong arguments do not count as failures': async () => {
      const guarded = withDeadline(asynchronous(memoryStore()))
      for (let i = 0; i < 10; i++) await assert.rejects(async () => guarded.set(KEY, 1, 0.5), RangeError)
      assert.equal(await guarded.get(KEY), null)
    },
    'wrong arguments do not hide that the store is dead': async () => {
      const { store, calls } = slow()
      const guarded = withDeadline(store, { deadlineMs: 5 })
      for (let i = 0; i < 5; i++) {
        await assert.rejects(async () => guarded.get(KEY), StoreOutage)
        const wrong = withVerb(store, 'get', () => {
          throw new RangeError('of the caller')
        })
        await assert.rejects(async () => withDeadline(wrong).get(KEY), RangeError)
      }
      await assert.rejects(async () => guarded.get(KEY), /5 times in a row/)
      assert.equal(calls(), 5)
    },
    'what the network says counts as a failure': async () => {
      const down = withVerb(memoryStore(), 'get', async () => {
        throw new TypeError('fetch failed')
      })
      const guarded = withDeadline(down)
      for (let i = 0; i < 5; i++) await assert.rejects(async () => guarded.get(KEY), /fetch failed/)
      await assert.rejects(async () => guarded.get(KEY), /5 times in a row/)
    },
    'one partition that fails does not close the others': async () => {
      const memory = asynchronous(memoryStore())
      const guarded = withDeadline(
        withVerb(memory, 'get', async (key: StoreKey) => {
          if (key.partition === 'hot') throw new StoreOutage('overloaded')
          return memory.get(key)
        }),
      )
      for (let i = 0; i < 10; i++) await assert.rejects(async () => guarded.get({ ...KEY, partition: 'hot' }))
      let served = 0
      for (let i = 0; i < 100; i++) {
        served += await Promise.resolve(guarded.get({ ...KEY, partition: `${i}` })).then(
          () => 1,
          () => 0,
        )
      }
      assert.ok(served >= 90, `${served} of 100 were served`)
    },
    'a partition that is slow has at most 32 calls under way, which are forgotten after 30 s': async () => {
      const clock = new StoppedClock()
      const { store, calls, answer } = slow()
      const guarded = withDeadline(store, { deadlineMs: 20, clock })
      const call = (name: string): Promise<unknown> => (async () => guarded.get({ partition: 'slow', name }))()
      const many = Array.from({ length: 40 }, (_, i) => call(`${i}`))
      assert.ok((await Promise.allSettled(many)).every(({ status }) => status === 'rejected'))
      assert.equal(calls(), 40, 'nobody knew yet that it is slow')
      clock.advance(10_000)
      await assert.rejects(call('more'), /have not ended/)
      assert.equal(calls(), 40)
      const other = (async () => guarded.get({ partition: 'another', name: 'n' }))()
      assert.equal(calls(), 41, 'another partition is asked')
      clock.advance(20_001)
      const tried = call('tried')
      answer()
      assert.deepEqual([await tried, await other], [null, null])
    },
    'a store that is quick has as many under way as come': async () => {
      const { store, calls, answer } = slow()
      const guarded = withDeadline(store, { deadlineMs: 5_000 })
      const many = Array.from({ length: 1_000 }, (_, i) => (async () => guarded.get({ ...KEY, name: `${i}` }))())
      assert.equal(calls(), 1_000)
      answer()
      await Promise.all(many)
    },
    'names the deadline that is out of range': () => {
      for (const deadlineMs of [0, -1, 1.5, Number.NaN, 60_001]) {
        assert.throws(() => withDeadline(memoryStore(), { deadlineMs }), { name: 'RangeError', message: /deadlineMs/ })
      }
    },
    'an eventual store stays one': () => {
      const store: Store = withDeadline({ ...memoryStore(), name: 'edge', consistency: 'eventual' } as Store)
      assert.deepEqual([store.name, store.consistency, 'claim' in store], ['edge', 'eventual', false])
    },
  }),
]
