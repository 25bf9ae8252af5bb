import type { Clock } from '../clock.ts'
import type { Lease } from './lease.ts'

/** Why a lease could not be kept: another holds the slot, or the store did not answer until the lease ended. */
export type LeaseLoss = 'lost' | 'outage'

/** What {@link keepLease} is told. */
export interface LeaseWatcher {
  readonly clock: Clock
  /** Each renewal holds the slot for so long; the next comes after a third of it. */
  readonly leaseMs: number
  /** The slot is held anew. */
  onRenewal?(): void
  /** A renewal failed; it is tried again until the lease ends. */
  onFailure(error: unknown): void
  /** Told once: the slot is no longer held. */
  onLoss(why: LeaseLoss): void
}

/** Of a store that does not say how long it may take to answer, ms. */
const ANSWER_MS = 250
/** For what stands between an answer and who waits for it, ms. */
const MARGIN_MS = 50

/**
 * Renews a lease until it is told to stop, by one timer at a time. A store that hangs past the lease's end loses it. A lease
 * that ended unawares, as the clock was set forward or the process slept, is lost only if it cannot be renewed.
 *
 * @returns stops it, for good
 */
export function keepLease(lease: Lease, watcher: LeaseWatcher): () => void {
  const { clock, leaseMs } = watcher
  const graceMs = (lease.deadlineMs ?? ANSWER_MS) + MARGIN_MS
  let stopped = false
  let renewal: ReturnType<typeof setTimeout> | undefined
  let ending: ReturnType<typeof setTimeout> | undefined
  const stop = (): void => {
    stopped = true
    if (renewal !== undefined) clearTimeout(renewal)
    if (ending !== undefined) clearTimeout(ending)
  }
  const lose = (why: LeaseLoss): void => {
    if (stopped) return
    stop()
    watcher.onLoss(why)
  }
  const renewIn = (ms: number): void => {
    renewal = setTimeout(() => void renew(), ms)
  }
  const renew = async (): Promise<void> => {
    ending ??= setTimeout(() => lose('outage'), Math.max(graceMs, lease.expiresAt - clock.now()))
    try {
      const kept = await lease.renew(leaseMs)
      if (stopped) return
      if (!kept) return lose('lost')
      clearTimeout(ending)
      ending = undefined
      renewIn(leaseMs / 3)
      watcher.onRenewal?.()
    } catch (error) {
      if (stopped) return
      renewIn(leaseMs / 12)
      watcher.onFailure(error)
    }
  }
  renewIn(Math.max(0, lease.expiresAt - clock.now()) / 3)
  return stop
}
