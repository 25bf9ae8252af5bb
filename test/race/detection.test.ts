import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AtomicStore, type Json, type StoreKey, StoreOutage } from '../../src/store/contract.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { Random } from '../torture/random.ts'
import type { Operation } from './history.ts'
import { anomalies } from './linearizable.ts'
import { Script } from './script.ts'
import { recordHistory } from './tasks.ts'

/** What becomes of a call: answered; or an outage after which it was never made, was made, or is made later. */
const FATES = ['answered', 'never', 'made', 'later'] as const
type Fate = (typeof FATES)[number]

/** One call of a generated history. `lead` and `lag` are parts of the time there is before and after it, 0 to 999 of 1,000. */
interface Step {
  readonly caller: number
  readonly lead: number
  readonly lag: number
  readonly fate: Fate
}

const CALLERS = 5
const STEP_NS = 1_000_000

const steps = fc.array(
  fc.record({
    caller: fc.nat(CALLERS - 1),
    lead: fc.nat(999),
    lag: fc.nat(999),
    fate: fc.constantFrom<Fate>(...Array.from({ length: 20 }, () => 'answered' as const), 'never', 'made', 'later'),
  }),
  { minLength: 1, maxLength: 60 },
)

/** A history that is right: the calls are made one after the other, and said to have overlapped. */
async function generated(seed: number, plan: readonly Step[]): Promise<readonly Operation[]> {
  const random = new Random(seed)
  const scripts = Array.from({ length: CALLERS }, (_, i) => new Script(`${i}`, 'p', new Random(seed + i)))
  const returnedAt = Array.from({ length: CALLERS }, () => 0)
  const late: (() => unknown)[] = []
  const history: Operation[] = []
  const real = memoryStore({ clock: { now: () => 1_780_000_000_000 } })
  for (const [i, { caller, lead, lag, fate }] of plan.entries()) {
    if (late.length > 0 && random.below(3) === 0) late.shift()!()
    const at = (i + 1) * STEP_NS
    const following = plan.findIndex((step, j) => j > i && step.caller === caller)
    const nextAt = ((following < 0 ? plan.length : following) + 1) * STEP_NS
    const invokedAt = at - Math.floor(((at - returnedAt[caller]! - 1) * lead) / 1000)
    returnedAt[caller] = at + Math.floor(((nextAt - at - 1) * lag) / 1000)
    const instants = [invokedAt, returnedAt[caller]!]
    history.push(await scripts[caller]!.next(fated(real, fate, late), () => instants.shift()!))
  }
  return history
}

/** The store with this fate for every call. */
function fated(store: AtomicStore, fate: Fate, late: (() => unknown)[]): AtomicStore {
  const verbs = store as unknown as Record<string, (...given: unknown[]) => unknown>
  return new Proxy(store, {
    get:
      (_, verb: string) =>
      (...given: unknown[]): unknown => {
        const make = (): unknown => verbs[verb]!.apply(store, given)
        if (fate === 'answered') return make()
        if (fate === 'made') make()
        if (fate === 'later') late.push(make)
        throw new StoreOutage('lost')
      },
  })
}

function fixedPlan(random: Random, length: number): readonly Step[] {
  return Array.from({ length }, () => ({
    caller: random.below(CALLERS),
    lead: random.below(1000),
    lag: random.below(1000),
    fate: random.below(20) === 0 ? random.pick(FATES) : 'answered',
  }))
}

/** Changes one answer to another that its verb could give; null when the call had none that can be changed. */
function corrupted(operation: Operation, random: Random): Operation | null {
  if (operation.outcome === 'outage') return null
  const { at } = operation.outcome
  switch (operation.verb) {
    case 'set':
    case 'delete':
      return null
    case 'get':
    case 'take': {
      const { answer } = operation.outcome
      if (answer === null) {
        const value = `${random.below(CALLERS)}:${1 + random.below(8)}`
        return { ...operation, outcome: { at, answer: { value, version: 'other', expiresAt: null } } }
      }
      const other = random.pick([null, { ...answer, version: 'other' }, { ...answer, expiresAt: 1 }])
      return { ...operation, outcome: { at, answer: other } }
    }
    case 'claim':
      return { ...operation, outcome: { at, answer: !operation.outcome.answer } }
    case 'swap':
      return { ...operation, outcome: { at, answer: operation.outcome.answer === null ? 'other' : null } }
    case 'consume': {
      const { admitted, remaining } = operation.outcome.answer
      const place = random.below(remaining.length + 1)
      const other = remaining.map((units, i) => (i === place ? units + random.pick([-1, 1]) : units))
      return {
        ...operation,
        outcome: { at, answer: { admitted: place === remaining.length ? !admitted : admitted, remaining: other } },
      }
    }
  }
}

test('the history checker > passes whatever a right store answers, however the calls overlap and get lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), steps, async (seed, plan) => {
      expect(anomalies(await generated(seed, plan))).toEqual([])
    }),
    { numRuns: 400 },
  )
})

test('the history checker > always convicts a value that nobody wrote, and units that no bucket holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), steps, fc.nat(), async (seed, plan, which) => {
      const history = await generated(seed, plan)
      const place = which % history.length
      const { verb, outcome } = history[place]!
      if (outcome === 'outage' || (verb !== 'get' && verb !== 'take' && verb !== 'consume')) return
      const answer =
        verb === 'consume'
          ? { ...outcome.answer, remaining: outcome.answer.remaining.map(() => 4) }
          : { value: 'of nobody', version: 'v', expiresAt: null }
      const told = { ...history[place]!, outcome: { at: outcome.at, answer } } as Operation
      expect(anomalies(history.with(place, told))).not.toEqual([])
    }),
    { numRuns: 400 },
  )
})

test('the history checker > notices one false answer of 40 in most histories, though much overlap explains some away', async () => {
  const random = new Random(20261121)
  let [changed, noticed] = [0, 0]
  while (changed < 2000) {
    const history = await generated(random.below(1e9), fixedPlan(random, 40))
    const place = random.below(history.length)
    const told = corrupted(history[place]!, random)
    if (told === null) continue
    changed += 1
    if (anomalies(history.with(place, told)).length > 0) noticed += 1
  }
  console.log(`noticed ${noticed} of ${changed} false answers`)
  expect(noticed / changed).toBeGreaterThan(0.8)
})

/** Stores that break one promise, as an engine without that atomic step would. */
const BROKEN: Record<string, (store: AtomicStore) => Partial<AtomicStore>> = {
  'claim that looks, then writes': (store) => ({
    async claim(key: StoreKey, expiresAt: number) {
      const free = (await store.get(key)) === null
      await pause()
      if (free) await store.set(key, true, expiresAt)
      return free
    },
  }),
  'take that reads, then deletes': (store) => ({
    async take(key: StoreKey) {
      const found = await store.get(key)
      await pause()
      await store.delete(key)
      return found
    },
  }),
  'swap that compares, then writes': (store) => ({
    async swap(key: StoreKey, version: string | null, value: Json, expiresAt: number | null) {
      const found = await store.get(key)
      await pause()
      if ((found?.version ?? null) !== version) return null
      await store.set(key, value, expiresAt)
      return (await store.get(key))!.version
    },
  }),
  'consume that asks for the state, then charges': (store) => ({
    async consume(partition, charges) {
      const asked = await store.consume(
        partition,
        charges.map((charge) => ({ ...charge, cost: 0 })),
      )
      await pause()
      if (!charges.every(({ cost }, i) => cost <= asked.states[i]!.remaining)) return { ...asked, admitted: false }
      const states = []
      for (const charge of charges) states.push((await store.consume(partition, [charge])).states[0]!)
      return { admitted: true, states }
    },
  }),
  'get that remembers what it read': (store) => {
    const kept = new Map<string, Awaited<ReturnType<AtomicStore['get']>>>()
    return {
      async get(key: StoreKey) {
        const name = `${key.partition}/${key.name}`
        const found = kept.get(name) ?? (await store.get(key))
        kept.set(name, found)
        return found
      },
    }
  },
}

test.each(Object.entries(BROKEN))(
  'the history checker > convicts a store with a %s within 40 histories',
  async (_, breaks) => {
    const inner = memoryStore()
    const store = { ...bound(inner), ...breaks(inner) } as AtomicStore
    let convicted = 0
    for (let i = 0; i < 40; i++) convicted += anomalies(await played(store, i)).length > 0 ? 1 : 0
    expect(convicted).toBeGreaterThan(0)
  },
)

test('the history checker > passes the same store unbroken in 40 histories', async () => {
  const store = bound(memoryStore()) as AtomicStore
  for (let i = 0; i < 40; i++) expect(anomalies(await played(store, i))).toEqual([])
})

/** A history of four callers at once, with a moment of waiting inside each verb. */
function played(store: AtomicStore, round: number): Promise<readonly Operation[]> {
  const task = { partition: `h${round}`, member: 'm', seed: round * 31, callers: 4, operations: 10 }
  return recordHistory(store, { type: 'history', ...task }, () => Number(process.hrtime.bigint()))
}

/** The verbs of a store as asynchronous functions. */
function bound(store: AtomicStore): Partial<AtomicStore> {
  const verbs = store as unknown as Record<string, (...given: unknown[]) => unknown>
  const names = ['get', 'set', 'delete', 'claim', 'take', 'swap', 'consume']
  return Object.fromEntries(
    names.map((name) => [
      name,
      async (...given: unknown[]) => {
        await pause()
        return verbs[name]!.apply(store, given)
      },
    ]),
  )
}

function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
