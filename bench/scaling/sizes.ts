import type { Effort } from '../rounds.ts'

/** API keys configured. */
export const KEYS: readonly number[] = [10, 100, 1000, 10_000]
/** Quotas of one rateLimit(). */
export const QUOTAS: readonly number[] = [1, 5, 10, 20]
/** Addresses that the store limits already, asked at random. */
export const CLIENTS: readonly number[] = [1, 1000, 1_000_000]
/** An address of each kind that a socket names. */
export const ADDRESSES: Readonly<Record<string, string>> = {
  IPv4: '203.0.113.7',
  'IPv4 as IPv6': '::ffff:203.0.113.7',
  IPv6: '2001:db8:85a3::8a2e:370:7334',
}

export const EFFORT: Effort = { rounds: 21, roundMs: 15, warmUp: 5_000, warmUpMs: 250 }
