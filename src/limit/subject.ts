import { addressBucket } from '../address.ts'
import { sha256Hex } from '../crypto/hash.ts'
import type { Kit } from '../kit.ts'
import type { Context } from '../layer.ts'
import { SetupError } from '../setup-error.ts'
import { routeOf } from './route.ts'

/** Text of the app's own that requests are counted by. What gives null shares one bucket. Let no client choose it freely. */
export type CountFunction = (c: Context) => string | null

/**
 * Who or what requests are counted by:
 * - `address`: the client's network address, IPv6 by its prefix; unknown ones share one bucket.
 * - `principal`: who `authenticate()` or `identify()` proved (a user, a key, a device); a stranger by address.
 * - `route`: the route as the app wrote it, such as `GET /users/:id`.
 * - `everyone`: all together.
 */
export type CountedBy = 'address' | 'principal' | 'route' | 'everyone' | CountFunction

/** Whose bucket it is: one text each, for the store's partition and, of what is counted beside, for the bucket's name. */
export interface Subject {
  /** Partition: the client, principal or thing that is counted. */
  readonly partition: string
  /** What it is counted by besides; '' for nothing. */
  readonly within: string
}

const MAX_KEY_UNITS = 256
const KINDS = ['address', 'principal', 'route', 'everyone']

/** @throws {TypeError} naming the setting, for what no request can be counted by. */
export function checkCountedBy(owner: string, by: unknown): readonly CountedBy[] {
  const parts = [by].flat() as unknown[]
  const known = parts.every((part) => typeof part === 'function' || KINDS.includes(part as string))
  if (!known || parts.length === 0 || new Set(parts).size !== parts.length) {
    throw new TypeError(
      `${owner}: by must be 'address', 'principal', 'route', 'everyone', a function, or a list of different ones.`,
    )
  }
  return parts as CountedBy[]
}

/**
 * Who this request counts for. The first of `by` is the partition: quotas of one partition are decided together.
 *
 * @throws {SetupError} for `principal` where nobody was asked who they are.
 */
export function subjectOf(owner: string, kit: Kit, c: Context, by: readonly CountedBy[], ipv6Prefix: number): Subject {
  if (by.length === 1) return { partition: textOf(owner, kit, c, by[0]!, ipv6Prefix), within: '' }
  return subjectOfTexts(by.map((part) => textOf(owner, kit, c, part, ipv6Prefix)))
}

/** A subject of the texts that it is counted by, at least one. */
export function subjectOfTexts([first, ...others]: readonly string[]): Subject {
  return { partition: first!, within: others.map(encodeURIComponent).join('/') }
}

/** What a function gave, in a length that costs nothing to look up, however long a text a client sent. */
export function keyText(text: string): string {
  const key = text.toWellFormed()
  return key.length <= MAX_KEY_UNITS ? `key:${key}` : `key:~${sha256Hex(key)}`
}

/** The name of a subject's bucket. */
export function bucketOf(policy: string, within: string): string {
  return within === '' ? policy : `${policy}:${within}`
}

/** @throws {RangeError} naming the setting. */
export function checkIpv6Prefix(owner: string, ipv6Prefix: number): void {
  if (!Number.isInteger(ipv6Prefix) || ipv6Prefix < 1 || ipv6Prefix > 128) {
    throw new RangeError(`${owner}: ipv6Prefix must be a whole number of bits from 1 to 128.`)
  }
}

function textOf(owner: string, kit: Kit, c: Context, by: CountedBy, ipv6Prefix: number): string {
  switch (by) {
    case 'address':
      return `address:${addressBucket(kit.address(), ipv6Prefix)}`
    case 'principal':
      if (kit.principal) return `principal:${kit.principal.key}`
      if (c.get('principal') === null) return `address:${addressBucket(kit.address(), ipv6Prefix)}`
      throw new SetupError(`${owner} counts by principal: put authenticate() or identify() before it.`)
    case 'route':
      return `route:${routeOf(c)}`
    case 'everyone':
      return 'everyone:'
    default: {
      const text: unknown = by(c)
      if (typeof text === 'string' && text !== '') return keyText(text)
      if (text === null || text === undefined || text === '') return 'key:'
      throw new SetupError(`${owner}: what by gave is no text.`)
    }
  }
}
