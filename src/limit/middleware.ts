import type { MiddlewareHandler } from 'hono'
import type { FirstTier } from '../first-tier.ts'
import type { Kit, KitEnv } from '../kit.ts'
import type { KitOptions } from '../kit-base.ts'
import { type Context, kitOf, layer, orFault, type StepAnswer } from '../layer.ts'
import { SetupError } from '../setup-error.ts'
import { type Awaitable, isPending, StoreOutage, whenAnswered } from '../store/contract.ts'
import type { RememberingStore } from '../store/denials.ts'
import { memoryStore } from '../store/memory.ts'
import { chargeAll, type PlacedCharge, type Verdict } from './charging.ts'
import { limitFields, seconds } from './fields.ts'
import { limiterStore } from './limiter-store.ts'
import { type Counted, type LimitPeek, peekLimits, resetLimits } from './peek.ts'
import { type Cost, makePolicies, type Policy, type PolicySettings, type QuotaOptions } from './quota.ts'
import { Refusals } from './refusals.ts'
import { notePassed, noteReservation, Reservation } from './reservation.ts'
import { shareOf } from './shares.ts'
import { bucketOf, checkIpv6Prefix, subjectOf } from './subject.ts'
import { checkTier, passesTier } from './tier.ts'

/** One quota, named in the options themselves. */
type OneQuota = QuotaOptions & { readonly quotas?: never }

/** Several quotas, all or nothing; or a function that gives them, such as the plan of a principal. */
interface SeveralQuotas {
  /**
   * At least one, each with a name of its own. A function is asked at each request: give it constants to choose from.
   * Other numbers are another bucket, so a changed plan starts whole.
   */
  readonly quotas: readonly QuotaOptions[] | ((c: Context) => readonly QuotaOptions[])
  readonly quota?: never
  readonly periodSeconds?: never
}

interface LimiterOptions extends KitOptions {
  /** Bits of an IPv6 address that count as one client. 64 unless told. */
  readonly ipv6Prefix?: number
  /** Requests for which it gives true are not limited at all. */
  readonly skip?: (c: Context) => Awaitable<boolean>
  /** Decides in buckets of its own and tells events, but refuses nobody for its quotas and tells clients nothing. */
  readonly dryRun?: boolean
  /**
   * Whether `X-RateLimit-*` are sent, which say less than `RateLimit` does and cost a request up to a microsecond each. True unless told.
   * One limiter that sends them is enough, as soon as it has decided. Where none does, what a handler itself says in them stands.
   */
  readonly legacyFields?: boolean
  /**
   * When the store cannot decide: `local` (unless told) limits by this process's memory, so at most quota × processes
   * pass; `deny` answers 503; `allow` lets everything through. Each with an event.
   */
  readonly onStoreFailure?: 'local' | 'deny' | 'allow'
  /** Asked first, by the name and partition of the first quota: quick, approximate, and only ever stricter. */
  readonly firstTier?: FirstTier
}

/** What {@link rateLimit} takes besides the parts of a kit. */
export type RateLimitOptions = LimiterOptions & (OneQuota | SeveralQuotas)

/** The middleware, and what support staff ask of it in a handler. */
export interface RateLimiter extends MiddlewareHandler<KitEnv> {
  /**
   * What somebody has left, without taking any: one state for each quota.
   *
   * @throws {Problem} 503 when the store cannot tell, 500 for a `who` that lacks something: the event names it.
   */
  peek(c: Context, who: Counted): Promise<readonly LimitPeek[]>
  /** Makes somebody's quotas whole; an event says so. @throws as `peek`. */
  reset(c: Context, who: Counted): Promise<void>
}

const STAND_IN_ENTRIES = 100_000

/**
 * Limits requests exactly, by GCRA: a quota of 100 a minute lets 100 through at once and then one every 0.6 s, however
 * many come in parallel, for every store that is atomic. Counts by client address unless told. Refuses with 429,
 * `Retry-After` and the limit fields; a refused request costs nothing in any quota. What was decided is readable on
 * `c.var.security.limits`.
 *
 * @throws {RangeError | TypeError} at start, naming the setting that is wrong.
 *
 * @example
 * const api = new Hono()
 *   .use(rateLimit({ quota: 100, periodSeconds: 60 }))
 *   .use(authenticate(apiKeys({ keys })))
 *   .post('/inject', rateLimit({ quota: 10, periodSeconds: 60, by: 'principal', name: 'inject' }), inject)
 */
export function rateLimit(options: RateLimitOptions): RateLimiter {
  const { ipv6Prefix = 64, skip, dryRun = false, legacyFields = true, onStoreFailure = 'local', firstTier } = options
  checkIpv6Prefix('rateLimit()', ipv6Prefix)
  if (!['local', 'deny', 'allow'].includes(onStoreFailure)) {
    throw new TypeError("rateLimit(): onStoreFailure must be 'local', 'deny' or 'allow'.")
  }
  if (typeof dryRun !== 'boolean') throw new TypeError('rateLimit(): dryRun must be true or false.')
  if (typeof legacyFields !== 'boolean') throw new TypeError('rateLimit(): legacyFields must be true or false.')
  if (skip !== undefined && typeof skip !== 'function') throw new TypeError('rateLimit(): skip must be a function.')
  if (firstTier !== undefined) checkTier(firstTier)
  const planOf = readQuotas(options)
  const storeOf = (kit: Kit) => limiterStore(kit.store('rateLimit()', options.store), kit.base.clock)
  const refusals = new Refusals()
  let standIn: RememberingStore | null = null

  const decide = (
    kit: Kit,
    c: Context,
    { policies, isReserved }: Plan,
    charges: readonly PlacedCharge[],
  ): StepAnswer => {
    const store = storeOf(kit)
    const { clock } = kit.base
    const asked: Asked = { policies, charges, store, sinceMs: isReserved ? clock.now() : 0, dryRun, refusals }
    let verdict: Awaitable<Verdict>
    try {
      verdict = chargeAll(store, clock, charges)
    } catch (error) {
      return fall(kit, c, asked, error)
    }
    if (!isPending(verdict)) return answer(kit, c, asked, verdict)
    return verdict.then(
      (settled) => answer(kit, c, asked, settled),
      (error: unknown) => fall(kit, c, asked, error),
    )
  }

  const fall = (kit: Kit, c: Context, asked: Asked, error: unknown): StepAnswer => {
    const choice = dryRun ? 'allow' : onStoreFailure
    if (!(error instanceof StoreOutage) || choice === 'deny') throw error
    const resource = asked.policies.map(({ name }) => name).join(', ')
    kit.emit({ type: 'limit.degraded', level: 'error', reason: choice, resource })
    if (choice === 'allow') {
      notePassed(c)
      return undefined
    }
    const { clock } = kit.base
    standIn ??= limiterStore(memoryStore({ clock, maxEntries: STAND_IN_ENTRIES }), clock)
    const instead = { ...asked, store: standIn }
    return whenAnswered(chargeAll(standIn, clock, asked.charges), (verdict) => answer(kit, c, instead, verdict))
  }

  const limit = (kit: Kit, c: Context): StepAnswer => {
    const plan = planOf(c)
    const { policies } = plan
    const charges = policies.map((policy) => place(kit, c, policy, ipv6Prefix))
    if (plan.isPriced && (firstTier === undefined || dryRun)) return decide(kit, c, plan, charges)
    const go = (costs: readonly number[]): StepAnswer => {
      const priced = charges.map((charge, i) => ({ ...charge, cost: checked(policies[i]!, costs[i]!) }))
      const dear = policies.find(({ rate }, i) => costs[i]! > rate.burst)
      if (dear && !dryRun) return tooDear(kit, dear)
      return decide(kit, c, plan, priced)
    }
    const price = (): StepAnswer => {
      const costs = policies.map(({ cost }) => costOf(cost, c))
      return costs.some(isPending) ? Promise.all(costs).then(go) : go(costs as number[])
    }
    if (firstTier === undefined || dryRun) return price()
    const { name } = policies[0]!
    const { partition, name: bucket } = charges[0]!
    return whenAnswered(passesTier(kit, firstTier, `${bucket} ${partition}`, name), (passes) => {
      if (passes) return price()
      kit.emit({ type: 'limit.refused', level: 'warn', reason: 'first_tier', resource: name })
      return kit.refuse(refusals.of([name], Math.ceil(firstTier.periodSeconds)))
    })
  }

  const handler = layer<KitEnv>('rateLimit()', options, (kit, c) => {
    if (skip === undefined) return limit(kit, c)
    return whenAnswered(skip(c), (skips) => (skips === true ? notePassed(c) : limit(kit, c)))
  })
  const policiesFor = (who: Counted): readonly Policy[] =>
    who.quotas ? makePolicies(who.quotas, { dryRun }) : planOf(null).policies
  return Object.assign(handler, {
    async peek(c: Context, who: Counted) {
      const kit = kitOf(c, 'rateLimit().peek()')
      return orFault(kit, () => peekLimits(storeOf(kit), kit.base.clock, policiesFor(who), who, ipv6Prefix))
    },
    async reset(c: Context, who: Counted) {
      const kit = kitOf(c, 'rateLimit().reset()')
      const policies = await orFault(kit, async () => policiesFor(who))
      await orFault(kit, () => resetLimits(storeOf(kit), kit.base.clock, policies, who, ipv6Prefix))
      for (const { name } of policies) kit.emit({ type: 'limit.reset', level: 'info', reason: 'quota', resource: name })
    },
  })
}

/** Quotas that are decided together. */
interface Plan {
  readonly policies: readonly Policy[]
  /** Whether each has a cost that no request decides. */
  readonly isPriced: boolean
  /** Whether one is charged before its true cost is known. */
  readonly isReserved: boolean
}

/** The quotas of a request; null for those that no request decides. */
function readQuotas(options: RateLimitOptions): (c: Context | null) => Plan {
  const { quotas, dryRun = false, legacyFields = true } = options
  const settings: PolicySettings = { dryRun, legacyFields }
  if (quotas === undefined) {
    const plan = makePlan([options], settings)
    return () => plan
  }
  for (const setting of ['quota', 'periodSeconds', 'burst', 'by', 'cost', 'reserve', 'name'] as const) {
    if (setting in options) throw new TypeError(`rateLimit(): ${setting} belongs into each of quotas.`)
  }
  if (typeof quotas !== 'function') {
    const plan = makePlan(quotas, settings)
    return () => plan
  }
  const known = new WeakMap<readonly QuotaOptions[], Plan>()
  return (c) => {
    if (c === null) throw new SetupError('rateLimit(): quotas is a function of the request; name them: { …, quotas }.')
    const given = quotas(c)
    const plan = known.get(given) ?? planAsked(given, { ...settings, sharesKnown: SHARES_OF_PLAN })
    known.set(given, plan)
    return plan
  }
}

function makePlan(quotas: readonly QuotaOptions[], settings: PolicySettings): Plan {
  const policies = makePolicies(quotas, settings)
  return {
    policies,
    isPriced: policies.every(({ cost }) => typeof cost === 'number'),
    isReserved: policies.some(({ isReserved }) => isReserved),
  }
}

/** There may be many plans. */
const SHARES_OF_PLAN = 50

/** The event names what is wrong with a plan: no start could show it. */
function planAsked(quotas: readonly QuotaOptions[], settings: PolicySettings): Plan {
  try {
    return makePlan(quotas, settings)
  } catch (error) {
    throw new SetupError(error instanceof Error ? error.message : 'rateLimit(): quotas gave no quotas.')
  }
}

function place(kit: Kit, c: Context, policy: Policy, ipv6Prefix: number): PlacedCharge {
  const { by, rate, bucket } = policy
  const { partition, within } = subjectOf('rateLimit()', kit, c, by, ipv6Prefix)
  const cost = typeof policy.cost === 'number' ? policy.cost : 0
  return { partition, name: bucketOf(bucket, within), rate, cost }
}

/** A function that throws gives a promise that rejects: so those of the other quotas are not left alone. */
function costOf(cost: Cost, c: Context): Awaitable<number> {
  if (typeof cost !== 'function') return cost
  try {
    return cost(c)
  } catch (error) {
    return Promise.reject(error)
  }
}

function checked({ name }: Policy, cost: number): number {
  if (Number.isSafeInteger(cost) && cost >= 0) return cost
  throw new SetupError(`rateLimit(): the cost of ${name} must be a whole number of units, 0 or more.`)
}

/** What was asked of a store, and what is told of its answer. */
interface Asked {
  readonly policies: readonly Policy[]
  readonly charges: readonly PlacedCharge[]
  readonly store: RememberingStore
  /** When what was reserved was charged; 0 where nothing was. */
  readonly sinceMs: number
  readonly dryRun: boolean
  readonly refusals: Refusals
}

function answer(kit: Kit, c: Context, asked: Asked, verdict: Verdict): Response | undefined {
  const { policies, charges, dryRun } = asked
  for (let i = 0; i < policies.length; i++) {
    const state = verdict.states[i]
    if (!state) continue
    const { name: policy, quota, periodSeconds } = policies[i]!
    const { remaining, resetAfterMs, retryAfterMs } = state
    const share = shareOf(kit, policies[i]!, charges[i]!)
    const { partitionKey } = share
    const isDryRun = dryRun
    const limit = { policy, quota, periodSeconds, remaining, resetAfterMs, retryAfterMs, partitionKey, isDryRun }
    kit.addLimit(limit, share)
  }
  if (!dryRun) kit.respond(limitFields(kit.limits, kit.policyItems))
  if (!verdict.admitted) return deny(kit, c, asked, verdict)
  holdReserved(kit, c, asked)
  return undefined
}

function deny(kit: Kit, c: Context, { policies, dryRun, refusals }: Asked, { states }: Verdict): Response | undefined {
  let waitMs = 0
  const violated: string[] = []
  for (let i = 0; i < policies.length; i++) {
    const state = states[i]
    if (!state || state.retryAfterMs === 0) continue
    violated.push(policies[i]!.name)
    waitMs = Math.max(waitMs, state.retryAfterMs ?? 0)
  }
  for (const resource of violated) {
    kit.emit({ type: 'limit.refused', level: 'warn', reason: dryRun ? 'dry_run' : 'quota', resource })
  }
  return dryRun ? notePassed(c) : kit.refuse(refusals.of(violated, seconds(waitMs)))
}

/** No wait makes it pass, so none is told. */
function tooDear(kit: Kit, { name, rate }: Policy): Response {
  kit.emit({ type: 'limit.refused', level: 'warn', reason: 'cost', resource: name })
  return kit.refuse({
    code: 'limit.cost_too_large',
    detail: `The request takes more units than the quota ${name} ever has, ${rate.burst}. Ask for less.`,
  })
}

/** What a failed request reserved goes back, unless its handler settled it. */
function holdReserved(kit: Kit, c: Context, { policies, charges, store, sinceMs }: Asked): void {
  for (let i = 0; i < policies.length; i++) {
    const { name, isReserved } = policies[i]!
    if (!isReserved) continue
    const held = new Reservation(c, kit, name, store, charges[i]!, sinceMs)
    noteReservation(c, held)
    kit.lifecycle.onAnswer((failed) => {
      // Who hung up may have made it fail.
      if (failed && kit.abortSignal?.aborted !== true) held.returnAll()
    })
  }
}
