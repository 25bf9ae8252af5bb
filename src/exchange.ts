import type { Address } from './address.ts'

/** A request as schemes see it: enough to decide, nothing to answer with. */
export interface Exchange {
  readonly method: string
  readonly path: string
  /** The deciding instant of this request, ms since the epoch. */
  readonly now: number
  /** A request header's value, null when absent. */
  header(name: string): string | null
  address(): Address
  /** See `Platform.sha256`. */
  sha256(text: string): string
  /** See `Platform.equal`. */
  equal(a: string, b: string): boolean
}
