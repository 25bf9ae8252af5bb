import type { Env, MiddlewareHandler } from 'hono'
import type { Clock } from '../clock.ts'
import type { KitBase, KitOptions } from '../kit.ts'
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
 * Refuses with 503 and `Retry-After` what a server cannot serve in good time, so that it serves the rest at its full speed.
 * How much that is, it finds by measuring: as many requests are let in at once as are answered in less than one and a half
 * times what their route usually takes, while the event loop turns in less than 15 ms. There is nothing to tune. What stands
 * before it, such as `/health`, is never refused. The privileged have as many places again, and so are the last to go.
 *
 * A request counts from this layer until its Response is known, not until the end of a stream: how long a model talks says
 * nothing about load; `queue()` bounds that. On Node, Bun and Deno it counts until the event loop has turned, so that
 * handlers that compute without a pause count as well. What was not answered after a minute no longer counts.
 *
 * It measures for this process alone, on Workers for one isolate, where computing takes no time that can be measured. A
 * refusal costs what it takes to read the request and to write a problem: a server that answers in less is not
 * helped. What waits by design, such as a long poll, belongs before it. Place it early, but after `identify()` or `authenticate()` if
 * `privileged` reads the principal.
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
    const admission = limit.enter(turns.now(), () => privileged(c) === true)
    if (admission !== null) {
      const current = turns
      kit.onAnswer(() => {
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
    if (this.#since !== null || !this.#canTell) return now
    this.#since = now
    // One timer for all of a turn. Nothing can cancel it, and nothing needs to: it is due at once.
    setTimeout(() => this.#end(now), 0)
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
