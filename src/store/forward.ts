import type { AtomicStore, Store } from './contract.ts'

/** The verbs of a store as an object whose verbs a wrapper may replace. */
export function forward(store: AtomicStore): AtomicStore
export function forward(store: Store): Store
export function forward(store: Store): Store {
  const plain: Store = {
    name: store.name,
    consistency: store.consistency,
    ...(store.deadlineMs !== undefined && { deadlineMs: store.deadlineMs }),
    ...(store.watch && { watch: (listener) => store.watch!(listener) }),
    get: (key) => store.get(key),
    set: (key, value, expiresAt) => store.set(key, value, expiresAt),
    delete: (key) => store.delete(key),
    list: (partition, prefix, cursor) => store.list(partition, prefix, cursor),
    close: () => store.close(),
  }
  if (!isAtomic(store)) return plain
  const atomic: AtomicStore = {
    ...plain,
    consistency: 'atomic',
    claim: (key, expiresAt) => store.claim(key, expiresAt),
    take: (key) => store.take(key),
    swap: (key, version, value, expiresAt) => store.swap(key, version, value, expiresAt),
    consume: (partition, charges) => store.consume(partition, charges),
  }
  return atomic
}

/** Whether a store promises exactness. */
export function isAtomic(store: Store): store is AtomicStore {
  return store.consistency === 'atomic'
}
