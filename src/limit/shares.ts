import type { Kit } from '../kit.ts'
import type { PlacedCharge } from './charging.ts'
import { Share } from './fields.ts'
import type { Policy } from './quota.ts'

/**
 * Whose share of a quota a charge belongs to, without anybody's name: the first twelve bytes of a SHA-256, as base64. Those that
 * were asked for last are kept, so that none is hashed over and over.
 */
export function shareOf(kit: Kit, policy: Policy, { partition, name: bucket }: PlacedCharge): Share {
  // Either all of a policy's buckets are of its own name, or none is: no two of them are found by one text.
  const known = bucket === policy.bucket ? partition : `${partition} ${bucket}`
  const share = policy.shares.get(known)
  if (share !== undefined) return share
  // Sixteen hex digits read as base64 are twelve bytes.
  const partitionKey = policy.by[0] === 'everyone' ? null : kit.sha256(`${partition} ${bucket}`).slice(0, 16)
  const made = new Share(policy, partitionKey)
  policy.shares.set(known, made)
  return made
}
