import { type Clock, systemClock } from '../clock.ts'
import { Breaker } from './breaker.ts'
import { type AtomicStore, type Awaitable, isPending, type Store, StoreOutage } from './contract.ts'
import { isAtomic } from './forward.ts'

/** What {@link withDeadline} takes. */
export interface DeadlineOptions {
  /** Longest that a call may take, ms, 1 to 60,000; 250 unless told. */
  readonly deadlineMs?: number
  /** Decides when a store that failed is tried again; the runtime's own unless told. */
  readonly clock?: Clock
}

const MAX_PENDING_WHEN_SLOW = 256
const FORGOTTEN_AFTER_MS = 30_000
/** Breakers of one store: what one hot partition suffers is not suffered by all. */
const GROUPS = 64

/**
 * A store whose calls never hang: what takes longer than the deadline is a {@link StoreOutage}, and so is, for a moment, every call
 * about a partition once 5 in a row failed there (partitions share 64 breakers), and every call while some are late and 256 have
 * not ended. The engine may still carry out what was late. A RangeError says nothing about the engine, any other error
 * counts as its failure. Calls that answer at once pass as they are.
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
  const guard = new Guard(deadlineMs, clock)
  const plain: Store = {
    name: store.name,
    consistency: store.consistency,
    ...(store.watch && { watch: (listener) => store.watch!(listener) }),
    get: (key) => guard.run(key.partition, () => store.get(key)),
    set: (key, value, expiresAt) => guard.run(key.partition, () => store.set(key, value, expiresAt)),
    delete: (key) => guard.run(key.partition, () => store.delete(key)),
    list: (partition, prefix, cursor) => guard.run(partition, () => store.list(partition, prefix, cursor)),
    close: () => store.close(),
  }
  if (!isAtomic(store)) return plain
  const atomic: AtomicStore = {
    ...plain,
    consistency: 'atomic',
    claim: (key, expiresAt) => guard.run(key.partition, () => store.claim(key, expiresAt)),
    take: (key) => guard.run(key.partition, () => store.take(key)),
    swap: (key, version, value, expiresAt) =>
      guard.run(key.partition, () => store.swap(key, version, value, expiresAt)),
    consume: (partition, charges) => guard.run(partition, () => store.consume(partition, charges)),
  }
  return atomic
}

class Guard {
  readonly #deadlineMs: number
  readonly #clock: Clock
  readonly #breakers: readonly Breaker[]
  /** Calls that have not ended, with the instant that they began. */
  readonly #pending = new Map<symbol, number>()
  /** How many of them are late. */
  #late = 0

  constructor(deadlineMs: number, clock: Clock) {
    this.#deadlineMs = deadlineMs
    this.#clock = clock
    this.#breakers = Array.from({ length: GROUPS }, () => new Breaker(clock))
  }

  run<T>(partition: string, call: () => Awaitable<T>): Awaitable<T> {
    const breaker = this.#breakers[groupOf(partition)]!
    breaker.enter()
    if (this.#late > 0 && this.#pending.size >= MAX_PENDING_WHEN_SLOW) this.#forget()
    try {
      const answer = call()
      if (isPending(answer)) return this.#within(breaker, answer)
      breaker.succeeded()
      return answer
    } catch (error) {
      note(breaker, error)
      throw error
    }
  }

  async #within<T>(breaker: Breaker, answer: PromiseLike<T>): Promise<T> {
    const id = Symbol()
    this.#pending.set(id, this.#clock.now())
    let isLate = false
    const ended = (): void => {
      if (this.#pending.delete(id) && isLate) this.#late--
    }
    answer.then(ended, ended)
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      isLate = this.#pending.has(id)
      if (isLate) this.#late++
      late.reject(new StoreOutage('The store did not answer in time.'))
    }, this.#deadlineMs)
    try {
      const settled = await Promise.race([answer, late.promise])
      breaker.succeeded()
      return settled
    } catch (error) {
      note(breaker, error)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** A request that its runtime killed never tells how its call ended. */
  #forget(): void {
    const before = this.#clock.now() - FORGOTTEN_AFTER_MS
    for (const [id, since] of this.#pending) if (since < before) this.#pending.delete(id)
    if (this.#pending.size >= MAX_PENDING_WHEN_SLOW) {
      throw new StoreOutage('The store is slow, and 256 calls to it have not ended.')
    }
    this.#late = 0
  }
}

function note(breaker: Breaker, error: unknown): void {
  if (!(error instanceof RangeError)) breaker.failed()
}

/** FNV-1a. */
function groupOf(partition: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < partition.length; i++) hash = Math.imul(hash ^ partition.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % GROUPS
}
