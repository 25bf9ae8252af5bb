import type { FirstTier } from '../first-tier.ts'
import type { Kit } from '../kit.ts'
import { type Awaitable, isPending, StoreOutage, whenAnswered } from '../store/contract.ts'
import { within } from '../store/deadline.ts'

const TIER_DEADLINE_MS = 250

/** @throws {TypeError | RangeError} naming what is wrong with a first tier. */
export function checkTier({ periodSeconds, admits }: FirstTier): void {
  if (typeof admits !== 'function') throw new TypeError('rateLimit(): firstTier must have a function admits.')
  if (!(periodSeconds > 0 && periodSeconds <= 86_400)) {
    throw new RangeError('rateLimit(): periodSeconds of firstTier must be above 0 and at most 86,400.')
  }
}

/**
 * Whether a first tier lets a key pass, within 250 ms. One that fails is none: the exact limit decides, and an event tells.
 *
 * @param policy the name of the quota that it is asked for
 */
export function passesTier(kit: Kit, tier: FirstTier, key: string, policy: string): Awaitable<boolean> {
  const fail = (): true => {
    kit.emit({ type: 'limit.degraded', level: 'error', reason: 'first_tier', resource: policy })
    return true
  }
  const told = (admits: boolean): boolean => admits === true
  let admits: Awaitable<boolean>
  try {
    admits = tier.admits(key)
  } catch {
    return fail()
  }
  if (!isPending(admits)) return told(admits)
  const late = (): StoreOutage => new StoreOutage('The first tier did not answer in time.')
  return whenAnswered(within(admits, TIER_DEADLINE_MS, late), told, fail)
}
