import type { Clock } from '../clock.ts'
import type { AtomicStore } from '../store/contract.ts'
import { withDeadline } from '../store/deadline.ts'
import { type RememberingStore, rememberDenials } from '../store/denials.ts'

/** One for each store: what one limiter gives back, or sees failing, is known to every other. */
const bounded = new WeakMap<AtomicStore, AtomicStore>()
const remembering = new WeakMap<AtomicStore, RememberingStore>()

/** A store none of whose calls hangs, whatever the store: its own word for it, or a deadline of 250 ms. */
export function boundedStore(store: AtomicStore): AtomicStore {
  if (store.deadlineMs !== undefined) return store
  const known = bounded.get(store)
  if (known !== undefined) return known
  const made = withDeadline(store)
  bounded.set(store, made)
  return made
}

/**
 * A store as limiters ask it: bounded, and a client that is refused is asked about at most once in 5 s until it may try
 * again.
 *
 * @param clock counts down what was denied
 */
export function limiterStore(store: AtomicStore, clock: Clock): RememberingStore {
  const known = remembering.get(store)
  if (known !== undefined) return known
  const made = rememberDenials(boundedStore(store), { clock })
  remembering.set(store, made)
  return made
}
