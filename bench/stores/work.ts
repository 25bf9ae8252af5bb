import type { AtomicStore, Charge, Decision, Store } from 'hinoban'
import { makeRate } from '../../src/store/gcra.ts'
import type { Candidate } from '../rounds.ts'

/** Addresses that take turns: each is a partition of its own, as under `rateLimit()`. */
export const ADDRESSES: readonly string[] = Array.from(
  { length: 4096 },
  (_, i) => `address:203.0.${100 + (i >> 8)}.${i & 255}`,
)
/** A record like that of a session. */
export const VALUE = { id: 'a6e1', name: 'Maria', scopes: ['read', 'write'], createdAt: 1_780_000_000_000 }
export const JSON_VALUE: string = JSON.stringify(VALUE)
/** More than any run takes of one address. Its step is whole microseconds, as that of 100 a minute is. */
export const AMPLE: readonly Charge[] = [{ name: 'limit', rate: makeRate(1_000_000, 3600), cost: 1 }]
/** One an hour: whoever had it is refused. */
export const SCANT: readonly Charge[] = [{ name: 'scant', rate: makeRate(1, 3600), cost: 1 }]

const HOUR = 3_600_000

export function addressOf(i: number): string {
  return ADDRESSES[i & 4095]!
}

/** `consume` of one charge, admitted always. */
export function consumes(store: AtomicStore, name: string, floor?: string): Candidate {
  return {
    name,
    ...(floor !== undefined && { floor }),
    call: (i) => store.consume(addressOf(i), AMPLE),
    ok: isAdmitted,
  }
}

export function isAdmitted(answer: unknown): boolean {
  return (answer as Decision).admitted === true
}

export function isRefused(answer: unknown): boolean {
  return (answer as Decision).admitted === false
}

/** Writes the records that {@link records} reads. */
export async function fill(store: Store): Promise<void> {
  const { call } = records(store, { get: '', set: '' })[0]!
  for (let i = 0; i < ADDRESSES.length; i += 64) {
    await Promise.all(Array.from({ length: 64 }, async (_, n) => call(i + n)))
  }
}

/** `set` and `get` of one record an address, which end in an hour. */
export function records(store: Store, floors: { readonly get: string; readonly set: string }): readonly Candidate[] {
  const keys = ADDRESSES.map((partition) => ({ partition, name: 'session' }))
  const expiresAt = Date.now() + HOUR
  return [
    { name: 'set', floor: floors.set, call: (i) => store.set(keys[i & 4095]!, VALUE, expiresAt) },
    { name: 'get', floor: floors.get, call: (i) => store.get(keys[i & 4095]!), ok: (answer) => answer !== null },
  ]
}
