/**
 * The generic cell rate algorithm (ITU-T I.371) as a pure step, exact for every quota: a theoretical arrival time (TAT)
 * is whole microseconds plus a fraction counted in 1/quota, so nothing is ever rounded and a quota of 7 a minute admits
 * 7, not 6.
 *
 * In any window of t seconds a bucket admits at most burst + quota · t / period.
 */

/** A quota made ready by {@link makeRate}. Plain data, so that it can cross to another process. */
export interface Rate {
  readonly quota: number
  readonly periodUs: number
  readonly burst: number
  /** period / quota, whole microseconds and the rest in 1/quota. */
  readonly stepUs: number
  readonly stepRest: number
  /** burst · period / quota: how far ahead of now a TAT may lie. */
  readonly toleranceUs: number
  readonly toleranceRest: number
}

/** Charge `cost` units to the bucket `name`. A negative cost gives units back and is always admitted. */
export interface Charge {
  readonly name: string
  readonly rate: Rate
  readonly cost: number
}

/** What one bucket looks like after a decision. */
export interface BucketState {
  /** Units that could be spent at once now. */
  readonly remaining: number
  /** Until the bucket is full again, ms, rounded up. */
  readonly resetAfterMs: number
  /** Until this charge would fit, ms, rounded up; 0 when it fits, null when it never can (cost over burst). */
  readonly retryAfterMs: number | null
}

/** The answer of `consume`. It counts only when `admitted === true`. `states` follow the order of the charges. */
export interface Decision {
  readonly admitted: boolean
  readonly states: readonly BucketState[]
}

/** A bucket at rest: TAT in whole microseconds since the epoch, and `rest` in 1/quota of a microsecond. */
export interface Bucket {
  readonly tatUs: number
  readonly rest: number
}

/** One step of one bucket. `bucket` is what to keep if every charge of the call is admitted. */
export interface Step {
  readonly admitted: boolean
  readonly bucket: Bucket
  /** The state if the charge is made. */
  readonly charged: BucketState
  /** The state if it is not. */
  readonly untouched: BucketState
  /** What to keep even if the call is refused: a bucket pulled in after a clock step, else null. */
  readonly pulled: Bucket | null
}

/** A TAT that lies further ahead than this beyond the longer of period and tolerance is from before a clock step. */
export const CLOCK_SLACK_US = 60_000_000
const LONGEST_US = 366 * 86_400 * 1e6

/**
 * Checks a quota and makes it ready.
 *
 * @param quota units per period, a whole number of at least 1
 * @param periodSeconds length of the period in seconds
 * @param burst units that may come at once; the quota unless told
 * @throws {RangeError} naming the setting, for a value out of range
 */
export function makeRate(quota: number, periodSeconds: number, burst: number = quota): Rate {
  if (!Number.isSafeInteger(quota) || quota < 1) throw new RangeError('quota must be a whole number of at least 1.')
  if (!Number.isSafeInteger(burst) || burst < 1) throw new RangeError('burst must be a whole number of at least 1.')
  const periodUs = Math.round(periodSeconds * 1e6)
  if (!Number.isFinite(periodSeconds) || periodUs < 1 || periodUs > LONGEST_US) {
    throw new RangeError('periodSeconds must be above 0 and at most 366 days.')
  }
  const stepUs = Math.floor(periodUs / quota)
  const stepRest = periodUs % quota
  if (quota * (burst + 1) > Number.MAX_SAFE_INTEGER)
    throw new RangeError('quota times burst must stay below 2^53: set a smaller burst.')
  if ((burst / quota) * periodUs > LONGEST_US)
    throw new RangeError('burst times periodSeconds / quota must stay within 366 days.')
  return {
    quota,
    periodUs,
    burst,
    stepUs,
    stepRest,
    toleranceUs: stepUs * burst + Math.floor((stepRest * burst) / quota),
    toleranceRest: (stepRest * burst) % quota,
  }
}

/** @throws {RangeError} unless the cost is a whole number whose size is a safe integer: such a cost is a fault, never an admission. */
function checkCost(cost: number): void {
  if (!Number.isSafeInteger(cost)) throw new RangeError('A cost must be a whole, finite number of units.')
}

/** What stands where a bucket is kept as two numbers, TAT and rest, before its first charge. */
export const UNCHARGED_US: number = Number.NEGATIVE_INFINITY

/**
 * Decides one charge of a bucket that lies in an array, where the store keeps it: TAT at `at`, its rest beside it. Both change if the
 * charge is made, or the bucket was pulled in after a clock step. In one piece and without an object, because this is most
 * of what a decision in memory costs.
 *
 * @param nowMs the deciding clock, ms since the epoch
 * @returns the state to answer with. Its `retryAfterMs` is 0 if the charge is made, and only then.
 * @throws {RangeError} unless the cost is a whole number whose size is a safe integer.
 */
export function weigh(cells: Float64Array, at: number, rate: Rate, cost: number, nowMs: number): BucketState {
  checkCost(cost)
  const nowUs = Math.floor(nowMs * 1000)
  const aheadUs = Math.max(0, cells[at]! - nowUs) + rate.stepUs * cost
  const spareUs = rate.toleranceUs - aheadUs
  if (spareUs >= 0 && cost >= 0 && rate.stepRest === 0 && cells[at + 1] === 0) {
    // Most charges need no more than this: whole steps, and room for them. It makes a decision on a hot key an eighth faster.
    cells[at] = nowUs + aheadUs
    return { remaining: Math.floor(spareUs / rate.stepUs), resetAfterMs: Math.ceil(aheadUs / 1000), retryAfterMs: 0 }
  }
  return weighAny(cells, at, rate, cost, nowUs)
}

/** A charge of any kind. Apart, so that V8 takes {@link weigh} into its callers. */
function weighAny(cells: Float64Array, at: number, rate: Rate, cost: number, nowUs: number): BucketState {
  const { quota, toleranceUs, toleranceRest } = rate
  let aheadUs = cells[at]! - nowUs
  let rest = cells[at + 1]!
  const pulled = aheadUs > Math.max(rate.periodUs, toleranceUs) + CLOCK_SLACK_US
  if (pulled) {
    aheadUs = toleranceUs
    rest = toleranceRest
  } else if (aheadUs < 0) {
    aheadUs = 0
    rest = 0
  } else if (rest >= quota) {
    // A rest of another quota (the setting changed since) counts as one microsecond.
    aheadUs += 1
    rest = 0
  }
  let nextUs = aheadUs + rate.stepUs * cost
  let nextRest = rest + rate.stepRest * cost
  if (nextRest < 0 || nextRest >= quota) {
    const carry = Math.floor(nextRest / quota)
    nextUs += carry
    nextRest -= carry * quota
  }
  if (nextUs < 0 || cost < -rate.burst) {
    nextUs = 0
    nextRest = 0
  }
  const beyondUs = nextUs - toleranceUs + (nextRest > toleranceRest ? 1 : 0)
  const admitted = cost <= 0 || (cost <= rate.burst && beyondUs <= 0)
  if (admitted) {
    aheadUs = nextUs
    rest = nextRest
  }
  if (admitted || pulled) {
    cells[at] = nowUs + aheadUs
    cells[at + 1] = rest
  }
  return {
    remaining: remaining(rate, aheadUs, rest),
    resetAfterMs: Math.ceil((rest > 0 ? aheadUs + 1 : aheadUs) / 1000),
    retryAfterMs: admitted ? 0 : cost > rate.burst ? null : Math.ceil(beyondUs / 1000),
  }
}

/** Cells for a bucket that lies in no array: what they hold means nothing once a call has ended. */
const apart = new Float64Array(2)

/** As {@link weigh}, of a bucket that lies in no array. Pure. */
export function weighApart(tatUs: number, rest: number, rate: Rate, cost: number, nowMs: number): BucketState {
  apart[0] = tatUs
  apart[1] = rest
  return weigh(apart, 0, rate, cost, nowMs)
}

/**
 * Decides one charge. Pure: neither argument changes.
 *
 * @param bucket what is kept for this name, null when nothing is
 * @param nowMs the deciding clock, ms since the epoch
 */
export function step(bucket: Bucket | null, rate: Rate, cost: number, nowMs: number): Step {
  const tatUs = bucket === null ? UNCHARGED_US : bucket.tatUs
  const rest = bucket === null ? 0 : bucket.rest
  // A charge of nothing tells what the bucket is worth now.
  const { remaining, resetAfterMs } = weighApart(tatUs, rest, rate, 0, nowMs)
  const pulled = apart[0]! < tatUs ? { tatUs: apart[0]!, rest: apart[1]! } : null
  const charged = weigh(apart, 0, rate, cost, nowMs)
  const { retryAfterMs } = charged
  return {
    admitted: retryAfterMs === 0,
    bucket: { tatUs: apart[0]!, rest: apart[1]! },
    charged,
    untouched: { remaining, resetAfterMs, retryAfterMs },
    pulled,
  }
}

/** @throws {RangeError} when two charges name one bucket, or a cost is no whole number: before any I/O. */
export function checkCharges(charges: readonly Charge[]): void {
  for (const charge of charges) checkCost(charge.cost)
  if (charges.length > 1 && new Set(charges.map((charge) => charge.name)).size !== charges.length) {
    throw new RangeError('consume() was given one name twice; add the costs up instead.')
  }
}

/**
 * The decision over several charges of one partition, all or nothing.
 *
 * @returns the decision, and the bucket to keep for each charge: null where the kept one stays as it is
 * @throws {RangeError} as {@link checkCharges}
 */
export function decide(
  charges: readonly Charge[],
  nowMs: number,
  read: (name: string) => Bucket | null,
): { decision: Decision; buckets: readonly (Bucket | null)[] } {
  checkCharges(charges)
  const steps = charges.map((charge) => step(read(charge.name), charge.rate, charge.cost, nowMs))
  const admitted = steps.every((one) => one.admitted)
  return {
    decision: { admitted, states: steps.map((one) => (admitted ? one.charged : one.untouched)) },
    buckets: steps.map((one) => (admitted ? one.bucket : one.pulled)),
  }
}

/** The largest cost that still fits. */
function remaining(rate: Rate, aheadUs: number, rest: number): number {
  const borrow = rest > rate.toleranceRest ? 1 : 0
  const spareUs = rate.toleranceUs - aheadUs - borrow
  if (spareUs < 0) return 0
  // Both are whole and below 2^53, where the quotient of two such numbers never rounds up to the next whole one.
  if (rate.stepRest === 0) return Math.floor(spareUs / rate.stepUs)
  return largest(rate, spareUs, rate.toleranceRest - rest + borrow * rate.quota)
}

/** The division may be off by one in the last place, so its neighbours are tried exactly. */
function largest(rate: Rate, spareUs: number, spareRest: number): number {
  const guess = Math.floor((spareUs + spareRest / rate.quota) * (rate.quota / rate.periodUs))
  if (!fits(rate, guess, spareUs, spareRest)) return guess - 1
  return guess < rate.burst && fits(rate, guess + 1, spareUs, spareRest) ? guess + 1 : guess
}

function fits(rate: Rate, cost: number, spareUs: number, spareRest: number): boolean {
  const needRest = rate.stepRest * cost
  const carry = Math.floor(needRest / rate.quota)
  const needUs = rate.stepUs * cost + carry
  return needUs < spareUs || (needUs === spareUs && needRest - carry * rate.quota <= spareRest)
}
