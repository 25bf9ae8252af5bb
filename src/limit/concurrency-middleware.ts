import type { Env, MiddlewareHandler } from 'hono'
import { answerEnd } from '../answer-end.ts'
import type { Kit } from '../kit.ts'
import type { KitOptions } from '../kit-base.ts'
import { type Context, layer } from '../layer.ts'
import { isPending } from '../store/contract.ts'
import { ClockCheck, type Lease, slotPartition, takeSlot } from './lease.ts'
import { keepLease } from './lease-keeper.ts'
import { boundedStore } from './limiter-store.ts'
import { releaseLater } from './release.ts'
import { checkSlots, type SlotOptions } from './slot-options.ts'
import { subjectOf } from './subject.ts'

/** What {@link concurrency} takes besides the parts of a kit. */
export interface ConcurrencyOptions extends KitOptions, SlotOptions {
  /** Requests that may run at once, 1 to 1,000. */
  readonly limit: number
  /** What is held, in the store and in events. Limiters of one name and one limit share their slots. */
  readonly name: string
}

/**
 * Limits how many requests of one caller run at once, in all processes of the store: a request holds a slot from here
 * until the last byte of its answer was taken, the client broke off, or the answer broke. When all are taken it gets 429
 * `limit.busy`; when the store fails, 503. Of any number that come at once exactly `limit` run.
 *
 * A slot is a lease of `leaseSeconds`, renewed while the request runs: what a crashed process held is free again when its
 * leases end. A lease that cannot be renewed until it ends, because the store fails or another took the slot, ends the
 * request too: its answer is broken off, whether its body is being sent or only begins then, with a `limit.degraded` event.
 * The handler is not stopped.
 *
 * It bounds answers, not work in the background: a slot is given back when the client is gone, when nobody began to read the
 * answer for a minute, or when a time-out before this layer answered, though the callback of `stream()` or the handler may go
 * on. Let them heed `c.req.raw.signal` or `stream.onAbort()`. A slot that comes after such an answer is given back unused.
 *
 * Leases end by the store's clock and are set by the process's: clocks that differ shift the end
 * by as much, so keep them within a third of `leaseSeconds`.
 *
 * On Workers a client that leaves early is told of only under the compatibility flag `enable_request_signal`; without it the
 * slot is free when its lease ends. That all slots are taken is remembered for 150 ms, unless this process gives one back.
 *
 * An upgrade gives its slot back at once: live WebSockets are limited by `socketLimits()`.
 *
 * @throws {RangeError | TypeError} at start, naming the setting that is wrong.
 *
 * @example
 * const api = new Hono().use(authenticate(keys)).post('/chat', concurrency({ limit: 3, name: 'chats' }), handler)
 */
export function concurrency(options: ConcurrencyOptions): MiddlewareHandler<Env> {
  const owner = 'concurrency()'
  const { limit, name, leaseMs, by, ipv6Prefix } = checkSlots(owner, options)
  const clocks = new ClockCheck()
  return layer(owner, options, (kit, c) => {
    const partition = slotPartition(subjectOf(owner, kit, c, by, ipv6Prefix), limit)
    const store = boundedStore(kit.store(owner, options.store))
    const lease = takeSlot({ store, clock: kit.base.clock, partition, name, limit, clocks }, leaseMs)
    const go = (taken: Lease | null): Response | undefined =>
      taken === null ? refuse(kit, name, limit) : void hold(kit, c, taken, name, leaseMs)
    return isPending(lease) ? lease.then(go) : go(lease)
  })
}

/** Keeps the slot until the request has ended, which may be by now: then it is given back at once. */
function hold(kit: Kit, c: Context, lease: Lease, name: string, leaseMs: number): void {
  const stop = keepLease(lease, {
    clock: kit.base.clock,
    leaseMs,
    onFailure: (error) => void kit.fault(error),
    onLoss(why) {
      kit.emit({ type: 'limit.degraded', level: 'error', reason: `lease_${why}`, resource: name })
      answerEnd(kit, c).breakOff(new Error('The slot of this request could not be kept.'))
    },
  })
  const release = (): void => {
    stop()
    releaseLater(kit, c, lease)
  }
  kit.lifecycle.onAnswer(() => {
    if (c.res.status === 101) release()
  })
  answerEnd(kit, c).onEnd(release)
}

function refuse(kit: Kit, name: string, limit: number): Response {
  kit.emit({ type: 'limit.refused', level: 'warn', reason: 'concurrency', resource: name })
  return kit.refuse({
    code: 'limit.busy',
    detail: `At most ${limit} of these requests are served at once. Try again when one has ended.`,
    headers: { 'retry-after': '1' },
  })
}
