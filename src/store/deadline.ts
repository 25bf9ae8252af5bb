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

const MAX_OVERDUE = 256
const FORGOTTEN_AFTER_MS = 30_000

/**
 * A store whose calls never hang: what takes longer than the deadline is a {@link StoreOutage}, and so is every call for a
 * moment once 5 in a row failed, or while 256 that were late have not ended. The engine may still carry out what was late.
 * Calls that answer at once pass as they are.
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
    get: (key) => guard.run(() => store.get(key)),
    set: (key, value, expiresAt) => guard.run(() => store.set(key, value, expiresAt)),
    delete: (key) => guard.run(() => store.delete(key)),
    list: (partition, prefix, cursor) => guard.run(() => store.list(partition, prefix, cursor)),
    close: () => store.close(),
  }
  if (!isAtomic(store)) return plain
  const atomic: AtomicStore = {
    ...plain,
    consistency: 'atomic',
    claim: (key, expiresAt) => guard.run(() => store.claim(key, expiresAt)),
    take: (key) => guard.run(() => store.take(key)),
    swap: (key, version, value, expiresAt) => guard.run(() => store.swap(key, version, value, expiresAt)),
    consume: (partition, charges) => guard.run(() => store.consume(partition, charges)),
  }
  return atomic
}

class Guard {
  readonly #deadlineMs: number
  readonly #clock: Clock
  readonly #breaker: Breaker
  /** Calls that were late and have not ended, with the instant that they were given up. */
  readonly #overdue = new Map<symbol, number>()

  constructor(deadlineMs: number, clock: Clock) {
    this.#deadlineMs = deadlineMs
    this.#clock = clock
    this.#breaker = new Breaker(clock)
  }

  run<T>(call: () => Awaitable<T>): Awaitable<T> {
    this.#breaker.enter()
    if (this.#overdue.size >= MAX_OVERDUE) this.#forget()
    try {
      const answer = call()
      if (isPending(answer)) return this.#within(answer)
      this.#breaker.succeeded()
      return answer
    } catch (error) {
      this.#note(error)
      throw error
    }
  }

  async #within<T>(answer: PromiseLike<T>): Promise<T> {
    const id = Symbol()
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      this.#overdue.set(id, this.#clock.now())
      late.reject(new StoreOutage('The store did not answer in time.'))
    }, this.#deadlineMs)
    const ended = (): unknown => this.#overdue.delete(id)
    answer.then(ended, ended)
    try {
      const settled = await Promise.race([answer, late.promise])
      this.#breaker.succeeded()
      return settled
    } catch (error) {
      this.#note(error)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** A wrong argument says nothing about the store. */
  #note(error: unknown): void {
    if (error instanceof RangeError || error instanceof TypeError) this.#breaker.succeeded()
    else this.#breaker.failed()
  }

  /** A request that its runtime killed never tells how its call ended. */
  #forget(): void {
    const now = this.#clock.now()
    for (const [id, since] of this.#overdue) if (now - since > FORGOTTEN_AFTER_MS) this.#overdue.delete(id)
    if (this.#overdue.size >= MAX_OVERDUE) throw new StoreOutage('Too many late calls to the store have not ended.')
  }
}
