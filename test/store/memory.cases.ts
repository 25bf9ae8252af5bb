import { strict as assert } from 'node:assert'
import { type ImmediateStore, StoreOutage } from '../../src/store/contract.ts'
import { makeRate } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'

const START = 1_780_000_000_000
const HOUR = 3_600_000
const RATE = makeRate(10, 60)

function open(bounds: { maxEntries?: number; maxBytes?: number }): { store: ImmediateStore; clock: { at: number } } {
  const clock = { at: START, now: () => clock.at }
  return { store: memoryStore({ clock, ...bounds }), clock }
}

function spend(store: ImmediateStore, partition: string, cost: number): boolean {
  return store.consume(partition, [{ name: 'n', rate: RATE, cost }]).admitted
}

function left(store: ImmediateStore, partition: string): number {
  return store.consume(partition, [{ name: 'n', rate: RATE, cost: 0 }]).states[0]!.remaining
}

export const memoryCases: readonly Case[] = [
  ...cases('memoryStore()', {
    'throws RangeError naming the option that is out of range': () => {
      for (const maxEntries of [0, 3, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 16_000_001]) {
        assert.throws(() => memoryStore({ maxEntries }), { name: 'RangeError', message: /^maxEntries / })
      }
      for (const maxBytes of [0, 4095, 4096.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        assert.throws(() => memoryStore({ maxBytes }), { name: 'RangeError', message: /^maxBytes / })
      }
      memoryStore({ maxEntries: 4, maxBytes: 4096 })
    },
    'answers at once': () => {
      const { store } = open({})
      const answers = [
        store.get({ partition: 'p', name: 'n' }),
        store.claim({ partition: 'p', name: 'n' }, START + 1),
        store.list('p', '', null),
        store.consume('p', []),
      ]
      for (const answer of answers) assert.equal(answer instanceof Promise, false)
    },
    'stays within its bound under a flood of 200,000 keys': () => {
      const { store } = open({ maxEntries: 10_000 })
      assert.equal(spend(store, 'user:offender', 10), true)
      for (let i = 0; i < 200_000; i++) assert.equal(spend(store, `address:${i}`, 1), true)
      const kept = Array.from({ length: 200_000 }, (_, i) => left(store, `address:${i}`)).filter((units) => units < 10)
      assert.equal(kept.length, 9_999)
      assert.equal(left(store, 'user:offender'), 0)
    },
    'stays within its bytes under a flood of long keys': () => {
      const { store } = open({ maxBytes: 65_536 })
      for (let i = 0; i < 2_000; i++) spend(store, `address:${'x'.repeat(10_000)}${i}`, 1)
      let kept = 0
      for (let i = 0; i < 2_000; i++) if (left(store, `address:${'x'.repeat(10_000)}${i}`) < 10) kept++
      assert.equal(kept, 65_536 / 64)
    },
  }),
  ...cases('eviction', {
    'takes an idle bucket before an active one, of whatever class': () => {
      const { store, clock } = open({ maxEntries: 4 })
      spend(store, 'user:idle', 1)
      clock.at += 6_000
      for (const name of ['a', 'b', 'c']) spend(store, `address:${name}`, 5)
      spend(store, 'address:d', 5)
      for (const name of ['a', 'b', 'c', 'd']) assert.equal(left(store, `address:${name}`), 5)
    },
    'takes the bucket nearest to idle, so that an offender is not forgotten': () => {
      const { store } = open({ maxEntries: 4 })
      spend(store, 'address:offender', 10)
      for (let i = 0; i < 50; i++) spend(store, `address:${i}`, 1)
      assert.equal(left(store, 'address:offender'), 0)
    },
    'forgets no offender and no principal under a flood of 100,000 addresses': () => {
      const { store, clock } = open({ maxBytes: 65_536 })
      for (let i = 0; i < 100; i++) spend(store, `user:${i}`, 1)
      for (let i = 0; i < 100; i++) spend(store, `address:offender-${i}`, 10)
      for (let i = 0; i < 100_000; i++) {
        if (i % 1_000 === 0) clock.at += 1
        spend(store, `address:${Math.imul(i, 0x9e3779b1) >>> 0}`, 1 + (i % 3))
      }
      for (let i = 0; i < 100; i++) {
        assert.equal(left(store, `address:offender-${i}`), 0)
        assert.equal(left(store, `user:${i}`), 9)
      }
    },
    'goes by what charges made of a bucket since it came': () => {
      const { store } = open({ maxEntries: 4 })
      for (const name of ['a', 'b', 'c', 'd']) spend(store, `address:${name}`, 2)
      for (const name of ['a', 'b', 'd']) spend(store, `address:${name}`, 5)
      spend(store, 'address:e', 9)
      assert.deepEqual(
        ['a', 'b', 'c', 'd'].map((name) => left(store, `address:${name}`)),
        [3, 3, 10, 3],
      )
    },
    'goes by what refunds made of a bucket': () => {
      const { store } = open({ maxEntries: 4 })
      for (const name of ['a', 'b', 'c', 'd']) spend(store, `address:${name}`, 5)
      spend(store, 'address:c', -3)
      spend(store, 'address:e', 9)
      assert.deepEqual(
        ['a', 'b', 'c', 'd'].map((name) => left(store, `address:${name}`)),
        [5, 5, 10, 5],
      )
    },
    'takes from the class that holds most, so that addresses cannot evict principals': () => {
      const { store } = open({ maxEntries: 100 })
      for (let i = 0; i < 20; i++) spend(store, `user:${i}`, 1)
      for (let i = 0; i < 1_000; i++) spend(store, `address:${i}`, 9)
      for (let i = 0; i < 20; i++) assert.equal(left(store, `user:${i}`), 9)
    },
    'is bounded when every partition brings a class of its own': () => {
      const { store } = open({ maxEntries: 500 })
      for (let i = 0; i < 5_000; i++) assert.equal(spend(store, `${i}:x`, 1), true)
      const kept = Array.from({ length: 5_000 }, (_, i) => left(store, `${i}:x`)).filter((units) => units < 10)
      assert.equal(kept.length, 500)
    },
    'keeps no bucket that would be idle': () => {
      const { store } = open({ maxEntries: 4 })
      for (const name of ['a', 'b', 'c', 'd']) spend(store, `address:${name}`, 5)
      for (let i = 0; i < 100; i++) left(store, `address:${i}`)
      for (const name of ['a', 'b', 'c', 'd']) assert.equal(left(store, `address:${name}`), 5)
    },
  }),
  ...cases('at the bound', {
    'set(), claim() and swap() throw StoreOutage, and nothing is lost': () => {
      const { store } = open({ maxEntries: 8 })
      const key = (name: string) => ({ partition: 'p', name })
      for (let i = 0; i < 6; i++) store.set(key(`${i}`), i, START + HOUR)
      assert.throws(() => store.set(key('more'), 1, null), StoreOutage)
      assert.throws(() => store.claim(key('more'), START + HOUR), StoreOutage)
      assert.throws(() => store.swap(key('more'), null, 1, null), StoreOutage)
      assert.equal(store.list('p', '', null).entries.length, 6)
      store.set(key('0'), 'over it', null)
      assert.equal(store.get(key('0'))?.value, 'over it')
    },
    'a value that outgrows the bytes leaves the old one': () => {
      const { store } = open({ maxBytes: 4096 })
      const key = { partition: 'p', name: 'n' }
      store.set(key, 'old', null)
      assert.throws(() => store.set(key, 'x'.repeat(4096), null), StoreOutage)
      assert.equal(store.get(key)?.value, 'old')
    },
    'expired records make room': () => {
      const { store, clock } = open({ maxEntries: 8 })
      for (let i = 0; i < 6; i++) assert.equal(store.claim({ partition: 'p', name: `${i}` }, START + 1 + i), true)
      clock.at = START + 1
      assert.equal(store.claim({ partition: 'p', name: 'more' }, START + HOUR), true)
      assert.throws(() => store.claim({ partition: 'p', name: 'and more' }, START + HOUR), StoreOutage)
    },
    'records push buckets out, but leave the limiters a quarter': () => {
      const { store } = open({ maxEntries: 8 })
      for (let i = 0; i < 8; i++) spend(store, `address:${i}`, 5)
      for (let i = 0; i < 6; i++) store.set({ partition: 'p', name: `${i}` }, i, null)
      assert.throws(() => store.set({ partition: 'p', name: 'more' }, 1, null), StoreOutage)
      const kept = Array.from({ length: 8 }, (_, i) => left(store, `address:${i}`)).filter((units) => units < 10)
      assert.equal(kept.length, 2)
    },
  }),
  ...cases('sweeping', {
    'drops what ended an hour ago as new keys come': () => {
      const { store, clock } = open({ maxEntries: 8 })
      store.set({ partition: 'p', name: 'old' }, 1, START + 1)
      clock.at = START + 1 + HOUR
      store.set({ partition: 'p', name: 'new' }, 1, null)
      clock.at = START
      assert.equal(store.get({ partition: 'p', name: 'old' }), null)
    },
    'leaves for an hour what a clock stepped back could need': () => {
      const { store, clock } = open({ maxEntries: 8 })
      store.claim({ partition: 'p', name: 'used' }, START + 1)
      clock.at = START + HOUR
      store.set({ partition: 'p', name: 'new' }, 1, null)
      clock.at = START
      assert.equal(store.claim({ partition: 'p', name: 'used' }, START + 1), false)
    },
  }),
]
