import { strict as assert } from 'node:assert'
import type { Clock } from '../../src/clock.ts'
import { casesFor, conformance, type StoreHarness, storeCases } from '../../src/store/conformance.ts'
import type { AtomicStore, Stored, StoreKey } from '../../src/store/contract.ts'
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
