import { addressBucket, makeAddress } from '../address.ts'
import type { Clock } from '../clock.ts'
import { SetupError } from '../setup-error.ts'
import type { RememberingStore } from '../store/denials.ts'
import { chargeAll, type PlacedCharge } from './charging.ts'
import type { Policy, QuotaOptions } from './quota.ts'
import { bucketOf, type CountedBy, keyText, subjectOfTexts } from './subject.ts'

/** Somebody whose limits are looked at, by what the quotas count by. */
export interface Counted {
  /** For `address`, and for `principal` where it is a stranger: an IP address as events give it, `unknown` among them. */
  readonly address?: string
  /** For `principal`: its `key`. */
  readonly principal?: string
  /** For `route`: as the app wrote it, such as `GET /users/:id`. */
  readonly route?: string
  /** For functions: what each gave, in their order. */
  readonly keys?: readonly (string | null)[]
  /** Where the limiter's `quotas` is a function: those that hold for this one. */
  readonly quotas?: readonly QuotaOptions[]
}

/** One quota of somebody's. */
export interface LimitPeek {
  readonly policy: string
  readonly quota: number
  /** Units that could be spent at once now. */
  readonly remaining: number
  /** Until it is whole again, ms. */
  readonly resetAfterMs: number
}

/** As `RateLimiter.peek`. */
export async function peekLimits(
  store: RememberingStore,
  clock: Clock,
  policies: readonly Policy[],
  who: Counted,
  ipv6Prefix: number,
): Promise<readonly LimitPeek[]> {
  const charges = policies.map((policy) => chargeFor(policy, who, ipv6Prefix, 0))
  const { states } = await chargeAll(store, clock, charges)
  return policies.map(({ name, quota }, i) => {
    const { remaining, resetAfterMs } = states[i]!
    return { policy: name, quota, remaining, resetAfterMs }
  })
}

/** As `RateLimiter.reset`. */
export async function resetLimits(
  store: RememberingStore,
  clock: Clock,
  policies: readonly Policy[],
  who: Counted,
  ipv6Prefix: number,
): Promise<void> {
  // More than the burst makes any bucket whole, also one that a clock step left far ahead.
  await chargeAll(
    store,
    clock,
    policies.map((policy) => chargeFor(policy, who, ipv6Prefix, -policy.rate.burst - 1)),
  )
}

function chargeFor(policy: Policy, who: Counted, ipv6Prefix: number, cost: number): PlacedCharge {
  let functions = 0
  const texts = policy.by.map((by) => textFor(by, who, ipv6Prefix, typeof by === 'function' ? functions++ : 0))
  const subject = subjectOfTexts(texts)
  return { partition: subject.partition, name: bucketOf(policy.bucket, subject.within), rate: policy.rate, cost }
}

function textFor(by: CountedBy, who: Counted, ipv6Prefix: number, place: number): string {
  const { address, principal, route, keys } = who
  if (by === 'everyone') return 'everyone:'
  if (by === 'principal' && principal !== undefined) return `principal:${principal}`
  if (by === 'route' && route !== undefined) return `route:${route}`
  if (typeof by === 'function' && keys?.[place] !== undefined) return keyText(keys[place] ?? '')
  if ((by === 'address' || by === 'principal') && address !== undefined) {
    const found = makeAddress(address, 'socket')
    if (found.ip !== null || address === 'unknown') return `address:${addressBucket(found, ipv6Prefix)}`
    throw new SetupError("rateLimit(): address must be an IP address as events give it, or 'unknown'.")
  }
  const lacking = typeof by === 'function' ? 'keys' : by
  throw new SetupError(`rateLimit(): this quota counts by ${lacking}: say whose, { ${lacking}: … }.`)
}
