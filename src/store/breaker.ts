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
  #openUntil = 0
  #openMs = 0
  #probing = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Before a call. @throws {StoreOutage} while the breaker is open. */
  enter(): void {
    if (this.#failures < FAILURES_TO_OPEN) return
    const waitMs = this.#openUntil - this.#clock.now()
    // A wait longer than was set is a clock that stepped back.
    if (this.#probing || (waitMs > 0 && waitMs <= this.#openMs)) {
      throw new StoreOutage('The store failed repeatedly; it is tried again in a moment.')
    }
    this.#probing = true
  }

  /** After a call that the store answered, whatever it said. */
  succeeded(): void {
    this.#failures = 0
    this.#openMs = 0
    this.#probing = false
  }

  /** After a call that failed or took too long. */
  failed(): void {
    this.#failures++
    if (this.#failures < FAILURES_TO_OPEN) return
    if (this.#failures > FAILURES_TO_OPEN && !this.#probing) return
    this.#probing = false
    this.#openMs = this.#openMs === 0 ? SHORTEST_OPEN_MS : Math.min(LONGEST_OPEN_MS, this.#openMs * 2)
    this.#openUntil = this.#clock.now() + this.#openMs
  }
}
