import type { Env, MiddlewareHandler } from 'hono'
import { addressBucket } from '../address.ts'
import type { Kit, KitOptions } from '../kit.ts'
import { layer } from '../layer.ts'
import { type AtomicStore, isPending } from '../store/contract.ts'
import type { Decision } from '../store/gcra.ts'
import { limitFields, seconds } from './fields.ts'
import { makePolicy, type Policy, type QuotaOptions } from './quota.ts'

/** What {@link rateLimit} takes besides the parts of a kit. */
export interface RateLimitOptions extends KitOptions, QuotaOptions {
  /** Bits of an IPv6 address that count as one client. 64 unless told. */
  readonly ipv6Prefix?: number
}

/**
 * Limits requests per client address, exactly, by GCRA: a quota of 100 a minute lets 100 through at once and then one
 * every 0.6 s, however many come in parallel, for every store that is atomic. Refuses with 429, `Retry-After` and the
 * limit fields; a refused request costs nothing. Clients whose address is unknown share one bucket. When the store
 * fails, the request gets 503 and is not let through.
 *
 * @throws {RangeError | TypeError} at start, naming the setting that is wrong.
 *
 * @example
 * const api = new Hono().use(rateLimit({ quota: 100, periodSeconds: 60 }))
 */
export function rateLimit(options: RateLimitOptions): MiddlewareHandler<Env> {
  const policy = makePolicy(options)
  const { ipv6Prefix = 64 } = options
  if (!Number.isInteger(ipv6Prefix) || ipv6Prefix < 1 || ipv6Prefix > 128) {
    throw new RangeError('rateLimit(): ipv6Prefix must be a whole number of bits from 1 to 128.')
  }
  // The numbers are part of the name: another rate over the same bucket would read its state wrongly, or empty it.
  const { quota, periodUs, burst } = policy.rate
  const charges = [{ name: `limit:${policy.name}:${quota}/${periodUs}us/${burst}`, rate: policy.rate, cost: 1 }]
  return layer('rateLimit()', options, (kit) => {
    const store: AtomicStore = kit.store('rateLimit()', options.store)
    const decision = store.consume(`address:${addressBucket(kit.address(), ipv6Prefix)}`, charges)
    return isPending(decision)
      ? decision.then((settled) => answer(kit, policy, settled))
      : answer(kit, policy, decision)
  })
}

function answer(kit: Kit, policy: Policy, decision: Decision): Response | undefined {
  const state = decision.states[0]!
  const { name, quota, periodSeconds } = policy
  const limits = kit.addLimit({ policy: name, quota, periodSeconds, ...state, partitionKey: '' })
  for (const [field, value] of limitFields(limits)) kit.respond(field, value)
  if (decision.admitted === true) return undefined
  kit.emit({ type: 'limit.refused', level: 'warn', reason: 'quota', resource: name })
  const wait = Math.max(1, seconds(state.retryAfterMs ?? 0))
  return kit.refuse({
    code: 'limit.exceeded',
    detail: `At most ${quota} requests in ${periodSeconds} seconds are served to one client. Try again in ${wait} s.`,
    headers: { 'retry-after': String(wait) },
  })
}
