import type { AtomicStore } from '../store/contract.ts'
import type { Lock, Seen } from './lock.ts'

/** What became of an attempt. `began` says whether it began a lock. */
export type Tried =
  | { readonly type: 'counted'; readonly began: boolean; readonly seen: Seen }
  | { readonly type: 'locked'; readonly began: boolean; readonly lockedMs: number }

/**
 * Counts an attempt before anything is checked, so that of any number at once no more than the lock allows are checked. The
 * last that may fail begins the lock: a process that ends while it checks leaves it locked.
 */
export async function tryOnce(store: AtomicStore, partition: string, lock: Lock): Promise<Tried> {
  const decision = await store.consume(partition, lock.count)
  const counted = decision.admitted === true
  const seen = lock.read(decision)
  if (seen.lockedMs > 0) {
    if (counted) await store.consume(partition, lock.giveBack)
    return { type: 'locked', began: false, lockedMs: seen.lockedMs }
  }
  if (counted && seen.left > 0) return { type: 'counted', began: false, seen }
  // The last that may fail; or one too many, where the lock is only about to begin, or was lost with a process.
  const beginning = await store.consume(partition, lock.begin(seen))
  const began = beginning.admitted === true
  const { lockedMs } = lock.read(beginning)
  if (counted && lockedMs > 0) return { type: 'counted', began, seen }
  return { type: 'locked', began, lockedMs }
}

/**
 * Takes an attempt for a success: it counts no more, nor do the failures before, nor stands a lock that they began. Only how
 * long the next lock will stand is left to time.
 */
export async function forgive(
  store: AtomicStore,
  partition: string,
  lock: Lock,
  { began, seen }: Tried & { readonly type: 'counted' },
): Promise<void> {
  const pardons = seen.counted > 1
  if (!pardons && seen.left > 0) {
    await store.consume(partition, lock.giveBack)
    return
  }
  const forgiven = await store.consume(partition, lock.forgive({ raised: began && seen.rises, pardons }))
  if (forgiven.admitted !== true && !began) await store.consume(partition, lock.giveBack)
}
