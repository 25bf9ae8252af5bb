import type { FirstTier } from '../../src/first-tier.ts'

/** Settings of a {@link rateLimitBinding}. */
export interface RateLimitBindingOptions {
  /** `simple.period` of the binding, s: 10 or 60, as Cloudflare has no other. The binding does not tell it. */
  readonly periodSeconds: 10 | 60
}

/**
 * Cloudflare's rate-limit binding as a {@link FirstTier}: it answers without leaving the machine, where an exact limit
 * costs a call to a Durable Object. It counts in each Cloudflare location apart and learns of requests late, so it admits
 * more than `simple.limit`, more yet of a client that many locations serve. Set its limit well above the exact quota.
 *
 * @param binding of `ratelimits` in the Wrangler configuration. Two of one `namespace_id` count together.
 * @throws {TypeError} when there is no such binding
 * @throws {RangeError} for another period
 *
 * @example
 * const firstTier = rateLimitBinding(env.LIMITER, { periodSeconds: 60 })
 */
export function rateLimitBinding(binding: RateLimit, { periodSeconds }: RateLimitBindingOptions): FirstTier {
  if (typeof (binding as RateLimit | undefined)?.limit !== 'function') {
    throw new TypeError(
      'rateLimitBinding(): binding is missing. Name it under ratelimits in the Wrangler configuration.',
    )
  }
  if (periodSeconds !== 10 && periodSeconds !== 60) {
    throw new RangeError("rateLimitBinding(): periodSeconds must be 10 or 60, the binding's simple.period.")
  }
  return {
    periodSeconds,
    async admits(key) {
      const { success } = await binding.limit({ key })
      return success === true
    },
  }
}
