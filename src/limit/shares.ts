import type { Kit, PolicyItem } from '../kit.ts'
import { Recent } from '../recent.ts'
import type { PlacedCharge } from './charging.ts'
import { policyItem } from './fields.ts'
import type { Policy } from './quota.ts'

/** Of a share some 400 bytes are held. */
const SHARES_KNOWN = 1_000

/** One share of a quota, as clients are told of it. */
export interface Share {
  /** As in the limit fields; null where all share the quota. */
  readonly partitionKey: string | null
  readonly item: PolicyItem
}

/** Tells whose share of a quota a charge belongs to. Those that were asked for last are kept, so that none is hashed over and over. */
export class Shares {
  readonly #known = new Recent<Share>(SHARES_KNOWN)

  /** Without anybody's name: the first twelve bytes of a SHA-256, as base64. */
  of(kit: Kit, policy: Policy, { partition, name: bucket }: PlacedCharge): Share {
    const text = `${partition} ${bucket}`
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const { name, quota, periodSeconds, by } = policy
    // Sixteen hex digits read as base64 are twelve bytes.
    const partitionKey = by[0] === 'everyone' ? null : kit.sha256(text).slice(0, 16)
    const share = { partitionKey, item: policyItem({ policy: name, quota, periodSeconds, partitionKey }) }
    this.#known.set(text, share)
    return share
  }
}
