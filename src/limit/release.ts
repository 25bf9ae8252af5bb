import type { Kit } from '../kit.ts'
import type { Context } from '../layer.ts'
import { isPending } from '../store/contract.ts'
import type { Lease } from './lease.ts'

/** Gives a slot back, after the answer where the store takes its time. What fails there ends with the lease. */
export function releaseLater(kit: Kit, c: Context, lease: Lease): void {
  try {
    const released = lease.release()
    if (!isPending(released)) return
    const settled = Promise.resolve(released).catch((error: unknown) => void kit.fault(error))
    kit.base.platform.defer(c, settled)
  } catch (error) {
    kit.fault(error)
  }
}
