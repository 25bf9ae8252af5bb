/** The same for Workers, with `@cloudflare/workers-types`. */
import { type FirstTier, security } from 'hinoban'
import { durableObjectStore, type HinobanObject, kvStore, platform, rateLimitBinding } from 'hinoban/cloudflare'

export function onWorkers(objects: DurableObjectNamespace<HinobanObject>, namespace: KVNamespace, limiter: RateLimit) {
  const exact = security({ platform, store: durableObjectStore(objects) })
  // @ts-expect-error: KV is eventually consistent, so nothing that counts may stand on it
  const stale = security({ platform, store: kvStore(namespace) })
  const tier: FirstTier = rateLimitBinding(limiter, { periodSeconds: 60 })
  // @ts-expect-error: Cloudflare counts by 10 or by 60 seconds
  const other = rateLimitBinding(limiter, { periodSeconds: 30 })
  return [exact, stale, tier, other]
}
