import type { Env, MiddlewareHandler } from 'hono'
import type { Clock } from '../clock.ts'
import type { KitBase, KitOptions } from '../kit-base.ts'
import { type Context, layer } from '../layer.ts'
import { AdaptiveLimit, type Answered } from './adaptive.ts'
import { routeOf } from './route.ts'

/** What {@link shedLoad} takes besides the parts of a kit. */
export interface ShedLoadOptions extends KitOptions {
  /**
   * Whether a request is still served when others are refused; asked only then. Nothing but `true` says so. It must be
   * quick, and let no stranger choose the answer. Nobody unless told.
   */
  readonly privileged?: (c: Context) => boolean
}

/** Retry-After goes round in so many seconds, so that those who were refused together do not return together. */
const SPREAD_SECONDS = 3

/**
 * Refuses with 503 and `Retry-After` what an overloaded server cannot serve in good time, so that it serves the rest at its full
 * speed. There is nothing to tune. Without evidence of overload nobody is refused, however many requests are in. Evidence is:
 *
 * - The server computes all the time: turns of its event loop take 15 ms or more, one after the other, with several requests in each.
 * - A line grows: requests take over twice what their route usually does, and for a while more come than are answered.
 *
 * Then as many are let in at once as keep both within bounds, found by measuring. The limit goes when nobody was refused for a
 * second, and when it makes nothing quicker. What stands before this layer, such as `/health`, is never refused. The privileged have
 * as many places again, and so are the last to go.
 *
 * A request counts from this layer until its Response is known, not until the end of a stream, nor while it waits in the line of
 * a `queue()`: how long a model talks says nothing about load. On Node, Bun and Deno it counts until the event loop has turned,
 * so that handlers that compute without a pause count as well.
 *
 * It does not see overload when nothing is answered at all, in the first moments (until a few dozen requests are measured), where fewer than two
 * requests a second are answered, or where as many are answered as come, however slowly. What another server behind this one
 * does too slowly may look like a line for some seconds. It measures for this process alone, on Workers for one isolate, where
 * computing takes no time that can be measured. A refusal costs what it takes to read the request and to write a problem: a server that answers in less is
 * not helped. What waits by design, such as a long poll, belongs before it. Place it early, but after `identify()` or
 * `authenticate()` if `privileged` reads the principal. A `privileged` that throws is a fault event, and the request is not privileged.
 *
 * @throws {TypeError} at start, naming the setting that is wrong.
 *
 * @example
 * app.get('/health', (c) => c.text('ok'))
 * app.use(shedLoad({ privileged: (c) => c.var.principal?.scopes.includes('ops') === true }))
 */
export function shedLoad(options: ShedLoadOptions = {}): MiddlewareHandler<Env> {
  const { privileged = nobody } = options
  if (typeof privileged !== 'function') throw new TypeError('shedLoad(): privileged must be a function.')
  let turns: Turns | null = null
  let refused = 0
  return layer('shedLoad()', options, (kit, c) => {
    turns ??= new Turns(kit.base)
    const { limit } = turns
    const isPrivileged = (): boolean => {
      try {
        return privileged(c) === true
      } catch (error) {
        kit.fault(error)
        return false
      }
    }
    const entered = limit.enter(turns.now(), isPrivileged)
    if (entered !== null) {
      const current = turns
      let admission = entered
      kit.lifecycle.onWait((waits) => {
        if (waits) limit.pause(admission)
        else admission = limit.resume(current.now())
      })
      kit.lifecycle.onAnswer(() => {
        // A refusal is quick and an error may be: each is compared with its like.
        current.leave({ admission, kind: `${Math.trunc(c.res.status / 100)} ${routeOf(c)}` })
      })
      return undefined
    }
    kit.emit({ type: 'limit.overloaded', level: 'warn', reason: 'shed' })
    refused += 1
    return kit.refuse({
      code: 'limit.overloaded',
      detail: 'The server has as much to do as it can. Try again shortly.',
      headers: { 'retry-after': String(1 + (refused % SPREAD_SECONDS)) },
    })
  })
}

/** After this long a turn is taken for two, ms. */
const LONGEST_TURN_MS = 100

/**
 * Has requests leave together when the event loop turns: a server that computes answers one after the other all that came
 * meanwhile, and each of them took, and was in, for that whole time. Where no request may outlive its answer they leave at once.
 */
class Turns {
  readonly limit: AdaptiveLimit
  readonly #clock: Clock
  readonly #canTell: boolean
  #answered: Answered[] = []
  #since: number | null = null

  constructor({ clock, platform }: KitBase) {
    this.#clock = clock
    this.#canTell = platform.sharesRequests
    this.limit = new AdaptiveLimit()
  }

  /** Begins a turn, unless one has begun. */
  now(): number {
    const now = this.#clock.now()
    if (!this.#canTell) return now
    // Bun's loop gets to no timer while requests keep coming: such a turn ends here.
    if (this.#since !== null && now - this.#since >= LONGEST_TURN_MS) this.#end(this.#since)
    if (this.#since !== null) return now
    this.#since = now
    // One timer for all of a turn. Nothing can cancel it, and nothing needs to: it is due at once.
    setTimeout(() => {
      if (this.#since === now) this.#end(now)
    }, 0)
    return now
  }

  leave(answered: Answered): void {
    const now = this.now()
    if (this.#canTell) this.#answered.push(answered)
    else this.limit.leave([answered], now)
  }

  #end(since: number): void {
    const answered = this.#answered
    const now = this.#clock.now()
    this.#answered = []
    this.#since = null
    this.limit.leave(answered, now, Math.max(0, now - since))
  }
}

function nobody(): boolean {
  return false
}
