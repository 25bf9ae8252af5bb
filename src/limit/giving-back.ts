import type { Clock } from '../clock.ts'
import type { AtomicStore } from '../store/contract.ts'
import type { Charge, Rate } from '../store/gcra.ts'

/**
 * How long ago something was charged, at most, once the store gets to give it back: this process's clock, and the longest that
 * the call takes. A clock that stepped back since says nothing, so everything has drained.
 */
export function elapsedUs(store: AtomicStore, clock: Clock, sinceMs: number): number {
  const elapsedMs = clock.now() - sinceMs
  return elapsedMs < 0 ? Number.POSITIVE_INFINITY : (elapsedMs + (store.deadlineMs ?? 0)) * 1000
}

/**
 * The charge that gives back all but `kept` of what was charged `elapsedUs` ago. What has drained by itself since is not given
 * back: others may have taken it by now, and a bucket would hand out the same units twice. Null when nothing is left to give.
 *
 * It is counted in microseconds, so that no part of a unit is lost: the bucket is the same, as it keeps times, not units.
 */
export function givingBack({ name, rate, cost }: Charge, kept: number, elapsedUs: number): Charge | null {
  const backUs = Math.floor(timeOf(rate, cost) - Math.max(timeOf(rate, kept), elapsedUs))
  return backUs >= 1 ? { name, rate: inMicroseconds(rate), cost: -backUs } : null
}

/** How far a charge moves its bucket, µs, rounded down. */
function timeOf({ stepUs, stepRest, quota }: Rate, cost: number): number {
  return stepUs * cost + Math.floor((stepRest * cost) / quota)
}

/** The same bucket, a unit a microsecond. The fraction that it holds stays as it is. */
function inMicroseconds(rate: Rate): Rate {
  return {
    ...rate,
    quota: Math.max(rate.quota, rate.periodUs),
    burst: rate.toleranceUs + 1,
    stepUs: 1,
    stepRest: 0,
  }
}
