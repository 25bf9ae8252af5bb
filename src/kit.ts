import type { Context, Env, MiddlewareHandler, Next } from 'hono'
import type { Address } from './address.ts'
import { type Clock, systemClock } from './clock.ts'
import { type EventLevel, EventQueue, type EventType, eventText, lineSink, type Sink } from './event.ts'
import type { Exchange } from './exchange.ts'
import { requestAuthority } from './fields.ts'
import type { Platform } from './platform.ts'
import type { Principal } from './principal.ts'
import { Problem, type ProblemFormat, type Refusal, renderProblem } from './problem.ts'
import { type AtomicStore, isPending, StoreOutage } from './store/contract.ts'

/** `production` is the default everywhere; `development` allows what its options name, and nothing by itself. */
export type Mode = 'production' | 'development'

/**
 * The parts that layers share. `security()` takes them for the whole app; a layer that stands alone takes them itself.
 */
export interface KitOptions {
  /** What the runtime brings: `import { platform } from 'hinoban/node'` (or `/bun`, `/deno`, `/cloudflare`). */
  readonly platform?: Platform
  /** Where exact state lives. An eventually consistent store does not compile here, and throws in plain JavaScript. */
  readonly store?: AtomicStore
  /** `production` unless told. */
  readonly mode?: Mode
  /** The runtime's clock unless told. */
  readonly clock?: Clock
  /** Where events go. One JSON line each on the platform's console, from level `info`, unless told. */
  readonly events?: Sink | readonly Sink[]
  /** Another shape for refusals' bodies; RFC 9457 unless told. */
  readonly formatProblem?: ProblemFormat
}

/** What a layer says when something happened; the kit adds the request. */
export interface EventInput {
  readonly type: EventType
  readonly level: EventLevel
  readonly reason?: string
  readonly resource?: string
}

/** A header that waits for the response. `default` yields to the handler's own value, `append` adds to a list. */
export interface PendingHeader {
  readonly name: string
  readonly value: string
  readonly how: 'set' | 'default' | 'append' | 'remove'
}

/** What one limiter decided in this request. */
export interface LimitState {
  readonly policy: string
  readonly quota: number
  readonly periodSeconds: number
  readonly remaining: number
  readonly resetAfterMs: number
}

/** Hono's variables behind the layers of this package. */
export interface KitEnv extends Env {
  Variables: { security: Kit }
}

/** The kit of one app: made once, when its options are known to be good. */
export class KitBase {
  readonly platform: Platform
  readonly store: AtomicStore | null
  readonly mode: Mode
  readonly clock: Clock
  readonly events: EventQueue
  readonly formatProblem: ProblemFormat | undefined

  /** @throws {TypeError} naming the option that is missing or wrong, and the mend. */
  constructor(owner: string, options: KitOptions) {
    const { platform, store, mode = 'production', clock = systemClock, events, formatProblem } = options
    if (!platform) {
      throw new TypeError(
        `${owner}: platform is missing. Pass the runtime's: import { platform } from 'hinoban/node' (or /bun, /deno, /cloudflare).`,
      )
    }
    if (mode !== 'production' && mode !== 'development') {
      throw new TypeError(`${owner}: mode must be 'production' or 'development'.`)
    }
    this.platform = platform
    this.store = store ? requireAtomic(owner, store) : null
    this.mode = mode
    this.clock = clock
    this.events = new EventQueue(events === undefined ? [lineSink(platform.log)] : [events].flat(), clock)
    this.formatProblem = formatProblem
  }
}

/** The kit of one request, on `c.var.security`: the request as schemes see it, and what goes out with the response. */
export class Kit implements Exchange {
  readonly base: KitBase
  readonly method: string
  readonly path: string
  readonly headers: PendingHeader[] = []
  readonly limits: LimitState[] = []
  /** Set by `authenticate()`, for limits and events. */
  principal: Principal | null = null
  readonly #c: Context
  readonly #request: Request
  readonly #findAddress: ((c: Context) => Address) | undefined
  #address: Address | undefined
  #now: number | undefined

  constructor(base: KitBase, c: Context, findAddress?: (c: Context) => Address) {
    this.base = base
    this.#c = c
    this.#request = c.req.raw
    this.#findAddress = findAddress
    this.method = c.req.method
    this.path = c.req.path
  }

  /** The instant of this request, read once: ms since the epoch. */
  get now(): number {
    this.#now ??= this.base.clock.now()
    return this.#now
  }

  /** `http:` or `https:`, as the request's URL has it. */
  get scheme(): string {
    return this.#request.url.slice(0, this.#request.url.indexOf('://') + 1)
  }

  /** The host and port that URL and `Host` agree on, null when they do not. */
  get authority(): string | null {
    return requestAuthority(this.#request.url, this.header('host'))
  }

  header(name: string): string | null {
    return this.#request.headers.get(name)
  }

  address(): Address {
    this.#address ??= this.#findAddress ? this.#findAddress(this.#c) : this.base.platform.address(this.#c)
    return this.#address
  }

  sha256(text: string): string {
    return this.base.platform.sha256(text)
  }

  equal(a: string, b: string): boolean {
    return this.base.platform.equal(a, b)
  }

  /** The app's store, or the layer's own. @throws {TypeError} naming both ways to give one. */
  store(owner: string, own?: AtomicStore): AtomicStore {
    const store = own ?? this.base.store
    if (store) return store
    throw new TypeError(`${owner}: store is missing. Give security() or ${owner} one, such as store: memoryStore().`)
  }

  /** The names of the request's headers, lower case. */
  headerNames(): readonly string[] {
    return [...this.#request.headers.keys()]
  }

  /** Records that something happened. */
  emit(event: EventInput): void {
    if (!this.base.events.takes(event.level)) return
    const origin = this.header('origin')
    const userAgent = this.header('user-agent')
    this.base.events.push({
      type: event.type,
      level: event.level,
      at: this.now,
      method: eventText(this.method),
      path: eventText(this.path),
      address: this.#addressText(),
      principal: this.principal ? eventText(this.principal.key) : null,
      reason: event.reason === undefined ? null : eventText(event.reason),
      resource: event.resource === undefined ? null : eventText(event.resource),
      origin: origin === null ? null : eventText(origin),
      userAgent: userAgent === null ? null : eventText(userAgent),
      count: 1,
    })
  }

  /** The Response of a refusal. A format that throws is a fault of its own, and the standard shape is sent. */
  refuse(refusal: Refusal): Response {
    try {
      return renderProblem(refusal, this.base.formatProblem)
    } catch (error) {
      this.emit({
        type: 'fault',
        level: 'error',
        reason: 'formatProblem',
        resource: error instanceof Error ? error.name : 'thrown',
      })
      return renderProblem(refusal)
    }
  }

  #addressText(): string {
    try {
      return this.address().ip ?? 'unknown'
    } catch {
      // What could not be found out is a fault where it was needed; the event of that fault must not fail for it.
      return 'unknown'
    }
  }

  /** Records an outage or fault, and makes the Problem to throw for it. */
  fault(error: unknown): Problem {
    if (error instanceof StoreOutage) {
      this.emit({ type: 'store.outage', level: 'error' })
      return new Problem(
        {
          code: 'store.outage',
          detail: 'The server cannot decide this request at the moment. Try again shortly.',
          headers: { 'retry-after': '1' },
        },
        { cause: error },
      )
    }
    if (error instanceof Problem) return error
    this.emit({ type: 'fault', level: 'error', reason: error instanceof Error ? error.name : 'thrown' })
    return new Problem({ code: 'internal', detail: 'The server failed to handle this request.' }, { cause: error })
  }
}

/** What a step of a layer answers: a Response that ends the request, or undefined to go on. */
export type StepAnswer = Response | undefined | PromiseLike<Response | undefined>

/**
 * Makes a middleware of a step. Behind `security()` it uses that kit; without, it makes one of its own options and closes
 * it. An error of the step is a fault: the request ends there, never in the handler.
 *
 * @param owner how messages name the layer, such as `rateLimit()`
 */
export function layer<E extends Env>(
  owner: string,
  options: KitOptions,
  step: (kit: Kit, c: Context) => StepAnswer,
): MiddlewareHandler<E> {
  if (options.store) requireAtomic(owner, options.store)
  const own = options.platform ? new KitBase(owner, options) : null
  const run = (kit: Kit, c: Context, next: Next): unknown => {
    let answer: StepAnswer
    try {
      answer = step(kit, c)
    } catch (error) {
      throw kit.fault(error)
    }
    if (!isPending(answer)) return answer ?? next()
    return answer.then(
      (response): unknown => response ?? next(),
      (error: unknown): never => {
        throw kit.fault(error)
      },
    )
  }
  const handler = (c: Context, next: Next): unknown => {
    const kit: Kit | undefined = c.get('security')
    if (kit) return run(kit, c, next)
    if (!own) throw missingKit(owner)
    const opened = new Kit(own, c)
    c.set('security', opened)
    return closing(opened, c, () => run(opened, c, next))
  }
  // Hono awaits whatever a middleware returns; its type wants a promise, which the quick path does without.
  return handler as MiddlewareHandler<E>
}

/** The kit of a request. @throws {Problem} when no layer stands before. */
export function kitOf(c: Context, owner: string): Kit {
  const kit: Kit | undefined = c.get('security')
  if (!kit) throw missingKit(owner)
  return kit
}

/**
 * Records an event from a handler.
 *
 * @throws {Problem} when no layer of this package stands before.
 *
 * @example
 * emit(c, { type: 'credential.stored', level: 'info', resource: name })
 */
export function emit(c: Context, event: EventInput): void {
  kitOf(c, 'emit()').emit(event)
}

/**
 * Runs the rest of a request, then closes its kit: whatever was answered or thrown, the headers are written and the
 * events handed on.
 */
export async function closing(kit: Kit, c: Context, rest: () => unknown): Promise<Response | undefined> {
  try {
    const answer = await rest()
    if (isResponse(answer) && !c.finalized) c.res = answer
    if (!c.finalized || !isResponse(c.res))
      replaceResponse(c, kit.refuse({ code: 'internal', detail: 'The handler gave no response.' }))
  } catch (error) {
    // Hono catches an Error where it is thrown; what comes here is a step's own fault, or no Error at all.
    const problem = kit.fault(error)
    c.error = problem
    replaceResponse(c, kit.refuse(problem.refusal))
  }
  // A Problem renders itself in the standard shape; what an app's own onError answered is left alone.
  if (
    c.error instanceof Problem &&
    kit.base.formatProblem &&
    c.res.headers.get('content-type') === 'application/problem+json'
  ) {
    replaceResponse(c, kit.refuse(c.error.refusal))
  }
  writeHeaders(c, kit.headers)
  // Started before the answer leaves, so that a synchronous store holds the events by then; awaited by nobody.
  if (kit.base.events.waiting) kit.base.platform.defer(c, kit.base.events.flush())
  return undefined
}

/** Puts a response in the place of another, none of whose headers survive. */
export function replaceResponse(c: Context, response: Response): void {
  c.res = undefined
  c.res = response
}

/** Whether a value is a Response of any realm: on Node a fetched one is no instance of the global class. */
export function isResponse(value: unknown): value is Response {
  return (
    typeof value === 'object' && value !== null && typeof (value as Response).status === 'number' && 'headers' in value
  )
}

function writeHeaders(c: Context, headers: readonly PendingHeader[]): void {
  const { status } = c.res
  if (status === 101 || status === 0) return
  try {
    for (const header of headers) write(c.res.headers, header)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    // A fetched or redirecting response has immutable headers: copy it once.
    replaceResponse(c, new Response(c.res.body, c.res))
    for (const header of headers) write(c.res.headers, header)
  }
}

function write(headers: Headers, { name, value, how }: PendingHeader): void {
  if (how === 'set') headers.set(name, value)
  else if (how === 'remove') headers.delete(name)
  else if (how === 'append') appendToken(headers, name, value)
  else if (!headers.has(name)) headers.set(name, value)
}

/** Adds a token to a list header such as `Vary`, unless it stands there. */
function appendToken(headers: Headers, name: string, token: string): void {
  const present = headers.get(name)
  const tokens = present?.split(',').map((one) => one.trim().toLowerCase()) ?? []
  if (!tokens.includes(token.toLowerCase()) && !tokens.includes('*'))
    headers.set(name, present ? `${present}, ${token}` : token)
}

/** @throws {TypeError} for a store that may answer with old state, where exactness is promised. */
function requireAtomic(owner: string, store: AtomicStore): AtomicStore {
  if (store.consistency === 'atomic') return store
  throw new TypeError(
    `${owner}: store is eventually consistent, so limits and single use could not be exact. Use an AtomicStore: memoryStore(), sqliteStore() or durableObjectStore().`,
  )
}

function missingKit(owner: string): Problem {
  const cause = new TypeError(
    `${owner} found no kit. Put app.use(security({ platform, store })) before it, or give ${owner} the options platform and store itself.`,
  )
  return new Problem({ code: 'internal', detail: 'The server is not set up to handle this request.' }, { cause })
}
