import { type Clock, systemClock } from '../clock.ts'
import { Breaker } from './breaker.ts'
import { type AtomicStore, type Awaitable, isPending, type Store, StoreOutage } from './contract.ts'
import { type Around, forward } from './forward.ts'
import { spread } from './spread.ts'

/** What {@link withDeadline} takes. */
export interface DeadlineOptions {
  /** Longest that a call may take, ms, 1 to 60,000; 250 unless told. */
  readonly deadlineMs?: number
  /** Decides when a store that failed is tried again; the runtime's own unless told. */
  readonly clock?: Clock
}

const MAX_PENDING_WHEN_SLOW = 32
const FORGOTTEN_AFTER_MS = 30_000
/** Partitions are guarded in so many groups: what one hot partition suffers is not suffered by all. */
const GROUPS = 64

/**
 * A store whose calls never hang: what takes longer than the deadline is a {@link StoreOutage}, and so is, for a moment, every call
 * about a partition once 5 in a row failed there, or while some there are late and 32 have not ended (partitions are guarded in 64
 * groups). The engine may still carry out what was late. A RangeError says nothing about the engine; any other error
 * counts as its failure, and but for a TypeError is thrown as a StoreOutage. Calls that answer at once pass as they are.
 *
 * Redis, Deno KV and Durable Object stores come with one; give it to a store of your own.
 *
 * @throws {RangeError} for a deadline out of range
 *
 * @example
 * const store = withDeadline(myStore, { deadlineMs: 100 })
 */
export function withDeadline(store: AtomicStore, options?: DeadlineOptions): AtomicStore
export function withDeadline(store: Store, options?: DeadlineOptions): Store
export function withDeadline(store: Store, options: DeadlineOptions = {}): Store {
  const { deadlineMs = 250, clock = systemClock } = options
  if (!Number.isInteger(deadlineMs) || deadlineMs < 1 || deadlineMs > 60_000) {
    throw new RangeError('withDeadline(): deadlineMs must be a whole number from 1 to 60,000.')
  }
  const guards = Array.from({ length: GROUPS }, () => new Guard(deadlineMs, clock))
  const guarded: Around = (partition, call) => guards[spread(partition, GROUPS)]!.run(call)
  return { ...forward(store, guarded), deadlineMs }
}

/** What is answered within `deadlineMs`. @throws what `late` makes when nothing was by then. */
export async function within<T>(answer: PromiseLike<T>, deadlineMs: number, late: () => StoreOutage): Promise<T> {
  const end = Promise.withResolvers<never>()
  const timer = setTimeout(() => end.reject(late()), deadlineMs)
  try {
    return await Promise.race([answer, end.promise])
  } finally {
    clearTimeout(timer)
  }
}

class Guard {
  readonly #deadlineMs: number
  readonly #clock: Clock
  readonly #breaker: Breaker
  /** Calls that have not ended. */
  readonly #pending = new Set<{ readonly since: number; isLate: boolean }>()

  constructor(deadlineMs: number, clock: Clock) {
    this.#deadlineMs = deadlineMs
    this.#clock = clock
    this.#breaker = new Breaker(clock)
  }

  run<T>(call: () => Awaitable<T>): Awaitable<T> {
    this.#breaker.enter()
    if (this.#pending.size >= MAX_PENDING_WHEN_SLOW) this.#refuseIfSlow()
    try {
      const answer = call()
      if (isPending(answer)) return this.#within(answer)
      this.#breaker.succeeded()
      return answer
    } catch (error) {
      throw noted(this.#breaker, error)
    }
  }

  async #within<T>(answer: PromiseLike<T>): Promise<T> {
    const pending = { since: this.#clock.now(), isLate: false }
    this.#pending.add(pending)
    const ended = (): unknown => this.#pending.delete(pending)
    answer.then(ended, ended)
    const late = (): StoreOutage => {
      pending.isLate = true
      return new StoreOutage('The store did not answer in time.')
    }
    try {
      const settled = await within(answer, this.#deadlineMs, late)
      this.#breaker.succeeded()
      return settled
    } catch (error) {
      throw noted(this.#breaker, error)
    }
  }

  #refuseIfSlow(): void {
    // A request that its runtime killed never tells how its call ended.
    const before = this.#clock.now() - FORGOTTEN_AFTER_MS
    let isSlow = false
    for (const pending of this.#pending) {
      if (pending.since < before) this.#pending.delete(pending)
      else isSlow ||= pending.isLate
    }
    if (isSlow && this.#pending.size >= MAX_PENDING_WHEN_SLOW) {
      throw new StoreOutage('The store is slow, and 32 calls to it have not ended.')
    }
  }
}

/** What is thrown for an error: what may be a wrong argument as it is, whatever else went wrong as an outage. */
function noted(breaker: Breaker, error: unknown): unknown {
  if (error instanceof RangeError) return error
  breaker.failed()
  return error instanceof StoreOutage || error instanceof TypeError
    ? error
    : new StoreOutage('The store failed.', { cause: error })
}
