import type { Awaitable } from './store/contract.ts'

/**
 * A cheap limit in front of an exact one, never instead of it: it is approximate (it may count by location, and late), so
 * it may let through more than it was set to, and what it lets through is still counted exactly. It spares the store a
 * flood. When it throws or rejects, the request goes on to the exact limit, as if it had been let through.
 *
 * @example
 * const firstTier: FirstTier = { periodSeconds: 60, admits: (key) => !blocked.has(key) }
 */
export interface FirstTier {
  /** What a refusal of it asks the client to wait, s. */
  readonly periodSeconds: number
  /** Whether a request of this key may go on to the exact limit: only `true` itself lets it. */
  admits(key: string): Awaitable<boolean>
}
