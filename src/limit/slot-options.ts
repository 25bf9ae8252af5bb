import { checkName } from './name.ts'
import { type CountedBy, checkCountedBy, checkIpv6Prefix } from './subject.ts'

/** Who shares slots, and how long one outlives a crash. */
export interface SlotOptions {
  /** What may be held at once by one of `by`, 1 to 1,000. */
  readonly limit: number
  /**
   * Whose slots they are, such as `principal` or `address`; a list where several count together. `principal` unless told:
   * put `authenticate()` or `identify()` before.
   */
  readonly by?: CountedBy | readonly CountedBy[]
  /**
   * What is held, in the store and in events. Limiters of one name and one limit share their slots. The kind and the limit
   * unless told, such as `5-sockets`: then all that count by the same and are unnamed share.
   */
  readonly name?: string
  /** How long a slot outlives a process that crashed, 1 to 3,600 s; 30 unless told. Renewed every third of it. */
  readonly leaseSeconds?: number
  /** Bits of an IPv6 address that count as one client. 64 unless told. */
  readonly ipv6Prefix?: number
}

/** Slot options, checked and whole. */
export interface SlotSettings {
  readonly limit: number
  readonly by: readonly CountedBy[]
  readonly name: string
  readonly leaseMs: number
  readonly ipv6Prefix: number
}

const MAX_SLOTS = 1000

/**
 * @param kind part of a name that is not given; null where one must be
 * @throws {RangeError} or TypeError naming the setting that is wrong.
 */
export function checkSlots(owner: string, options: SlotOptions, kind: string | null = null): SlotSettings {
  const { limit, by = 'principal', leaseSeconds = 30, ipv6Prefix = 64 } = options
  const name = options.name ?? (kind === null ? undefined : `${limit}-${kind}`)
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_SLOTS) {
    throw new RangeError(`${owner}: limit must be a whole number from 1 to ${MAX_SLOTS}.`)
  }
  checkName(owner, name)
  if (!Number.isFinite(leaseSeconds) || leaseSeconds < 1 || leaseSeconds > 3600) {
    throw new RangeError(`${owner}: leaseSeconds must be from 1 to 3,600.`)
  }
  checkIpv6Prefix(owner, ipv6Prefix)
  return { limit, by: checkCountedBy(owner, by), name, leaseMs: Math.round(leaseSeconds * 1000), ipv6Prefix }
}
