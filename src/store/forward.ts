import type { AtomicStore, Awaitable, Store } from './contract.ts'

/** What is done about a call of a store: `partition` is what the call is about. */
export type Around = <T>(partition: string, call: () => Awaitable<T>) => Awaitable<T>

/**
 * The verbs of a store as an object whose verbs a wrapper may replace.
 *
 * @param around makes each call but `close`; as it is unless told
 */
export function forward(store: AtomicStore, around?: Around): AtomicStore
export function forward(store: Store, around?: Around): Store
export function forward(store: Store, around: Around = asItIs): Store {
  const plain: Store = {
    name: store.name,
    consistency: store.consistency,
    ...(store.deadlineMs !== undefined && { deadlineMs: store.deadlineMs }),
    ...(store.watch && { watch: (listener) => store.watch!(listener) }),
    get: (key) => around(key.partition, () => store.get(key)),
    set: (key, value, expiresAt) => around(key.partition, () => store.set(key, value, expiresAt)),
    delete: (key) => around(key.partition, () => store.delete(key)),
    list: (partition, prefix, cursor) => around(partition, () => store.list(partition, prefix, cursor)),
    close: () => store.close(),
  }
  if (!isAtomic(store)) return plain
  const atomic: AtomicStore = {
    ...plain,
    consistency: 'atomic',
    claim: (key, expiresAt) => around(key.partition, () => store.claim(key, expiresAt)),
    take: (key) => around(key.partition, () => store.take(key)),
    swap: (key, version, value, expiresAt) => around(key.partition, () => store.swap(key, version, value, expiresAt)),
    consume: (partition, charges) => around(partition, () => store.consume(partition, charges)),
  }
  return atomic
}

/** Whether a store promises exactness. */
export function isAtomic(store: Store): store is AtomicStore {
  return store.consistency === 'atomic'
}

function asItIs<T>(_partition: string, call: () => Awaitable<T>): Awaitable<T> {
  return call()
}
