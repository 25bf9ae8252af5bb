import { type Clock, systemClock } from '../clock.ts'
import type { AtomicStore, Awaitable } from './contract.ts'
import { encodePart, isPending } from './contract.ts'
import { forward } from './forward.ts'
import { type BucketState, type Charge, checkCharges, type Decision, type Rate } from './gcra.ts'

/** What {@link rememberDenials} takes. */
export interface DenialsOptions {
  /** Counts down what was denied; the runtime's own unless told. */
  readonly clock?: Clock
  /** Most denials held, at least 1; 10,000 unless told. The oldest goes first. */
  readonly maxEntries?: number
}

/** A refusal of the store, by how much each charge asked. */
interface Denial {
  readonly at: number
  readonly charges: readonly Charge[]
  readonly states: readonly BucketState[]
  /** When the store was last asked whether it still refuses. */
  checkedAt: number
}

/** What {@link rememberDenials} makes. */
export interface RememberingStore extends AtomicStore {
  /** The refusal of these charges that still holds, without asking the store; null where it would have to be asked. */
  remembered(partition: string, charges: readonly Charge[]): Decision | null
}

const LONGEST_MS = 5_000
const SHORT_UNITS = 64

/**
 * A store that is asked once, not again and again, about a client that it refuses: until the client may try again, but at most
 * 5 s, the same charges are refused from memory, and dearer ones of the bucket that refused. A cheaper charge, another bucket and
 * another partition are asked about as ever. What gives units back through this wrapper (a charge below 0) clears what is
 * remembered of its partition; what another process gives back is seen after 5 s at most.
 *
 * For stores that cost a round trip. In front of {@link memoryStore} it gains nothing.
 *
 * @throws {RangeError} for a bound out of range
 *
 * @example
 * const store = rememberDenials(redisStore({ send }))
 */
export function rememberDenials(store: AtomicStore, options: DenialsOptions = {}): RememberingStore {
  const { clock = systemClock, maxEntries = 10_000 } = options
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw new RangeError('rememberDenials(): maxEntries must be a whole number of at least 1.')
  }
  const denials = new Denials(clock, maxEntries)
  return {
    ...forward(store),
    remembered: (partition, charges) => denials.find(partition, charges),
    consume(partition, charges): Awaitable<Decision> {
      checkCharges(charges)
      if (charges.length === 1 ? charges[0]!.cost < 0 : charges.some(({ cost }) => cost < 0)) {
        denials.clear(partition)
        const answer = store.consume(partition, charges)
        if (!isPending(answer)) return answer
        // What was denied while it was under way may have been denied before it.
        return clearAfter(answer, () => denials.clear(partition))
      }
      const known = denials.find(partition, charges)
      if (known !== null) return known
      denials.asking(partition, charges)
      const since = denials.generation
      const answer = store.consume(partition, charges)
      if (!isPending(answer)) return denials.note(partition, charges, answer, since)
      return answer.then((decision) => denials.note(partition, charges, decision, since)) as Promise<Decision>
    },
  }
}

async function clearAfter(answer: PromiseLike<Decision>, clear: () => void): Promise<Decision> {
  try {
    return await answer
  } finally {
    clear()
  }
}

class Denials {
  readonly #clock: Clock
  readonly #maxEntries: number
  /** By partition and by what was charged, the oldest first. */
  readonly #known = new Map<string, Map<string, Denial>>()
  #size = 0
  /** What was found last, as a flood asks for the same again and again. */
  #last: { readonly partition: string; readonly denial: Denial } | null = null
  /** When a partition was last cleared, by {@link generation}: an answer from before is not remembered. The oldest first. */
  readonly #cleared = new Map<string, number>()
  #forgottenBefore = 0
  /** Counts what was cleared. */
  generation = 0

  constructor(clock: Clock, maxEntries: number) {
    this.#clock = clock
    this.#maxEntries = maxEntries
  }

  /** The refusal that still holds for these charges; null where nothing is known, or it is time to ask again. */
  find(partition: string, charges: readonly Charge[]): Decision | null {
    const denial = this.#of(partition, charges)
    if (denial === undefined) return null
    const now = this.#clock.now()
    if (now < denial.checkedAt || now - denial.checkedAt >= LONGEST_MS) return null
    const states = statesNow(denial, charges, now - denial.at)
    return states === null ? null : { admitted: false, states }
  }

  /** Somebody asks the store: until it answers, the others are told what is known. */
  asking(partition: string, charges: readonly Charge[]): void {
    const denial = this.#of(partition, charges)
    if (denial !== undefined) denial.checkedAt = Math.max(denial.checkedAt, this.#clock.now())
  }

  #of(partition: string, charges: readonly Charge[]): Denial | undefined {
    if (this.#size === 0) return undefined
    const last = this.#last
    if (last !== null && last.partition === partition && isSame(last.denial.charges, charges)) return last.denial
    const denial = this.#known.get(shortened(partition))?.get(keyOf(charges))
    if (denial === undefined) return undefined
    this.#last = { partition, denial }
    return denial
  }

  /** Takes note of a decision, and gives it back. */
  note(partition: string, charges: readonly Charge[], decision: Decision, since: number): Decision {
    if (this.#size === 0 && decision.admitted === true) return decision
    const place = shortened(partition)
    const key = keyOf(charges)
    this.#drop(place, key)
    if (decision.admitted === false && !this.#wasCleared(place, since)) {
      if (this.#size >= this.#maxEntries) this.#dropOldest()
      const found = this.#known.get(place) ?? new Map<string, Denial>()
      const at = this.#clock.now()
      // Whoever asked may use the same objects for the next.
      const kept = charges.map(({ name, rate, cost }) => ({ name, rate, cost }))
      found.set(key, { at, charges: kept, states: decision.states, checkedAt: at })
      this.#known.set(place, found)
      this.#size++
    }
    return decision
  }

  /** Forgets what was denied in a partition. */
  clear(partition: string): void {
    const place = shortened(partition)
    this.#last = null
    this.#size -= this.#known.get(place)?.size ?? 0
    this.#known.delete(place)
    this.#cleared.delete(place)
    if (this.#cleared.size >= this.#maxEntries) {
      const [oldest, generation] = this.#cleared.entries().next().value!
      this.#cleared.delete(oldest)
      this.#forgottenBefore = generation
    }
    this.#cleared.set(place, ++this.generation)
  }

  #wasCleared(place: string, since: number): boolean {
    return since < this.#forgottenBefore || (this.#cleared.get(place) ?? 0) > since
  }

  #drop(place: string, key: string): void {
    const found = this.#known.get(place)
    if (found?.delete(key) !== true) return
    this.#last = null
    this.#size--
    if (found.size === 0) this.#known.delete(place)
  }

  #dropOldest(): void {
    const [place, found] = this.#known.entries().next().value!
    this.#drop(place, found.keys().next().value!)
  }
}

function keyOf(charges: readonly Charge[]): string {
  let key = ''
  for (const { name, rate } of charges) {
    const part = shortened(name)
    key += `${part.length}:${part}:${rate.quota}/${rate.periodUs}/${rate.burst};`
  }
  return key
}

/** Whether both are about the same buckets, whatever they take. */
function isSame(one: readonly Charge[], other: readonly Charge[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ name, rate }, i) => name === other[i]!.name && isSameRate(rate, other[i]!.rate))
  )
}

function isSameRate(one: Rate, other: Rate): boolean {
  return one === other || (one.quota === other.quota && one.periodUs === other.periodUs && one.burst === other.burst)
}

/** A text that is bounded and stands for no other: encoded ones are never as short as those that are not. */
function shortened(part: string): string {
  return part.length <= SHORT_UNITS ? part : encodePart(part)
}

/** The states as time has gone on, or null where the store must be asked: nothing refuses any more, or less is asked. */
function statesNow(denial: Denial, charges: readonly Charge[], elapsedMs: number): readonly BucketState[] | null {
  let refuses = false
  const states: BucketState[] = []
  for (let i = 0; i < charges.length; i++) {
    const { cost, rate } = charges[i]!
    const before = denial.charges[i]!.cost
    const { remaining, resetAfterMs, retryAfterMs } = denial.states[i]!
    const stillRefuses = retryAfterMs === null || retryAfterMs > elapsedMs
    if (cost < before || (cost > before && !stillRefuses)) return null
    refuses ||= stillRefuses
    const dearerMs = cost === before ? 0 : Math.ceil(((cost - before) * rate.periodUs) / rate.quota / 1000)
    states.push({
      remaining,
      resetAfterMs: Math.max(0, resetAfterMs - elapsedMs),
      retryAfterMs:
        retryAfterMs === null || cost > rate.burst ? null : Math.max(0, retryAfterMs - elapsedMs) + dearerMs,
    })
  }
  return refuses ? states : null
}
