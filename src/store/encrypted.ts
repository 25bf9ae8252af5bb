import { utf8 } from '../bytes.ts'
import { OpenError } from '../crypto/aead.ts'
import type { Keyring } from '../crypto/keyring.ts'
import {
  type AtomicStore,
  checkExpiry,
  decodeValue,
  encodeListedName,
  encodePart,
  encodeValue,
  type Json,
  type Listed,
  type Store,
  type Stored,
  type StoreKey,
  StoreOutage,
} from './contract.ts'
import { forward, isAtomic } from './forward.ts'

/** Most bytes of JSON in one value of an {@link encrypted} store: sealed, it fills what a store holds. */
export const MAX_SEALED_BYTES = 36_822

/**
 * A store whose values nobody reads without the keys: AES-256-GCM, each value bound to its partition, its name and its end, so that
 * values that were moved, altered or prolonged do not open. A record that does not open is a {@link StoreOutage}.
 *
 * In the clear stay partitions, names, instants and limits. Whoever writes to the engine can still delete a record, put an earlier
 * one back, and make or prolong a claim, which has no value: `get` gives it with the value null, so never take the mere existence of
 * a record for proof. A value holds at most 36,822 bytes of JSON.
 *
 * @example
 * const store = encrypted(redisStore({ send }), keyring({ secret: env.STORE_SECRET, salt: env.STORE_SALT }))
 */
export function encrypted(store: AtomicStore, keys: Keyring): AtomicStore
export function encrypted(store: Store, keys: Keyring): Store
export function encrypted(store: Store, keys: Keyring): Store {
  const seal = async (key: StoreKey, value: Json, expiresAt: number | null): Promise<string> => {
    checkExpiry(expiresAt)
    encodePart(key.partition)
    encodeListedName(key.name)
    const json = encodeValue(value)
    if (json.length > MAX_SEALED_BYTES || utf8(json).length > MAX_SEALED_BYTES) {
      throw new RangeError(`An encrypted value holds at most ${MAX_SEALED_BYTES} bytes of JSON.`)
    }
    return keys.seal(labelOf(key), String(expiresAt), json)
  }
  const open = async <T extends Stored>(key: StoreKey, record: T): Promise<T> => {
    // A claim: whoever writes `true` over a sealed record gains no value by it.
    if (record.value === true) return { ...record, value: null }
    try {
      if (typeof record.value !== 'string') throw new OpenError('Sealed data is malformed.')
      return { ...record, value: decodeValue(await keys.open(labelOf(key), String(record.expiresAt), record.value)) }
    } catch (error) {
      if (!(error instanceof OpenError)) throw error
      throw new StoreOutage('A record does not open with the keys of this store.', { cause: error })
    }
  }
  const openIf = async (key: StoreKey, record: Stored | null): Promise<Stored | null> =>
    record === null ? null : open(key, record)

  const plain: Store = {
    ...forward(store),
    async get(key) {
      return openIf(key, await store.get(key))
    },
    async set(key, value, expiresAt) {
      await store.set(key, await seal(key, value, expiresAt), expiresAt)
    },
    async list(partition, prefix, cursor) {
      const page = await store.list(partition, prefix, cursor)
      const entries: Listed[] = []
      for (const entry of page.entries) entries.push(await open({ partition, name: entry.name }, entry))
      return { entries, cursor: page.cursor }
    },
  }
  if (!isAtomic(store)) return plain
  const atomic: AtomicStore = {
    ...forward(store),
    ...plain,
    consistency: 'atomic',
    async take(key) {
      return openIf(key, await store.take(key))
    },
    async swap(key, version, value, expiresAt) {
      return store.swap(key, version, await seal(key, value, expiresAt), expiresAt)
    },
  }
  return atomic
}

function labelOf({ partition, name }: StoreKey): string {
  return JSON.stringify([partition, name])
}
