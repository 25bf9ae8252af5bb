import type { Clock } from '../clock.ts'
import { type AtomicStore, type Awaitable, isPending } from '../store/contract.ts'
import { type Bucket, type Decision, makeRate, type Rate, step } from '../store/gcra.ts'

/** How many messages, in how long. */
export interface MessageQuota {
  /** Messages per period, a whole number of at least 1. */
  readonly quota: number
  /** Length of the period, in seconds. */
  readonly periodSeconds: number
  /** Messages that may come at once. The quota unless told. */
  readonly burst?: number
}

/** @throws {RangeError} naming the setting that is wrong. */
export function messageRate(setting: string, { quota, periodSeconds, burst = quota }: MessageQuota): Rate {
  try {
    return makeRate(quota, periodSeconds, burst)
  } catch (error) {
    throw new RangeError(`${setting}: ${(error as Error).message}`)
  }
}

/** What one connection may send. It lives where the connection does, so no store is asked. */
export class ConnectionQuota {
  readonly #rate: Rate
  #bucket: Bucket | null = null

  constructor(rate: Rate) {
    this.#rate = rate
  }

  /** Whether one more message is within the quota; if so it is charged. */
  admits(now: number): boolean {
    const { admitted, bucket, pulled } = step(this.#bucket, this.#rate, 1, now)
    this.#bucket = admitted ? bucket : (pulled ?? this.#bucket)
    return admitted
  }
}

/** What became of a message: `unknown` when the store failed. */
export type Verdict = 'admitted' | 'refused' | 'unknown'

/** What all connections of all processes may send together: one bucket of the store. */
export class SharedQuota {
  readonly #rate: Rate
  readonly #name: string
  #refusedUntil = Number.NEGATIVE_INFINITY

  constructor(name: string, rate: Rate) {
    this.#rate = rate
    this.#name = `messages:${name}:${rate.quota}/${rate.periodUs}us/${rate.burst}`
  }

  /**
   * Decides on one message; never throws. A refusal holds until the store said that the next message would fit, without
   * asking it again: a flood must not become one of store calls.
   */
  admits(store: AtomicStore, clock: Clock, failed: (error: unknown) => void): Awaitable<Verdict> {
    const now = clock.now()
    const waitMs = this.#refusedUntil - now
    // A longer wait than the quota ever gives: the clock was set back.
    if (waitMs > 0 && waitMs <= this.#rate.toleranceUs / 1000 + 1) return 'refused'
    const unknown = (error: unknown): Verdict => {
      failed(error)
      return 'unknown'
    }
    try {
      const decision = store.consume('everyone:messages', [{ name: this.#name, rate: this.#rate, cost: 1 }])
      if (!isPending(decision)) return this.#settle(decision, now)
      return decision.then((settled) => this.#settle(settled, now)).then(undefined, unknown)
    } catch (error) {
      return unknown(error)
    }
  }

  #settle(decision: Decision, now: number): Verdict {
    if (decision.admitted === true) return 'admitted'
    this.#refusedUntil = now + (decision.states[0]!.retryAfterMs ?? 0)
    return 'refused'
  }
}
