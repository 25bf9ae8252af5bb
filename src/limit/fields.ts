import { quotedString } from '../fields.ts'
import type { LimitState, PolicyItem } from '../kit.ts'

/** One share of a quota, as clients are told of it. */
export interface Share {
  /** As in the limit fields; null where all share the quota. */
  readonly partitionKey: string | null
  readonly item: PolicyItem
}

/** The texts that one share's states are told with. */
export function policyItem(
  limit: Pick<LimitState, 'policy' | 'quota' | 'periodSeconds' | 'partitionKey'>,
  legacyFields: boolean,
): PolicyItem {
  const name = quotedString(limit.policy)
  const share = limit.partitionKey === null ? '' : `;pk=:${limit.partitionKey}:`
  const quota = String(limit.quota)
  return { whole: `${name};q=${quota};w=${Math.ceil(limit.periodSeconds)}${share}`, name, share, quota, legacyFields }
}

/**
 * What a client is told of its limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) name
 * every policy of the request, and with `pk` which share of it; `X-RateLimit-*`, where one of them has these, speak of the one with
 * least left. `X-RateLimit-Reset` counts seconds until that bucket is full again. Of a dry run clients are told nothing.
 *
 * @param items the texts of each, where they are known
 */
export function limitFields(
  decided: readonly LimitState[],
  items: readonly PolicyItem[] = decided.map((limit) => policyItem(limit, true)),
): readonly (readonly [string, string])[] {
  let tightest: LimitState | null = null
  // Texts of its numbers, which are told twice: to make one costs more than to pass it on.
  let limit = ''
  let remaining = ''
  let reset = ''
  let policies = ''
  let states = ''
  let isLegacy = false
  for (let i = 0; i < decided.length; i++) {
    const one = decided[i]!
    if (one.isDryRun) continue
    const { whole, name, share, quota, legacyFields } = items[i]!
    const left = String(one.remaining)
    const untilWhole = String(seconds(one.resetAfterMs))
    const state = `${name};r=${left};t=${untilWhole}${share}`
    isLegacy ||= legacyFields
    policies = tightest === null ? whole : `${policies}, ${whole}`
    states = tightest === null ? state : `${states}, ${state}`
    if (tightest !== null && one.remaining >= tightest.remaining) continue
    tightest = one
    limit = quota
    remaining = left
    reset = untilWhole
  }
  if (tightest === null) return []
  const fields: (readonly [string, string])[] = [
    ['ratelimit-policy', policies],
    ['ratelimit', states],
  ]
  if (isLegacy) {
    fields.push(['x-ratelimit-limit', limit], ['x-ratelimit-remaining', remaining], ['x-ratelimit-reset', reset])
  }
  return fields
}

/** Whole seconds, rounded up: never earlier than the truth. */
export function seconds(ms: number): number {
  return Math.ceil(ms / 1000)
}
