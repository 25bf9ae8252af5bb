import { quotedString } from '../fields.ts'
import type { LimitState, PolicyItem } from '../kit.ts'

/** A header that goes out as it is. */
type Field = readonly [name: string, value: string]

/** What of a policy clients are told. */
interface Told {
  readonly name: string
  readonly quota: number
  readonly periodSeconds: number
  readonly legacyFields: boolean
}

/** One share of a quota, as clients are told of it. */
export class Share implements PolicyItem {
  /** As in the limit fields; null where all share the quota. */
  readonly partitionKey: string | null
  readonly policy: Field
  readonly quota: string
  readonly legacyFields: boolean
  /** What stands before the units that remain, and what names the share. */
  readonly #head: string
  readonly #share: string
  /** What stands behind them: it changes once a second. In three pieces the text is one that engines make at once. */
  #tail = ''
  #tailSeconds = Number.NaN

  constructor({ name, quota, periodSeconds, legacyFields }: Told, partitionKey: string | null) {
    const quoted = quotedString(name)
    this.partitionKey = partitionKey
    this.#share = partitionKey === null ? '' : `;pk=:${partitionKey}:`
    this.#head = `${quoted};r=`
    this.quota = String(quota)
    this.policy = [POLICY, `${quoted};q=${quota};w=${Math.ceil(periodSeconds)}${this.#share}`]
    this.legacyFields = legacyFields
  }

  state(remaining: string, resetSeconds: number): string {
    if (resetSeconds !== this.#tailSeconds) {
      this.#tailSeconds = resetSeconds
      this.#tail = `;t=${resetSeconds}${this.#share}`
    }
    return this.#head + remaining + this.#tail
  }
}

const POLICY = 'ratelimit-policy'

/**
 * What a client is told of its limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) name
 * every policy of the request, and with `pk` which share of it; `X-RateLimit-*`, where one of them has these, speak of the one with
 * least left. `X-RateLimit-Reset` counts seconds until that bucket is full again. Of a dry run clients are told nothing.
 *
 * @param items the texts of each
 */
export function limitFields(decided: readonly LimitState[], items: readonly PolicyItem[]): readonly Field[] {
  let tightest: LimitState | null = null
  let limit = ''
  // A text that is told twice: to make one costs more than to pass it on.
  let remaining = ''
  let policy: Field | null = null
  let states = ''
  let isLegacy = false
  for (let i = 0; i < decided.length; i++) {
    const one = decided[i]!
    if (one.isDryRun) continue
    const item = items[i]!
    const left = String(one.remaining)
    const state = item.state(left, seconds(one.resetAfterMs))
    isLegacy ||= item.legacyFields
    states = policy === null ? state : `${states}, ${state}`
    policy = policy === null ? item.policy : [POLICY, `${policy[1]}, ${item.policy[1]}`]
    if (tightest !== null && one.remaining >= tightest.remaining) continue
    tightest = one
    limit = item.quota
    remaining = left
  }
  if (tightest === null || policy === null) return []
  const fields: Field[] = [policy, ['ratelimit', states]]
  if (isLegacy) {
    const reset = String(seconds(tightest.resetAfterMs))
    fields.push(['x-ratelimit-limit', limit], ['x-ratelimit-remaining', remaining], ['x-ratelimit-reset', reset])
  }
  return fields
}

/** Whole seconds, rounded up: never earlier than the truth. */
export function seconds(ms: number): number {
  return Math.ceil(ms / 1000)
}
