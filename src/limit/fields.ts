import { quotedString } from '../fields.ts'
import type { LimitState } from '../kit.ts'

/**
 * What a client is told of its limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) name
 * every policy of the request, and with `pk` which share of it; `X-RateLimit-*` speak of the one with least left.
 * `X-RateLimit-Reset` counts seconds until that bucket is full again. Of a dry run clients are told nothing.
 */
export function limitFields(decided: readonly LimitState[]): readonly (readonly [string, string])[] {
  const limits = decided.filter(({ isDryRun }) => !isDryRun)
  if (limits.length === 0) return []
  const tightest = limits.reduce((least, one) => (one.remaining < least.remaining ? one : least))
  const policies = limits.map(
    (one) => `${quotedString(one.policy)};q=${one.quota};w=${Math.ceil(one.periodSeconds)}${partitionKey(one)}`,
  )
  const states = limits.map(
    (one) => `${quotedString(one.policy)};r=${one.remaining};t=${seconds(one.resetAfterMs)}${partitionKey(one)}`,
  )
  return [
    ['ratelimit-policy', policies.join(', ')],
    ['ratelimit', states.join(', ')],
    ['x-ratelimit-limit', String(tightest.quota)],
    ['x-ratelimit-remaining', String(tightest.remaining)],
    ['x-ratelimit-reset', String(seconds(tightest.resetAfterMs))],
  ]
}

function partitionKey(limit: LimitState): string {
  return limit.partitionKey === null ? '' : `;pk=:${limit.partitionKey}:`
}

/** Whole seconds, rounded up: never earlier than the truth. */
export function seconds(ms: number): number {
  return Math.ceil(ms / 1000)
}
