import type { Refusal } from '../problem.ts'
import { Recent } from '../recent.ts'

const REFUSALS_KNOWN = 100

/** What is answered where a quota is spent. A flood is refused in few ways: each is made once. */
export class Refusals {
  readonly #known = new Recent<Refusal>(REFUSALS_KNOWN)

  /** @param waitSeconds whole; 1 is told where it is less */
  of(violatedPolicies: readonly string[], waitSeconds: number): Refusal {
    const wait = Math.max(1, waitSeconds)
    const names = violatedPolicies.join(', ')
    const way = `${wait} ${names}`
    const known = this.#known.get(way)
    if (known !== undefined) return known
    // Nobody who renders it changes it for the next.
    const refusal: Refusal = {
      code: 'limit.exceeded',
      detail: `The quota is spent (${names}). Try again in ${wait} s.`,
      violatedPolicies: Object.freeze([...violatedPolicies]),
      headers: { 'retry-after': String(wait) },
    }
    this.#known.set(way, refusal)
    return refusal
  }
}
