import { type AtomicStore, type ImmediateStore, type Store, type StoreKey, StoreOutage } from './contract.ts'
import { forward, isAtomic } from './forward.ts'

/**
 * A part of a store that sees nothing of the rest: for a tenant, an app or a test that shares an engine with others. Give
 * every user of the store a namespace of its own; one made within another is a part of that one. `close()` ends this part; the store stays open for the others.
 *
 * @param name 1 to 32 of `a-z A-Z 0-9 _ -`
 * @throws {RangeError} for another name
 *
 * @example
 * const store = namespaced(redis, 'billing')
 */
export function namespaced(store: ImmediateStore, name: string): ImmediateStore
export function namespaced(store: AtomicStore, name: string): AtomicStore
export function namespaced(store: Store, name: string): Store
export function namespaced(store: Store, name: string): Store {
  if (!/^[\w-]{1,32}$/.test(name)) throw new RangeError('namespaced(): name must be 1 to 32 of a-z A-Z 0-9 _ -')
  let isClosed = false
  const within = (partition: string): string => {
    if (isClosed) throw new StoreOutage('The namespace is closed.')
    return `${name}/${partition}`
  }
  const at = (key: StoreKey): StoreKey => ({ partition: within(key.partition), name: key.name })
  const plain: Store = {
    ...forward(store),
    get: (key) => store.get(at(key)),
    set: (key, value, expiresAt) => store.set(at(key), value, expiresAt),
    delete: (key) => store.delete(at(key)),
    list: (partition, prefix, cursor) => store.list(within(partition), prefix, cursor),
    close() {
      isClosed = true
    },
  }
  if (!isAtomic(store)) return plain
  const atomic: AtomicStore = {
    ...plain,
    consistency: 'atomic',
    claim: (key, expiresAt) => store.claim(at(key), expiresAt),
    take: (key) => store.take(at(key)),
    swap: (key, version, value, expiresAt) => store.swap(at(key), version, value, expiresAt),
    consume: (partition, charges) => store.consume(within(partition), charges),
  }
  return atomic
}
