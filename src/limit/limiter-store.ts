import type { Clock } from '../clock.ts'
import type { AtomicStore } from '../store/contract.ts'
import { withDeadline } from '../store/deadline.ts'
import { type RememberingStore, rememberDenials } from '../store/denials.ts'

/** One for each store, so that what one limiter gives back is seen by every other. */
const byStore = new WeakMap<AtomicStore, RememberingStore>()

/**
 * A store as limiters ask it: a client that is refused is asked about at most once in 5 s until it may try again, and no
 * call hangs, whatever the store.
 *
 * @param clock counts down what was denied
 */
export function limiterStore(store: AtomicStore, clock?: Clock): RememberingStore {
  const known = byStore.get(store)
  if (known !== undefined) return known
  const bounded = store.deadlineMs === undefined ? withDeadline(store) : store
  const made = rememberDenials(bounded, clock === undefined ? {} : { clock })
  if (clock !== undefined) byStore.set(store, made)
  return made
}
