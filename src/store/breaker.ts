import type { Clock } from '../clock.ts'
import { StoreOutage } from './contract.ts'

const FAILURES_TO_OPEN = 5
const SHORTEST_OPEN_MS = 500
const LONGEST_OPEN_MS = 2_000

/**
 * Spares a store that does not answer. After 5 failures in a row it is open: calls fail at once, but one may try after
 * 0.5 s, then after 1 s, then every 2 s; the first that succeeds closes it. So a store that healed is in use again within 2 s
 * and the next call.
 */
export class Breaker {
  readonly #clock: Clock
  #failures = 0
  #openMs = 0
  #openUntil = 0
  #tried = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Before a call. @throws {StoreOutage} while the breaker is open. */
  enter(): void {
    if (this.#failures < FAILURES_TO_OPEN) return
    const now = this.#clock.now()
    const waitMs = this.#openUntil - now
    // A wait longer than was set is a clock that stepped back.
    if (waitMs > 0 && waitMs <= this.#openMs) {
      throw new StoreOutage('The store failed 5 times in a row; it is tried again in a moment.')
    }
    // The next may try as long after: a request that its runtime killed never tells how its call ended.
    this.#openUntil = now + this.#openMs
    this.#tried = true
  }

  /** After a call that the store answered, whatever it said. */
  succeeded(): void {
    this.#failures = 0
  }

  /** After a call that failed or took too long. */
  failed(): void {
    this.#failures++
    if (this.#failures < FAILURES_TO_OPEN) return
    if (this.#failures === FAILURES_TO_OPEN) this.#openMs = SHORTEST_OPEN_MS
    else if (this.#tried) this.#openMs = Math.min(LONGEST_OPEN_MS, this.#openMs * 2)
    else return
    this.#tried = false
    this.#openUntil = this.#clock.now() + this.#openMs
  }
}
