import type { Refusal } from '../problem.ts'
import { Recent } from '../recent.ts'

const REFUSALS_KNOWN = 100

/** What is answered where a quota is spent. A flood is refused in few ways: each is made once. */
export class Refusals {
  readonly #known = new Recent<Refusal>(REFUSALS_KNOWN)
  /** What was told last: within a second a flood is told one thing. */
  #last: { readonly names: string; readonly wait: number; readonly refusal: Refusal } | null = null

  /** @param waitSeconds whole; 1 is told where it is less */
  of(violatedPolicies: readonly string[], waitSeconds: number): Refusal {
    const wait = Math.max(1, waitSeconds)
    const names = violatedPolicies.length === 1 ? violatedPolicies[0]! : violatedPolicies.join(', ')
    const last = this.#last
    if (last !== null && last.wait === wait && last.names === names) return last.refusal
    const way = `${wait} ${names}`
    const refusal = this.#known.get(way) ?? refusalOf(violatedPolicies, names, wait)
    this.#known.set(way, refusal)
    this.#last = { names, wait, refusal }
    return refusal
  }
}

/** Nobody who renders it changes it for the next. */
function refusalOf(violatedPolicies: readonly string[], names: string, wait: number): Refusal {
  return {
    code: 'limit.exceeded',
    detail: `The quota is spent (${names}). Try again in ${wait} s.`,
    violatedPolicies: Object.freeze([...violatedPolicies]),
    headers: { 'retry-after': String(wait) },
  }
}
