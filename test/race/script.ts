import { type AtomicStore, type Awaitable, isPending, type Stored, StoreOutage } from '../../src/store/contract.ts'
import { makeRate } from '../../src/store/gcra.ts'
import type { Random } from '../torture/random.ts'
import type { Cost, Operation, Outcome, Seen } from './history.ts'

/** A quota for so long a period that no unit comes back within a run. */
export const PERIOD_SECONDS = 366 * 86_400
/** Far enough away that nothing expires within a run: 2100-01-01. */
const FAR_MS = 4_102_444_800_000

/** How often each verb comes among calls about records. */
const VERBS = [
  ...(['get', 'get', 'get', 'set', 'delete'] as const),
  ...(['claim', 'claim', 'take', 'take', 'swap', 'swap', 'swap'] as const),
] as const

/** The calls of one caller. It gives `swap` only versions that it has seen, the last more often than an old one. */
export class Script {
  readonly #caller: string
  readonly #partition: string
  readonly #random: Random
  readonly #versions = new Map<string, string[]>()
  #writes = 0

  constructor(caller: string, partition: string, random: Random) {
    this.#caller = caller
    this.#partition = partition
    this.#random = random
  }

  /** Makes the next call and records it. Errors that are no outage are thrown. */
  next(store: AtomicStore, now: () => number): Promise<Operation> {
    const random = this.#random
    if (random.below(4) === 0) return this.#consume(store, now)
    return this.#record(store, now, random.pick(['a', 'b']))
  }

  async #consume(store: AtomicStore, now: () => number): Promise<Operation> {
    const random = this.#random
    const burst = 3
    const names = random.pick([['x'], ['y'], ['x', 'y'], ['y', 'x']])
    const costs = names.map((name): Cost => ({ name, burst, cost: random.pick([1, 1, 1, 2, 3, 4, -1, -1, -2, -9, 0]) }))
    const rate = makeRate(burst, PERIOD_SECONDS)
    const charges = costs.map(({ name, cost }) => ({ name, rate, cost }))
    const called = { caller: this.#caller, key: this.#partition, verb: 'consume', costs } as const
    return timed(
      called,
      now,
      () => store.consume(this.#partition, charges),
      ({ admitted, states }) => ({
        admitted,
        remaining: states.map(({ remaining }) => remaining),
      }),
    )
  }

  async #record(store: AtomicStore, now: () => number, name: string): Promise<Operation> {
    const random = this.#random
    const key = { partition: this.#partition, name }
    const called = { caller: this.#caller, key: `${this.#partition}/${name}` }
    const versions = this.#versions.get(name) ?? []
    this.#versions.set(name, versions)
    const value = `${this.#caller}:${++this.#writes}`
    const expiresAt = random.pick([null, FAR_MS + random.below(1000)])
    const verb = random.pick(VERBS)
    switch (verb) {
      case 'get':
      case 'take':
        return timed(
          { ...called, verb },
          now,
          () => store[verb](key),
          (found) => saw(found, versions),
        )
      case 'set':
        return timed({ ...called, verb, value, expiresAt }, now, () => store.set(key, value, expiresAt), nothing)
      case 'delete':
        return timed({ ...called, verb }, now, () => store.delete(key), nothing)
      case 'claim':
        return timed(
          { ...called, verb, expiresAt: FAR_MS },
          now,
          () => store.claim(key, FAR_MS),
          (won) => won,
        )
      case 'swap': {
        const version = random.pick([
          null,
          versions.at(-1) ?? null,
          versions.at(-1) ?? null,
          random.pick([null, ...versions]),
        ])
        const swapped = (made: string | null): string | null => {
          if (made !== null) versions.push(made)
          return made
        }
        return timed(
          { ...called, verb, version, value, expiresAt },
          now,
          () => store.swap(key, version, value, expiresAt),
          swapped,
        )
      }
    }
  }
}

/** Makes one call and notes when. Errors that are no outage are faults of the store, and thrown. */
async function timed<Call extends object, Given, Answer>(
  call: Call,
  now: () => number,
  make: () => Awaitable<Given>,
  read: (given: Given) => Answer,
): Promise<Call & { readonly invokedAt: number; readonly outcome: Outcome<Answer> }> {
  const invokedAt = now()
  try {
    const made = make()
    // An answer that stands already is noted at once: a wait would only widen the time it may have been given in.
    const given = isPending(made) ? await made : made
    const at = now()
    return { ...call, invokedAt, outcome: { at, answer: read(given) } }
  } catch (error) {
    if (!(error instanceof StoreOutage)) throw error
    return { ...call, invokedAt, outcome: 'outage' }
  }
}

function saw(found: Stored | null, versions: string[]): Seen | null {
  if (found === null) return null
  const { value, version, expiresAt } = found
  versions.push(version)
  return { value, version, expiresAt }
}

function nothing(): null {
  return null
}
