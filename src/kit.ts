import type { Context, Env } from 'hono'
import type { Address } from './address.ts'
import { type EventLevel, type EventSign, type EventType, eventText, type SecurityEvent } from './event.ts'
import type { Exchange } from './exchange.ts'
import type { HeaderRules } from './header-rules.ts'
import type { KitBase } from './kit-base.ts'
import { Lifecycle } from './lifecycle.ts'
import type { Principal } from './principal.ts'
import { Problem, type Refusal, renderProblem } from './problem.ts'
import { SetupError } from './setup-error.ts'
import { type AtomicStore, StoreOutage } from './store/contract.ts'

/** What a layer says when something happened; the kit adds the request. */
export interface EventInput {
  readonly type: EventType
  readonly level: EventLevel
  readonly reason?: string
  readonly resource?: string
}

/** What one quota decided in this request. */
export interface LimitState {
  /** Its name, as in the limit fields. */
  readonly policy: string
  readonly quota: number
  readonly periodSeconds: number
  /** Units that could be spent at once now. */
  readonly remaining: number
  /** Until it is whole again, ms. */
  readonly resetAfterMs: number
  /** Until this request would pass it, ms; 0 if it does, null if it never can. */
  readonly retryAfterMs: number | null
  /**
   * Which share of the quota this is, in base64: requests of one share count together (`pk` of the limit fields). Null
   * where all share it.
   */
  readonly partitionKey: string | null
  /** Whether nobody is refused for it, and no client told. */
  readonly isDryRun: boolean
}

/** What clients are told of a policy and one share of it. */
export interface PolicyItem {
  /** `RateLimit-Policy`, of this one alone. */
  readonly policy: readonly [name: string, value: string]
  readonly quota: string
  /** Whether clients are told in `X-RateLimit-*`, too. */
  readonly legacyFields: boolean
  /** The item of `RateLimit`. */
  state(remaining: string, resetSeconds: number): string
}

/** What events say of the caller. */
interface Caller {
  readonly origin: string | null
  readonly userAgent: string | null
}

/** Hono's variables behind the layers of this package. */
export interface KitEnv extends Env {
  Variables: { security: Kit }
}

/** The kit of one request, on `c.var.security`: the request as schemes see it, and what goes out with the response. */
export class Kit implements Exchange {
  /** What the whole app shares. */
  readonly base: KitBase
  readonly method: string
  /** The path as Hono routes it. */
  readonly path: string
  /** Whether the body was read within the cap. */
  bodyIsCapped = false
  /** Set by `authenticate()`, for limits and events. */
  principal: Principal | null
  readonly #c: Context
  readonly #outer: Kit | undefined
  readonly #request: Request
  readonly #requestHeaders: Headers
  readonly #headerRules: HeaderRules[]
  readonly #limits: LimitState[] = []
  readonly #policyItems: PolicyItem[] = []
  readonly #findAddress: ((c: Context) => Address) | undefined
  #url: string | undefined
  #lifecycle: Lifecycle | undefined
  #address: Address | undefined
  #caller: Caller | undefined
  #now: number | undefined
  #handedOn = false

  /** @param findAddress who the client is; the platform's word unless told */
  constructor(base: KitBase, c: Context, findAddress?: (c: Context) => Address) {
    const outer: Kit | undefined = c.get('security')
    this.#c = c
    this.#outer = outer
    this.base = base
    this.method = c.req.method
    this.path = c.req.path
    this.principal = outer?.principal ?? null
    const { raw } = c.req
    this.#request = raw
    this.#requestHeaders = raw.headers
    this.#findAddress = findAddress
    this.#headerRules = [base.headerRules]
    outer?.respond(base.headerRules)
  }

  /** How the request goes on behind a layer that let it through. */
  get lifecycle(): Lifecycle {
    this.#lifecycle ??= new Lifecycle(this.#outer?.lifecycle, this)
    return this.#lifecycle
  }

  /** What is done to the headers of the answer. */
  get headerRules(): readonly HeaderRules[] {
    return this.#headerRules
  }

  /** Has headers written when the response leaves. */
  respond(rules: HeaderRules): void {
    this.#headerRules.push(rules)
    // The outer kit writes last: what stands nearer to the handler must be its last word.
    this.#outer?.respond(rules)
  }

  /** What the limiters before the handler decided, in their order. */
  get limits(): readonly LimitState[] {
    return this.#outer ? this.#outer.limits : this.#limits
  }

  /** What clients are told of {@link limits}, one for each. */
  get policyItems(): readonly PolicyItem[] {
    return this.#outer ? this.#outer.policyItems : this.#policyItems
  }

  /** Notes what a limiter decided. */
  addLimit(state: LimitState, item: PolicyItem): void {
    if (this.#outer) {
      this.#outer.addLimit(state, item)
      return
    }
    this.#limits.push(state)
    this.#policyItems.push(item)
  }

  /** The instant of this request, read once: ms since the epoch. */
  get now(): number {
    this.#now ??= this.base.clock.now()
    return this.#now
  }

  /** `http:` or `https:`, as the request's URL has it. */
  get scheme(): string {
    return this.url.slice(0, this.url.indexOf('://') + 1)
  }

  /** The request's URL, as the runtime gives it. */
  get url(): string {
    this.#url ??= this.#request.url
    return this.#url
  }

  /** The host and port that URL and `Host` agree on, null when they do not. */
  get authority(): string | null {
    return this.base.authorities.of(this.url, this.header('host'))
  }

  header(name: string): string | null {
    return this.#requestHeaders.get(name)
  }

  /** Who the client is on the network, found out once: ask early, as a runtime forgets the peer of a broken connection. */
  address(): Address {
    this.#address ??= this.#readAddress()
    return this.#address
  }

  #readAddress(): Address {
    if (this.#findAddress) return this.#findAddress(this.#c)
    // An outer kit saw the original request, which alone has a peer on Bun.
    return this.#outer?.address() ?? this.base.platform.address(this.#c)
  }

  /** Aborts when the client goes away; null where the runtime does not say. */
  get abortSignal(): AbortSignal | null {
    return this.base.platform.signalsAbort ? this.signal : null
  }

  /** The request's own signal, whatever the runtime tells by it. */
  get signal(): AbortSignal {
    return this.#request.signal
  }

  sha256(text: string): string {
    return this.base.platform.sha256(text)
  }

  equal(a: string, b: string): boolean {
    return this.base.platform.equal(a, b)
  }

  /** The app's store, or the layer's own. @throws {SetupError} naming both ways to give one. */
  store(owner: string, own?: AtomicStore): AtomicStore {
    if (own) this.base.watch(own)
    const store = own ?? this.base.store
    if (store) return store
    throw new SetupError(`${owner}: store is missing. Give security() or ${owner} one, such as store: memoryStore().`)
  }

  /** The names of the request's headers, lower case. */
  headerNames(): readonly string[] {
    return [...this.#requestHeaders.keys()]
  }

  /** Records that something happened. */
  emit(event: EventInput): void {
    if (!this.base.events.takes(event.level)) return
    const { type, level, reason = '', resource = '' } = event
    const at = this.base.clock.now()
    const { method, path, principal } = this
    const key = principal === null ? undefined : principal.key
    const sign: EventSign = { type, reason, resource, address: this.#addressText(), principal: key, method, path }
    if (this.base.events.repeats(sign, at)) return
    const { origin, userAgent } = this.caller()
    const made: SecurityEvent = {
      type,
      level,
      at,
      method: eventText(this.method),
      path: eventText(this.path),
      address: this.#addressText(),
      principal: this.principal ? eventText(this.principal.key) : null,
      reason: event.reason === undefined ? null : eventText(event.reason),
      resource: event.resource === undefined ? null : eventText(event.resource),
      origin,
      userAgent,
      count: 1,
    }
    this.base.events.push(made, sign)
    // Said while an answer still streams: nobody else would hand it on.
    if (this.#handedOn) this.handOn()
  }

  /** What events say of the caller, read once: ask early, as Deno closes a request that became a WebSocket. */
  caller(): Caller {
    this.#caller ??= this.#readCaller()
    return this.#caller
  }

  /** Hands the events to the sinks, now and from now on. */
  handOn(): void {
    this.#handedOn = true
    const { events, platform } = this.base
    if (events.waiting) platform.defer(this.#c, events.flush())
  }

  /** The Response of a refusal. A format that throws is a fault of its own, and the standard shape is sent. */
  refuse(refusal: Refusal): Response {
    const { formatProblem, platform } = this.base
    const headersOf = (response: Response) => platform.headerTable?.(response) ?? response.headers
    try {
      // Where they are filled in on the way out, they are better given.
      return renderProblem(refusal, formatProblem, platform.withHeaders ? undefined : headersOf)
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

  #readCaller(): Caller {
    try {
      const origin = this.header('origin')
      const userAgent = this.header('user-agent')
      return {
        origin: origin === null ? null : eventText(origin),
        userAgent: userAgent === null ? null : eventText(userAgent),
      }
    } catch {
      // An event is said all the same.
      return { origin: null, userAgent: null }
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
      this.emit({ type: 'store.outage', level: 'error', reason: causeOf(error) })
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
    this.emit({
      type: 'fault',
      level: 'error',
      reason: error instanceof Error ? error.name : 'thrown',
      ...(error instanceof SetupError && { resource: error.message }),
    })
    return new Problem({ code: 'internal', detail: 'The server failed to handle this request.' }, { cause: error })
  }
}

function causeOf(error: StoreOutage): string {
  const { cause } = error
  const code = (cause as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : cause instanceof Error ? cause.name : 'unavailable'
}
