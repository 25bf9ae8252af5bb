import { strict as assert } from 'node:assert'
import type { Clock } from '../../src/clock.ts'
import { casesFor, conformance, type StoreHarness, storeCases } from '../../src/store/conformance.ts'
import type { AtomicStore, Stored, StoreKey } from '../../src/store/contract.ts'
import { type Bucket, type BucketState, type Charge, type Decision, decide, type Rate } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'

/** The store contract as cases of one store: `memory > claim() has one winner …`. */
export function conformanceOf(subject: string, harness: StoreHarness): readonly Case[] {
  const found: Case[] = []
  conformance(harness, (name, run) => found.push({ name: `${subject} > ${name}`, run }))
  return found
}

const memory: StoreHarness = { consistency: 'atomic', open: (clock) => memoryStore({ clock }) }

/** Stores with one fault each; the cases that must notice it. */
const faults: Record<string, { break(store: AtomicStore, clock: Clock): AtomicStore; noticed: RegExp }> = {
  'a take() that reads, waits and then deletes': {
    break: (store) =>
      changed(store, {
        async take(key: StoreKey): Promise<Stored | null> {
          const found = await store.get(key)
          await null
          await store.delete(key)
          return found
        },
      }),
    noticed: /^take\(\) has one winner among racers$/,
  },
  'a get() that gives an expired record': {
    break: (store, clock) => {
      const frozen = memoryStore({ clock: { now: () => clock.now() - 1 } })
      return changed(store, { get: (key: StoreKey) => frozen.get(key), set: frozen.set.bind(frozen) })
    },
    noticed: /^get\(\) and list\(\) end at expiresAt/,
  },
  'a consume() that answers with a thenable': {
    break: (store) =>
      changed(store, {
        consume: (...args: Parameters<AtomicStore['consume']>) => ({
          // biome-ignore lint/suspicious/noThenProperty: the fault itself.
          then: (resolve: (value: unknown) => void) => resolve(store.consume(...args)),
        }),
      }),
    noticed: /^consume\(\) admits exactly/,
  },
  'a consume() that reads, waits and then writes': {
    break: (store, clock) => {
      const buckets = new Map<string, Bucket>()
      return changed(store, {
        async consume(_partition: string, charges: readonly Charge[]): Promise<Decision> {
          const read = new Map(buckets)
          await null
          const { decision, buckets: kept } = decide(charges, clock.now(), (name) => read.get(name) ?? null)
          for (const [i, bucket] of kept.entries()) if (bucket !== null) buckets.set(charges[i]!.name, bucket)
          return decision
        },
      })
    },
    noticed: /^racers of random costs|^consume\(\) admits exactly 10 of/,
  },
  'a limit that is a microsecond too far': {
    break: (store) => rated(store, (rate) => ({ ...rate, toleranceUs: rate.toleranceUs + 1 })),
    noticed: /^random charges/,
  },
  'a limit that is a microsecond too near': {
    break: (store) => rated(store, (rate) => ({ ...rate, toleranceUs: rate.toleranceUs - 1 })),
    noticed: /^random charges/,
  },
  'a limit whose fraction of a microsecond is lost': {
    break: (store) => rated(store, (rate) => ({ ...rate, toleranceRest: 0 })),
    noticed: /^random charges/,
  },
  'a step that is rounded up to a microsecond': {
    break: (store) => rated(store, (rate) => withStep(rate, rate.stepUs + Math.sign(rate.stepRest))),
    noticed: /^random charges/,
  },
  'a step that is rounded down to a microsecond': {
    break: (store) => rated(store, (rate) => withStep(rate, rate.stepUs)),
    noticed: /^random charges/,
  },
  'a bucket that is counted in floating point': {
    break: (store, clock) => {
      const buckets = new Map<string, { left: number; at: number }>()
      return changed(store, {
        consume: (partition: string, charges: readonly Charge[]): Decision => {
          const { name, rate, cost } = charges[0]!
          const now = clock.now()
          const { left, at } = buckets.get(name) ?? { left: rate.burst, at: now }
          const level = Math.min(rate.burst, left + (now - at) * (rate.quota / (rate.periodUs / 1000)))
          const admitted = cost <= level
          buckets.set(name, { left: Math.min(rate.burst, admitted ? level - cost : level), at: now })
          // Only what it decides is wrong.
          return { ...store.consume(partition, charges), admitted } as Decision
        },
      })
    },
    noticed: /^random charges fit when/,
  },
  'refunds that fill a bucket above its burst': {
    break: (store) => {
      const credits = new Map<string, number>()
      return changed(store, {
        consume: (partition: string, charges: readonly Charge[]): Decision => {
          const { name, rate, cost } = charges[0]!
          const before = (store.consume(partition, [{ name, rate, cost: 0 }]) as Decision).states[0]!
          const credit = credits.get(name) ?? 0
          const decision = store.consume(partition, charges) as Decision
          if (cost < 0) credits.set(name, credit + Math.max(0, before.remaining - cost - rate.burst))
          if (decision.admitted || cost > rate.burst || cost > before.remaining + credit) return decision
          credits.set(name, credit - cost)
          return { admitted: true, states: [{ ...before, retryAfterMs: 0 }] }
        },
      })
    },
    noticed: /^random charges and refunds/,
  },
  'a refused charge that is told as if it was made': {
    break: (store) =>
      refusing(store, (state, cost) => ({ ...state, remaining: Math.max(0, state.remaining - Math.max(0, cost)) })),
    noticed: /^random charges/,
  },
  'a wait that is a millisecond short': {
    break: (store) =>
      refusing(store, (state) => ({ ...state, retryAfterMs: state.retryAfterMs && state.retryAfterMs - 1 })),
    noticed: /^random charges/,
  },
  'a wait in whole seconds': {
    break: (store) =>
      refusing(store, (state) => ({
        ...state,
        retryAfterMs: state.retryAfterMs && Math.ceil(state.retryAfterMs / 1000) * 1000,
      })),
    noticed: /^random charges/,
  },
  'charges that are made one by one, though another is refused': {
    break: (store) =>
      changed(store, {
        consume: (partition: string, charges: readonly Charge[]): Decision => {
          const decisions = charges.map((charge) => store.consume(partition, [charge]) as Decision)
          return {
            admitted: decisions.every(({ admitted }) => admitted),
            states: decisions.map(({ states }) => states[0]!),
          }
        },
      }),
    noticed: /^random charges of several|^consume\(\) makes all charges or none/,
  },
  'a clock step back that fills the buckets': {
    break: (store, clock) => {
      let last = clock.now()
      let generation = 0
      return changed(store, {
        consume: (partition: string, charges: readonly Charge[]) => {
          if (clock.now() < last) generation++
          last = clock.now()
          return store.consume(`${partition} ${generation}`, charges)
        },
      })
    },
    noticed: /^a clock that steps at random|^a clock a second back/,
  },
}

/** A store that decides by other rates than it is given. */
function rated(store: AtomicStore, change: (rate: Rate) => Rate): AtomicStore {
  return changed(store, {
    consume: (partition: string, charges: readonly Charge[]) =>
      store.consume(
        partition,
        charges.map((charge) => ({ ...charge, rate: change(charge.rate) })),
      ),
  })
}

/** The rate whose step is so many whole microseconds. */
function withStep(rate: Rate, stepUs: number): Rate {
  return { ...rate, stepUs, stepRest: 0, toleranceUs: stepUs * rate.burst, toleranceRest: 0 }
}

/** A store that tells other states than it has where it refuses. */
function refusing(store: AtomicStore, change: (state: BucketState, cost: number) => BucketState): AtomicStore {
  return changed(store, {
    consume: (partition: string, charges: readonly Charge[]): Decision => {
      const decision = store.consume(partition, charges) as Decision
      if (decision.admitted) return decision
      return { ...decision, states: decision.states.map((state, i) => change(state, charges[i]!.cost)) }
    },
  })
}

function changed(store: AtomicStore, verbs: object): AtomicStore {
  return new Proxy(store, {
    get: (target, name) => {
      const verb: unknown = Reflect.get(verbs, name) ?? Reflect.get(target, name)
      return typeof verb === 'function' ? verb.bind(target) : verb
    },
  })
}

export const conformanceCases: readonly Case[] = [
  ...conformanceOf('memory', memory),
  ...cases('storeCases', {
    'have names of their own': () => {
      assert.equal(new Set(storeCases.map(({ name }) => name)).size, storeCases.length)
    },
    'ask an eventual store for plain state alone, and of a durable one more': () => {
      const open = memory.open
      const eventual = casesFor({ consistency: 'eventual', open })
      const durable = casesFor({ consistency: 'atomic', open, another: (store) => store, reopen: (store) => store })
      assert.ok(eventual.length > 15 && eventual.every(({ needs }) => needs === 'store'))
      assert.equal(durable.length, storeCases.length)
      assert.ok(casesFor(memory).length < storeCases.length)
    },
    'refuse a store of another consistency than its harness says': async () => {
      const [first] = casesFor({ consistency: 'eventual', open: memory.open })
      await assert.rejects(first!.run({ consistency: 'eventual', open: memory.open }), /store\.consistency/)
    },
  }),
  ...cases(
    'storeCases notice',
    Object.fromEntries(
      Object.entries(faults).map(([fault, { break: broken, noticed }]) => [
        fault,
        async () => {
          const harness: StoreHarness = { ...memory, open: (clock) => broken(memoryStore({ clock }), clock) }
          const meant = casesFor(harness).filter(({ name }) => noticed.test(name))
          assert.ok(meant.length > 0)
          for (const storeCase of meant) await assert.rejects(storeCase.run(harness))
        },
      ]),
    ),
  ),
]
