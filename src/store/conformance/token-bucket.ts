import type { BucketState, Decision, Rate } from '../gcra.ts'

/** How much further ahead than a period, or than the burst takes to refill, a bucket may lie after a clock step. */
const CLOCK_SLACK_US = 60_000_000n

/**
 * What a limit is, as people think of it: a bucket of `burst` units that fills by `quota` a period. It is what stores are held
 * to, so it shares nothing with GCRA's step: whole numbers of any size, nothing rounded before the answer.
 *
 * When the clock goes back, the units that this time would bring are owed; who owes for longer than the longer of a period and
 * of a whole refill, and a minute more, starts empty. A refund of more than the burst fills the bucket, whatever it owes.
 */
export class TokenBucket {
  readonly #burst: bigint
  readonly #quota: bigint
  readonly #periodUs: bigint
  readonly #full: bigint
  /** What it holds, below 0 what it owes: a unit is `periodUs`, so that a microsecond brings `quota`. */
  #level: bigint
  #atUs: bigint | null = null

  constructor(rate: Rate) {
    this.#burst = BigInt(rate.burst)
    this.#quota = BigInt(rate.quota)
    this.#periodUs = BigInt(rate.periodUs)
    this.#full = this.#burst * this.#periodUs
    this.#level = this.#full
  }

  /** Whether nothing is missing: such a bucket a store may forget. */
  get isFull(): boolean {
    return this.#level === this.#full
  }

  /** Lets the clock come to an instant, ms since the epoch. */
  advance(nowMs: number): void {
    const nowUs = BigInt(Math.floor(nowMs * 1000))
    this.#level = least(this.#full, this.#level + this.#quota * (nowUs - (this.#atUs ?? nowUs)))
    this.#atUs = nowUs
    const refillUs = this.#full / this.#quota
    const longestUs = (refillUs > this.#periodUs ? refillUs : this.#periodUs) + CLOCK_SLACK_US
    if ((this.#full - this.#level) / this.#quota > longestUs) this.#level = 0n
  }

  fits(cost: number): boolean {
    return cost <= 0 || BigInt(cost) * this.#periodUs <= this.#level
  }

  /** Takes what fits; what is below 0 is given back. */
  take(cost: number): void {
    const refillsAll = -BigInt(cost) > this.#burst
    this.#level = refillsAll ? this.#full : least(this.#full, this.#level - BigInt(cost) * this.#periodUs)
  }

  /** What an answer says of this bucket to who asks for `cost`. */
  state(cost: number): BucketState {
    const lacking = this.fits(cost) ? 0n : BigInt(cost) * this.#periodUs - this.#level
    return {
      remaining: this.#level < 0n ? 0 : Number(this.#level / this.#periodUs),
      resetAfterMs: this.#msFor(this.#full - this.#level),
      retryAfterMs: BigInt(cost) > this.#burst ? null : this.#msFor(lacking),
    }
  }

  /** Whole milliseconds until so much more has come. */
  #msFor(level: bigint): number {
    const perMs = this.#quota * 1000n
    return Number((level + perMs - 1n) / perMs)
  }
}

/** The decision over buckets that have come to one instant, each with its cost: all are charged, or none is. */
export function decideByTokens(buckets: readonly TokenBucket[], costs: readonly number[]): Decision {
  const admitted = buckets.every((bucket, i) => bucket.fits(costs[i]!))
  if (admitted) for (const [i, bucket] of buckets.entries()) bucket.take(costs[i]!)
  return { admitted, states: buckets.map((bucket, i) => bucket.state(admitted ? 0 : costs[i]!)) }
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
