import type { Awaitable } from './store/contract.ts'

/**
 * A quick, approximate limit in front of an exact one, such as Cloudflare's rate-limit binding. It may only refuse: what
 * it lets through meets the exact limit all the same, and when it fails everything does.
 */
export interface FirstTier {
  /** How long who is refused shall wait, s. */
  readonly periodSeconds: number
  /** Whether a request counted by this text may go on to the exact limit. */
  admits(key: string): Awaitable<boolean>
}
