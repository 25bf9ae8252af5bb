import { strict as assert } from 'node:assert'
import type { AtomicStore } from '../../src/store/contract.ts'
import { type DenialsOptions, rememberDenials } from '../../src/store/denials.ts'
import { type Charge, type Decision, makeRate, type Rate } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { StoppedClock } from '../support/fixtures.ts'
import { conformanceOf } from './conformance.cases.ts'

const TEN = makeRate(10, 60)
const FIVE = makeRate(5, 60)

function opened(options: DenialsOptions = {}): {
  clock: StoppedClock
  memory: AtomicStore
  store: AtomicStore
  asked: () => number
  consume: (name: string, cost: number, partition?: string, rate?: Rate) => Promise<Decision>
} {
  const clock = new StoppedClock()
  const memory = memoryStore({ clock })
  let asked = 0
  const counted: AtomicStore = {
    name: 'counted',
    consistency: 'atomic',
    get: (key) => memory.get(key),
    set: (key, value, expiresAt) => memory.set(key, value, expiresAt),
    delete: (key) => memory.delete(key),
    list: (...args) => memory.list(...args),
    claim: (key, expiresAt) => memory.claim(key, expiresAt),
    take: (key) => memory.take(key),
    swap: (...args) => memory.swap(...args),
    close: () => memory.close(),
    async consume(partition, charges) {
      asked++
      return memory.consume(partition, charges)
    },
  }
  const store = rememberDenials(counted, { clock, ...options })
  const consume = async (name: string, cost: number, partition = 'p', rate = TEN): Promise<Decision> =>
    store.consume(partition, [{ name, rate, cost }])
  return { clock, memory, store, asked: () => asked, consume }
}

export const denialsCases: readonly Case[] = [
  ...conformanceOf('remember denials', {
    consistency: 'atomic',
    open: (clock) => rememberDenials(memoryStore({ clock }), { clock }),
  }),
  ...cases('LIM-7 rememberDenials()', {
    'a client that is refused costs one call to the store until it may try again': async () => {
      const { clock, asked, consume } = opened()
      await consume('n', 10)
      for (let i = 0; i < 1_000; i++) assert.equal((await consume('n', 1)).admitted, false)
      assert.equal(asked(), 2)
      clock.advance(4_999)
      assert.equal((await consume('n', 1)).admitted, false)
      assert.equal(asked(), 2)
      clock.advance(1)
      assert.equal((await consume('n', 1)).admitted, false)
      assert.equal(asked(), 3, 'after 5 s it is asked again')
      clock.advance(1_000)
      assert.equal((await consume('n', 1)).admitted, true, 'a unit is back after 6 s')
    },
    'tells the remaining wait, never less than the store would': async () => {
      const { clock, memory, store, consume } = opened()
      await consume('n', 10)
      await consume('n', 2)
      for (const [advanceMs, cost] of [
        [0, 2],
        [1_234, 2],
        [0, 3],
        [1_000, 10],
      ] as const) {
        clock.advance(advanceMs)
        const charges = [{ name: 'n', rate: TEN, cost }]
        const told = (await store.consume('p', charges)).states[0]!
        const truth = (await memory.consume('p', charges)).states[0]!
        assert.ok(told.retryAfterMs! >= truth.retryAfterMs!, `cost ${cost}: ${told.retryAfterMs}`)
        assert.ok(told.retryAfterMs! <= truth.retryAfterMs! + 1)
        assert.equal(told.resetAfterMs, truth.resetAfterMs)
      }
      const never = (await consume('n', 11)).states[0]!
      assert.equal(never.retryAfterMs, null)
    },
    'a dear request that is refused never refuses a cheap one': async () => {
      const { consume } = opened()
      await consume('n', 5)
      assert.equal((await consume('n', 6)).admitted, false)
      assert.equal((await consume('n', 5)).admitted, true)
    },
    'one client’s denial is not another’s, nor another limit’s': async () => {
      const { asked, consume } = opened()
      await consume('n', 10)
      assert.equal((await consume('n', 1)).admitted, false)
      assert.equal((await consume('n', 1, 'another client')).admitted, true)
      assert.equal((await consume('another limit', 1)).admitted, true)
      const before = asked()
      await consume('n', 1, 'p', makeRate(1000, 60))
      assert.equal(asked(), before + 1)
    },
    'of several limits only the one that refused is remembered, and the others’ numbers stay true': async () => {
      const { asked, store } = opened()
      const both = (a: number, b: number): readonly Charge[] => [
        { name: 'a', rate: TEN, cost: a },
        { name: 'b', rate: FIVE, cost: b },
      ]
      await store.consume('p', both(0, 5))
      const refused = await store.consume('p', both(1, 1))
      assert.deepEqual(await store.consume('p', both(1, 1)), refused)
      assert.equal(asked(), 2)
      await store.consume('p', both(9, 1))
      assert.equal(asked(), 3, 'the limit that did not refuse is asked about another cost')
      assert.equal((await store.consume('p', [both(1, 1)[0]!])).admitted, true)
    },
    'giving units back clears it at once': async () => {
      const { consume } = opened()
      await consume('n', 10)
      assert.equal((await consume('n', 1)).admitted, false)
      await consume('n', -1)
      assert.equal((await consume('n', 1)).admitted, true)
    },
    'a refusal from before units were given back is not remembered': async () => {
      const clock = new StoppedClock()
      const memory = memoryStore({ clock })
      const answers: (() => void)[] = []
      const store = rememberDenials(
        {
          ...opened().store,
          consume: (partition, charges) => {
            const decision = memory.consume(partition, charges)
            return new Promise((resolve) => answers.push(() => resolve(decision)))
          },
        },
        { clock },
      )
      memory.consume('p', [{ name: 'n', rate: TEN, cost: 10 }])
      const refused = store.consume('p', [{ name: 'n', rate: TEN, cost: 1 }])
      const refund = store.consume('p', [{ name: 'n', rate: TEN, cost: -5 }])
      answers[1]!()
      await refund
      answers[0]!()
      assert.equal((await refused).admitted, false)
      const next = store.consume('p', [{ name: 'n', rate: TEN, cost: 1 }])
      answers[2]!()
      assert.equal((await next).admitted, true)
    },
    'giving back in one partition forgets nothing of another': async () => {
      const { asked, consume } = opened()
      await consume('n', 10)
      await consume('n', 1)
      const before = asked()
      for (let i = 0; i < 20; i++) await consume('n', -1, `other ${i}`)
      await consume('n', 1)
      assert.equal(asked(), before + 20)
    },
    'holds no more than its bound, the newest': async () => {
      const { asked, consume } = opened({ maxEntries: 2 })
      for (const partition of ['a', 'b', 'c']) {
        await consume('n', 10, partition)
        await consume('n', 1, partition)
      }
      const before = asked()
      await consume('n', 1, 'b')
      await consume('n', 1, 'c')
      assert.equal(asked(), before)
      await consume('n', 1, 'a')
      assert.equal(asked(), before + 1)
    },
    'a faulty cost is a fault, remembered or not': async () => {
      const { consume } = opened()
      await consume('n', 10)
      await consume('n', 1)
      for (const cost of [Number.NaN, Number.POSITIVE_INFINITY, 1.5]) {
        await assert.rejects(async () => consume('n', cost), RangeError)
      }
    },
    'a clock that steps back forgets': async () => {
      const { clock, asked, consume } = opened()
      await consume('n', 10)
      await consume('n', 1)
      clock.advance(-1)
      await consume('n', 1)
      assert.equal(asked(), 3)
    },
    'other numbers or other charges of a name do not push a denial out': async () => {
      const { asked, store, consume } = opened()
      await consume('n', 10)
      await consume('n', 5, 'q', FIVE)
      const list: readonly Charge[] = ['x', 'y'].map((name) => ({ name, rate: FIVE, cost: 5 }))
      await store.consume('p', list)
      const looksAlike = `1:x:5/${FIVE.periodUs}/5;1:y`
      await consume(looksAlike, 5, 'p', FIVE)
      const before = asked()
      for (let i = 0; i < 50; i++) {
        assert.equal((await consume('n', 1)).admitted, false)
        assert.equal((await consume('n', 5, 'p', FIVE)).admitted, false)
        assert.equal((await store.consume('p', list)).admitted, false)
        assert.equal((await consume(looksAlike, 5, 'p', FIVE)).admitted, false)
      }
      assert.equal(asked() - before, 4)
    },
    'charges that their maker changes afterwards refuse nobody else': async () => {
      const { store } = opened()
      const charge = { name: 'mallory', rate: FIVE, cost: 5 }
      const charges = [charge]
      for (let i = 0; i < 4; i++) await store.consume('p', charges)
      charge.name = 'alice'
      assert.equal((await store.consume('p', charges)).admitted, true)
      assert.equal((await store.consume('p', [{ name: 'mallory', rate: FIVE, cost: 5 }])).admitted, false)
    },
    'names the bound that is out of range': () => {
      for (const maxEntries of [0, 0.5, Number.NaN]) {
        assert.throws(() => rememberDenials(memoryStore(), { maxEntries }), {
          name: 'RangeError',
          message: /maxEntries/,
        })
      }
    },
  }),
]
