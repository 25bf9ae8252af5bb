import type { Context } from '../layer.ts'
import { Recent } from '../recent.ts'
import type { Awaitable } from '../store/contract.ts'
import { makeRate, type Rate } from '../store/gcra.ts'
import type { Share } from './fields.ts'
import { checkName } from './name.ts'
import { type CountedBy, checkCountedBy } from './subject.ts'

/** Units that a request takes: a number, or a function of the request. Whole, 0 or more; anything else is a fault (500). */
export type Cost = number | ((c: Context) => Awaitable<number>)

/** How much, in how long, for whom. */
export interface QuotaOptions {
  /** Units per period, a whole number of at least 1. A request takes one unit unless told. */
  readonly quota: number
  /** Length of the period, in seconds. */
  readonly periodSeconds: number
  /** Units that may be taken at once. The quota unless told. In t seconds at most burst + quota · t / period pass. */
  readonly burst?: number
  /**
   * Who has a quota of their own: `address` unless told. Of a list the first is the store's partition, within which
   * quotas are decided together, and each combination has its own quota.
   */
  readonly by?: CountedBy | readonly CountedBy[]
  /** Units of a request, 1 unless told. Over the burst: throws at start, or answers 413 where a function said it. */
  readonly cost?: Cost
  /**
   * In place of `cost`, for what is known only afterwards: the most units that the request can take. They are charged at
   * once; `settle()` or `meter()` puts the true number in their place, and a failed request (5xx) gets them back.
   */
  readonly reserve?: Cost
  /**
   * The policy's name, in headers and in the store. `<quota>-per-<period>s` unless told; needed where `by` is a function.
   * Limiters of the same name, numbers and `by` share their buckets, so give names where two equal quotas shall count apart.
   */
  readonly name?: string
}

/** A quota, checked and ready. */
export interface Policy {
  readonly name: string
  readonly rate: Rate
  readonly quota: number
  readonly periodSeconds: number
  readonly by: readonly CountedBy[]
  readonly cost: Cost
  readonly isReserved: boolean
  /** What its buckets' names begin with. */
  readonly bucket: string
  /** Whether clients are told in `X-RateLimit-*`, too. */
  readonly legacyFields: boolean
  /** What clients are told of those that were counted last. */
  readonly shares: Recent<Share>
}

/** What the quotas of one limiter have in common. */
export interface PolicySettings {
  readonly dryRun?: boolean
  readonly legacyFields?: boolean
  /** How many shares of each are kept. */
  readonly sharesKnown?: number
}

/** Of a share some 700 bytes are held, and of each policy up to twice as many shares. */
const SHARES_KNOWN = 1_000

/** @throws {RangeError} or TypeError naming the setting that is wrong. */
export function makePolicy(options: QuotaOptions, settings: PolicySettings = {}): Policy {
  const { dryRun = false, legacyFields = true, sharesKnown = SHARES_KNOWN } = settings
  const { quota, periodSeconds, burst = quota, name = defaultName(quota, periodSeconds, burst) } = options
  const { by = 'address', cost, reserve } = options
  checkName('rateLimit()', name)
  const parts = checkCountedBy('rateLimit()', by)
  if (options.name === undefined && parts.some((part) => typeof part === 'function')) {
    throw new TypeError('rateLimit(): name is needed where by is a function, or two of them would share their buckets.')
  }
  if (cost !== undefined && reserve !== undefined) {
    throw new TypeError('rateLimit(): a quota has a cost or a reserve, not both.')
  }
  const rate = makeRate(quota, periodSeconds, burst)
  return {
    name,
    rate,
    quota,
    periodSeconds,
    by: parts,
    cost: checkCost(reserve === undefined ? 'cost' : 'reserve', reserve ?? cost ?? 1, burst),
    isReserved: reserve !== undefined,
    legacyFields,
    shares: new Recent(sharesKnown),
    // The numbers are part of the name: another rate over the same bucket would read its state wrongly, or empty it.
    bucket: `${dryRun ? 'dry' : 'limit'}:${name}:${rate.quota}/${rate.periodUs}us/${rate.burst}`,
  }
}

/** @throws {TypeError | RangeError} as {@link makePolicy}, and for no quota or two of one name. */
export function makePolicies(quotas: readonly QuotaOptions[], settings: PolicySettings): readonly Policy[] {
  if (!Array.isArray(quotas) || quotas.length === 0) {
    throw new TypeError('rateLimit(): quotas must name at least one quota. To limit nobody, use skip.')
  }
  const policies = quotas.map((quota) => makePolicy(quota, settings))
  if (new Set(policies.map(({ name }) => name)).size !== policies.length) {
    throw new TypeError('rateLimit(): two quotas have one name. Give each a name of its own.')
  }
  return policies
}

function checkCost(setting: string, cost: Cost, burst: number): Cost {
  if (typeof cost === 'function') return cost
  if (!Number.isSafeInteger(cost) || cost < 0) {
    throw new RangeError(`rateLimit(): ${setting} must be a whole number of units, 0 or more, or a function.`)
  }
  if (cost > burst) throw new RangeError(`rateLimit(): ${setting} is above the burst, so no request could ever pass.`)
  return cost
}

function defaultName(quota: number, periodSeconds: number, burst: number): string {
  return `${quota}-per-${periodSeconds}s${burst === quota ? '' : `-burst-${burst}`}`
}
