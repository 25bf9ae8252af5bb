import type { AtomicStore } from '../contract.ts'
import { type BucketState, type Decision, makeRate, type Rate } from '../gcra.ts'
import { answer, atomicCase, check, durable, equal, listAll, START, type StoreCase, shared, throws } from './case.ts'

const RACERS = 1000
const HOUR = 3_600_000
const TEN = makeRate(10, 60)

/** Exact counting: `consume`. */
export const bucketCases: readonly StoreCase[] = [
  ...[1, 10, 100].map((quota) =>
    atomicCase(`consume() admits exactly ${quota} of ${RACERS} racers`, async ({ store }) => {
      const rate = makeRate(quota, 60)
      const decisions = await Promise.all(Array.from({ length: RACERS }, () => consume(store, 'n', rate, 1)))
      equal(decisions.filter(({ admitted }) => admitted === true).length, quota, 'Admitted')
      equal(decisions.filter(({ admitted }) => admitted === false).length, RACERS - quota, 'Refused')
    }),
  ),
  atomicCase('consume() admits exactly 100 of 10,000 racers', async ({ store }) => {
    const rate = makeRate(100, 60)
    const decisions = await Promise.all(Array.from({ length: 10_000 }, () => consume(store, 'n', rate, 1)))
    equal(decisions.filter(({ admitted }) => admitted === true).length, 100, 'Admitted')
    equal(decisions.filter(({ admitted }) => admitted === false).length, 9_900, 'Refused')
  }),
  shared(
    atomicCase('consume() admits exactly 100 of 1000 racers on two connections', async ({ store, another }) => {
      const stores: AtomicStore[] = [store, await another()]
      const rate = makeRate(100, 60)
      const decisions = await Promise.all(
        Array.from({ length: RACERS }, (_, i) => consume(stores[i % 2]!, 'n', rate, 1)),
      )
      equal(decisions.filter(({ admitted }) => admitted === true).length, 100, 'Admitted')
    }),
  ),
  atomicCase('consume() answers admitted as a boolean and one state for each charge', async ({ store }) => {
    equal(
      await consume(store, 'n', TEN, 3),
      decision(true, { remaining: 7, resetAfterMs: 18_000, retryAfterMs: 0 }),
      'Admitted',
    )
    equal(
      await consume(store, 'n', TEN, 8),
      decision(false, { remaining: 7, resetAfterMs: 18_000, retryAfterMs: 6_000 }),
      'Refused',
    )
    equal(await answer(store.consume('p', [])), { admitted: true, states: [] }, 'No charge at all')
  }),
  atomicCase('consume() refills to the millisecond', async ({ store, clock }) => {
    for (let i = 0; i < 10; i++) equal((await consume(store, 'n', TEN, 1)).admitted, true, `Charge ${i + 1} of 10`)
    clock.at = START + 5_999
    equal((await consume(store, 'n', TEN, 1)).admitted, false, 'One millisecond early')
    clock.at = START + 6_000
    equal((await consume(store, 'n', TEN, 1)).admitted, true, 'On time')
    equal((await consume(store, 'n', TEN, 1)).admitted, false, 'Right after')
  }),
  atomicCase('a quota of 7 a minute admits 7 at once and 7 in each minute', async ({ store, clock }) => {
    const seven = makeRate(7, 60)
    let admitted = 0
    for (let i = 0; i < 8; i++) if ((await consume(store, 'n', seven, 1)).admitted) admitted++
    equal(admitted, 7, 'Admitted at once')
    for (clock.at = START + 500; clock.at <= START + 120_000; clock.at += 500) {
      if ((await consume(store, 'n', seven, 1)).admitted) admitted++
    }
    equal(admitted, 7 + 14, 'Admitted after two minutes')
  }),
  atomicCase('a quota of 10 million a second is counted, unit by unit', async ({ store }) => {
    const fast = makeRate(10_000_000, 1, 100)
    let admitted = 0
    for (let i = 0; i < 300; i++) if ((await consume(store, 'n', fast, 1)).admitted) admitted++
    equal(admitted, 100, 'Admitted within one millisecond')
  }),
  atomicCase('a quota of 10 a day is remembered through idle hours', async ({ store, clock }) => {
    const daily = makeRate(10, 86_400)
    let admitted = 0
    for (clock.at = START; clock.at < START + 24 * HOUR; clock.at += HOUR / 2) {
      for (let i = 0; i < 3; i++) if ((await consume(store, 'n', daily, 1)).admitted) admitted++
    }
    equal(admitted, 10 + 9, 'Admitted in a day: the burst, and one every 2.4 hours')
  }),
  atomicCase('consume() looks at every one of several charges', async ({ store }) => {
    const spent = makeRate(1, 60)
    await consume(store, 'last', spent, 1)
    const names = ['a', 'b', 'c', 'd', 'last']
    const charges = names.map((name) => ({ name, rate: name === 'last' ? spent : TEN, cost: 1 }))
    const refused = await answer(store.consume('p', charges))
    equal([refused.admitted, refused.states.map(remaining)], [false, [10, 10, 10, 10, 0]], 'The last is spent')
    const admitted = await answer(store.consume('p', charges.slice(0, 4)))
    equal([admitted.admitted, admitted.states.map(remaining)], [true, [9, 9, 9, 9]], 'Without it')
  }),
  atomicCase('consume() makes all charges or none', async ({ store }) => {
    const charges = (a: number, b: number) => [
      { name: 'a', rate: TEN, cost: a },
      { name: 'b', rate: makeRate(2, 60), cost: b },
    ]
    equal((await answer(store.consume('p', charges(1, 3)))).admitted, false, 'b over its burst')
    const both = await answer(store.consume('p', charges(4, 2)))
    equal([both.admitted, both.states.map(remaining)], [true, [6, 0]], 'Both fit')
    const second = await answer(store.consume('p', charges(1, 1)))
    equal([second.admitted, second.states.map(remaining)], [false, [6, 0]], 'b is spent')
    equal(
      second.states.map(({ retryAfterMs }) => retryAfterMs),
      [0, 30_000],
      'Who made it fail',
    )
    equal(remaining(await first(store, 'a', TEN, 0)), 6, 'a is untouched')
  }),
  atomicCase('racers over two names never spend one alone', async ({ store }) => {
    const rates = [makeRate(50, 60), makeRate(20, 60)] as const
    const charges = [
      { name: 'a', rate: rates[0], cost: 1 },
      { name: 'b', rate: rates[1], cost: 1 },
    ]
    const decisions = await Promise.all(Array.from({ length: 200 }, async () => answer(store.consume('p', charges))))
    equal(decisions.filter(({ admitted }) => admitted).length, 20, 'Admitted')
    equal(remaining(await first(store, 'a', rates[0], 0)), 30, 'Left in a')
  }),
  atomicCase('a refund gives back, never above the burst', async ({ store }) => {
    await consume(store, 'n', TEN, 10)
    equal(await first(store, 'n', TEN, -4), { remaining: 4, resetAfterMs: 36_000, retryAfterMs: 0 }, 'A refund of 4')
    equal(remaining(await first(store, 'n', TEN, -1_000_000)), 10, 'A refund beyond the burst')
    equal(remaining(await first(store, 'fresh', TEN, -5)), 10, 'A refund to a full bucket')
    equal((await consume(store, 'n', TEN, 11)).admitted, false, 'More than the burst')
  }),
  atomicCase('a cost of 0 is admitted and spends nothing', async ({ store }) => {
    equal(
      await consume(store, 'n', TEN, 0),
      decision(true, { remaining: 10, resetAfterMs: 0, retryAfterMs: 0 }),
      'Full',
    )
    await consume(store, 'n', TEN, 10)
    equal((await consume(store, 'n', TEN, 0)).admitted, true, 'Spent')
  }),
  atomicCase('a cost over the burst never fits, and says so', async ({ store }) => {
    const state = { remaining: 10, resetAfterMs: 0, retryAfterMs: null }
    equal(await consume(store, 'n', TEN, 11), decision(false, state), 'One over the burst')
  }),
  atomicCase('a cost that is no whole number is a RangeError, never an admission', async ({ store }) => {
    for (const cost of [Number.NaN, 0.5, -0.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53]) {
      await throws('RangeError', () => store.consume('p', [{ name: 'n', rate: TEN, cost }]), `A cost of ${cost}`)
    }
    const cost = '1' as unknown as number
    await throws('RangeError', () => store.consume('p', [{ name: 'n', rate: TEN, cost }]), 'A cost that is a text')
    equal(remaining(await first(store, 'n', TEN, 0)), 10, 'Left after the faults')
  }),
  atomicCase('one name twice in a call is a RangeError', async ({ store }) => {
    const charge = { name: 'n', rate: TEN, cost: 1 }
    await throws('RangeError', () => store.consume('p', [charge, charge]), 'consume()')
  }),
  atomicCase('partitions and names count apart', async ({ store }) => {
    await consume(store, 'n', TEN, 10)
    equal((await consume(store, 'm', TEN, 10)).admitted, true, 'Another name')
    const other = await answer(store.consume('q', [{ name: 'n', rate: TEN, cost: 10 }]))
    equal(other.admitted, true, 'Another partition')
  }),
  atomicCase('a bucket is no record', async ({ store }) => {
    const key = { partition: 'p', name: 'n' }
    await consume(store, 'n', TEN, 10)
    equal(await answer(store.get(key)), null, 'get()')
    equal(await listAll(store, 'p'), {}, 'list()')
    equal(await answer(store.claim(key, START + 1000)), true, 'claim()')
    await store.delete(key)
    equal(await answer(store.take(key)), null, 'take()')
    equal((await consume(store, 'n', TEN, 1)).admitted, false, 'The bucket after delete() and take()')
  }),
  atomicCase('a clock an hour forth refills, and no further', async ({ store, clock }) => {
    await consume(store, 'n', TEN, 10)
    clock.at = START + HOUR
    equal((await consume(store, 'n', TEN, 11)).admitted, false, 'More than the burst')
    equal((await consume(store, 'n', TEN, 10)).admitted, true, 'The burst')
  }),
  atomicCase('a clock an hour back blocks no longer than one step, and refills nothing', async ({ store, clock }) => {
    await consume(store, 'n', TEN, 10)
    clock.at = START - HOUR
    const refused = await consume(store, 'n', TEN, 1)
    equal(refused, decision(false, { remaining: 0, resetAfterMs: 60_000, retryAfterMs: 6_000 }), 'At the step')
    clock.at += 5_999
    equal((await consume(store, 'n', TEN, 1)).admitted, false, 'One millisecond before the step ends')
    clock.at += 1
    equal((await consume(store, 'n', TEN, 1)).admitted, true, 'When it ends')
    equal((await consume(store, 'n', TEN, 1)).admitted, false, 'Right after')
  }),
  atomicCase('a clock a second back neither refills nor pulls in', async ({ store, clock }) => {
    await consume(store, 'n', TEN, 10)
    clock.at = START - 1000
    const refused = await first(store, 'n', TEN, 1)
    equal(refused, { remaining: 0, resetAfterMs: 61_000, retryAfterMs: 7_000 }, 'The state')
  }),
  atomicCase('after close() consume() throws StoreOutage', async ({ store }) => {
    await store.close()
    await throws('StoreOutage', () => store.consume('p', [{ name: 'n', rate: TEN, cost: 1 }]), 'consume()')
  }),
  durable(
    atomicCase('a reopened store keeps its buckets', async ({ store, reopen }) => {
      await consume(store, 'n', makeRate(7, 60), 6)
      const again = await reopen()
      const state = { remaining: 0, resetAfterMs: 60_000, retryAfterMs: 0 }
      equal(await consume(again, 'n', makeRate(7, 60), 1), decision(true, state), 'The last unit')
      check((await consume(again, 'n', makeRate(7, 60), 1)).admitted === false, 'The bucket was lost.')
    }),
  ),
]

function decision(admitted: boolean, state: BucketState): Decision {
  return { admitted, states: [state] }
}

async function consume(store: AtomicStore, name: string, rate: Rate, cost: number): Promise<Decision> {
  return answer(store.consume('p', [{ name, rate, cost }]))
}

async function first(store: AtomicStore, name: string, rate: Rate, cost: number): Promise<BucketState> {
  return (await consume(store, name, rate, cost)).states[0]!
}

function remaining(state: BucketState): number {
  return state.remaining
}
