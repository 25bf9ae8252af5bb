import type { Env, MiddlewareHandler } from 'hono'
import { answerEnd } from '../answer-end.ts'
import type { Kit } from '../kit.ts'
import type { KitOptions } from '../kit-base.ts'
import { type Context, layer } from '../layer.ts'
import { seconds } from './fields.ts'
import { KeyedQueue, type Place } from './queue.ts'
import { type CountedBy, checkCountedBy, checkIpv6Prefix, subjectOf } from './subject.ts'

/** What {@link queue} takes besides the parts of a kit. */
export interface QueueOptions extends KitOptions {
  /** Requests of one key that run at once, a whole number of at least 1. */
  readonly maxRunning: number
  /** Requests of one key that wait for a place, a whole number of at least 0. 20 unless told. */
  readonly maxWaiting?: number
  /** How long one waits at most, in seconds, up to 3600. 5 unless told. */
  readonly maxWaitSeconds?: number
  /**
   * Whose places they are: one of {@link CountedBy}, or a list. A function that reads a parameter of the path must stand at
   * the route itself, where Hono knows the parameter.
   */
  readonly by: CountedBy | readonly CountedBy[]
  /** Bits of an IPv6 address that count as one client. 64 unless told. */
  readonly ipv6Prefix?: number
}

/** On a runtime that may kill a request, one that did not end is taken for dead after this time. */
const KILLED_AFTER_MS = 60_000
const LONGEST_RETRY_SECONDS = 3600

/**
 * Runs at most so many requests of one key at once; others wait their turn, first come, first served, for a bounded time in
 * a bounded line. Who finds the line full, or waits too long, gets 503 with `Retry-After`: how long the line would take by
 * what runs of this key took of late. One key's flood holds up no other key. A client that goes away leaves the line, and so
 * does a request that was answered meanwhile, by a time-out before this layer: its handler never runs. One `queue()` that a
 * request meets twice gives it one place.
 *
 * A place is given back when the last byte of the answer was taken, the client broke off and the handler is done, an upgrade
 * (101) was answered, or nobody began to read the answer for a minute. It bounds answers, not work in the background: what a
 * handler does after its answer (the callback of `stream()` whose client is gone, what goes on behind a time-out) runs on
 * without a place unless it heeds `c.req.raw.signal` or `stream.onAbort()`. A handler that never answers keeps its place, and so
 * does a client that reads slowly: let nobody take the places of a key that is not theirs, and put it after `authenticate()`.
 *
 * It counts in this process alone. On Workers that is one isolate, where no request may wait for another: who finds all places
 * taken is refused at once. There a request counts for a minute at most, as the runtime may have killed it; that a
 * client broke off is told there only with the compatibility flag `enable_request_signal`.
 *
 * @throws {RangeError | TypeError} at start, naming the setting that is wrong.
 *
 * @example
 * api.post('/agents/:id/messages', queue({ maxRunning: 4, maxWaiting: 20, maxWaitSeconds: 5, by: (c) => c.req.param('id') ?? null }), handler)
 */
export function queue(options: QueueOptions): MiddlewareHandler<Env> {
  const { maxRunning, maxWaiting = 20, maxWaitSeconds = 5, ipv6Prefix = 64 } = options
  if (!Number.isSafeInteger(maxRunning) || maxRunning < 1) {
    throw new RangeError('queue(): maxRunning must be a whole number of at least 1.')
  }
  if (!Number.isSafeInteger(maxWaiting) || maxWaiting < 0) {
    throw new RangeError('queue(): maxWaiting must be a whole number of at least 0.')
  }
  if (!(typeof maxWaitSeconds === 'number' && maxWaitSeconds > 0 && maxWaitSeconds <= 3600)) {
    throw new RangeError('queue(): maxWaitSeconds must be above 0 and at most 3600.')
  }
  checkIpv6Prefix('queue()', ipv6Prefix)
  const by = checkCountedBy('queue()', options.by)
  let places: KeyedQueue | null = null
  const placed = new WeakSet<Context>()
  return layer('queue()', options, (kit, c) => {
    const { clock, platform } = kit.base
    if (placed.has(c)) return undefined
    places ??= new KeyedQueue(maxRunning, maxWaiting, platform.sharesRequests ? undefined : KILLED_AFTER_MS)
    const { partition, within } = subjectOf('queue()', kit, c, by, ipv6Prefix)
    const key = JSON.stringify([partition, within])
    const run = (place: Place): undefined => {
      placed.add(c)
      leaveAtEnd(kit, c, places!, place)
    }
    const place = places.enter(key, clock.now())
    if (place !== null) return run(place)
    if (!platform.sharesRequests) return refuse(kit, places, key, 'queue_full')
    return waitForPlace(kit, places, key, maxWaitSeconds * 1000, run)
  })
}

/** Gives the place back at the end of the request. */
function leaveAtEnd(kit: Kit, c: Context, places: KeyedQueue, place: Place): void {
  const leave = (): void => places.leave(place, kit.base.clock.now())
  // An upgrade tells no end.
  kit.lifecycle.onAnswer(() => {
    if (c.res.status === 101) leave()
  })
  answerEnd(kit, c).onEnd(leave)
}

function waitForPlace(
  kit: Kit,
  places: KeyedQueue,
  key: string,
  maxWaitMs: number,
  run: (place: Place) => undefined,
): Response | Promise<Response | undefined> {
  const { signal } = kit
  const end = Promise.withResolvers<Place | 'late' | 'gone'>()
  const waiter = places.wait(key, end.resolve)
  if (waiter === null) return refuse(kit, places, key, 'queue_full')
  // Out of the line in that same instant: a place that came later would be nobody's.
  const late = (): void => {
    if (places.giveUp(waiter)) end.resolve('late')
  }
  const gone = (): void => {
    if (places.giveUp(waiter)) end.resolve('gone')
  }
  return waiting()

  async function waiting(): Promise<Response | undefined> {
    const timer = setTimeout(late, maxWaitMs)
    kit.lifecycle.waits(true)
    try {
      signal.addEventListener('abort', gone)
      if (signal.aborted) gone()
      // Such as by a time-out that stands before: the answer is another's by now.
      kit.lifecycle.onAnswer(gone)
      const place = await end.promise
      if (typeof place === 'string') return refuse(kit, places, key, place === 'late' ? 'queue_timeout' : null)
      return run(place)
    } finally {
      kit.lifecycle.waits(false)
      clearTimeout(timer)
      signal.removeEventListener('abort', gone)
    }
  }
}

/** @param reason what the event says, null for none: nobody was refused who is still there */
function refuse(kit: Kit, places: KeyedQueue, key: string, reason: 'queue_full' | 'queue_timeout' | null): Response {
  if (reason !== null) kit.emit({ type: 'limit.overloaded', level: 'warn', reason })
  const wait = Math.min(LONGEST_RETRY_SECONDS, Math.max(1, seconds(places.waitMs(key, kit.base.clock.now()))))
  return kit.refuse({
    code: 'limit.overloaded',
    detail: `Too many requests of this kind run or wait. Try again in ${wait} s.`,
    headers: { 'retry-after': String(wait) },
  })
}
