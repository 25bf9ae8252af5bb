import type { Context, Env, MiddlewareHandler, Next } from 'hono'
import { applyRules, type HeaderRules } from './header-rules.ts'
import { type EventInput, Kit } from './kit.ts'
import { KitBase, type KitOptions, requireAtomic } from './kit-base.ts'
import { Problem } from './problem.ts'
import { SetupError } from './setup-error.ts'
import { isPending } from './store/contract.ts'

/** Hono's context, for functions that an app gives us. */
export type { Context } from 'hono'

/** What an authenticated caller is told is for nobody else, whatever a handler or a server that it proxies says. */
const PRIVATE_ANSWER: HeaderRules = [
  ['cdn-cache-control', '', 'remove'],
  ['surrogate-control', '', 'remove'],
  ['cache-control', 'no-store', 'unless-private'],
]

/** What a step of a layer answers: a Response that ends the request, or undefined to go on. */
export type StepAnswer = Response | undefined | PromiseLike<Response | undefined>

/** What a layer does with a request before the next one. */
export type Step = (kit: Kit, c: Context) => StepAnswer

/** The first layer of a chain: it makes the kit, and looks at what the rest left behind. */
export interface Opening {
  open(c: Context): Kit
  /** Called where the rest failed or found nothing. */
  mend?(kit: Kit, c: Context): Promise<void>
}

/** What a middleware of ours is made of, so that several can be one. */
export interface Layer {
  readonly owner: string
  readonly step: Step
  /** How the layer begins where no other stands before; null where one must. */
  readonly opening: Opening | null
  /** Whether it begins a chain of its own behind another one, too. */
  readonly isFirst: boolean
}

const layers = new WeakMap<MiddlewareHandler, Layer>()

/** What a middleware is made of; undefined for one that is not ours. */
export function layerOf(middleware: MiddlewareHandler): Layer | undefined {
  return layers.get(middleware)
}

/**
 * Makes a middleware of a step. Behind `security()` it uses that kit; without, it makes one of its own options and closes
 * it. An error of the step is a fault: the request ends there, never in the handler.
 *
 * @param owner how messages name the layer, such as `rateLimit()`
 */
export function layer<E extends Env>(owner: string, options: KitOptions, step: Step): MiddlewareHandler<E> {
  if (options.store) requireAtomic(owner, options.store)
  const own = options.platform ? new KitBase(owner, options) : null
  return middlewareOf<E>({ owner, step, opening: own && openingOf(own), isFirst: false })
}

/** A middleware that does what a layer says. */
export function middlewareOf<E extends Env>(made: Layer): MiddlewareHandler<E> {
  const { owner, step, opening, isFirst } = made
  const handler = (c: Context, next: Next): unknown => {
    const kit: Kit | undefined = isFirst ? undefined : c.get('security')
    if (kit) return goThrough(step, kit, c, next)
    if (!opening) throw missingKit(owner)
    const opened = opening.open(c)
    c.set('security', opened)
    return closing(opened, c, next, made, opening)
  }
  // Hono awaits whatever a middleware returns; its type wants a promise, which the quick path does without.
  const middleware = handler as MiddlewareHandler<E>
  layers.set(middleware, made)
  return middleware
}

function openingOf(base: KitBase): Opening {
  return {
    open(c) {
      const kit = new Kit(base, c)
      kit.address()
      return kit
    },
  }
}

function goThrough(step: Step, kit: Kit, c: Context, next: Next): unknown {
  let answer: StepAnswer
  try {
    answer = step(kit, c)
  } catch (error) {
    throw kit.fault(error)
  }
  if (!isPending(answer)) return goOn(answer, kit, next)
  return answer.then(
    (settled) => goOn(settled, kit, next),
    (error: unknown): never => {
      throw kit.fault(error)
    },
  )
}

/** A request that was answered meanwhile (a time-out stands before) goes no further: nobody would count its work. */
function goOn(answer: Response | undefined, kit: Kit, next: Next): unknown {
  return answer ?? (kit.lifecycle.isAnswered ? undefined : next())
}

/** The kit of a request. @throws {SetupError} when no layer stands before. */
export function kitOf(c: Context, owner: string): Kit {
  const kit: Kit | undefined = c.get('security')
  if (!kit) throw missingKit(owner)
  return kit
}

/**
 * Has what goes wrong where a handler asks a layer for something answered as in the layer: an outage by 503, whether the
 * handler awaits it or not.
 *
 * @throws {Problem} for whatever `run` throws.
 */
export async function orFault<T>(kit: Kit, run: () => PromiseLike<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw kit.fault(error)
  }
}

/**
 * Records an event from a handler.
 *
 * @throws {SetupError} when no layer of this package stands before.
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
async function closing(
  kit: Kit,
  c: Context,
  next: Next,
  { step }: Layer,
  opening: Opening,
): Promise<Response | undefined> {
  try {
    const answer = await goThrough(step, kit, c, next)
    let status = c.finalized ? statusOf(c.res) : null
    if (opening.mend && (c.error || status === 404)) {
      await opening.mend(kit, c)
      status = c.finalized ? statusOf(c.res) : null
    }
    if (status === null) {
      status = statusOf(answer)
      if (status > 0) c.res = answer as Response
    }
    if (status === 0) replaceResponse(c, kit.refuse({ code: 'internal', detail: 'The handler gave no response.' }))
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
    const dropped = c.res
    replaceResponse(c, kit.refuse(c.error.refusal))
    // An inner kit may wait for its end.
    if (!dropped.bodyUsed && !dropped.body?.locked) dropped.body?.cancel().catch(() => undefined)
  }
  if (kit.principal) kit.respond(PRIVATE_ANSWER)
  let status = 500
  try {
    status = writeHeaders(c, kit)
  } catch (error) {
    // Such as a fetched response whose body was read already: it cannot be copied, nor sent.
    replaceResponse(c, kit.refuse(kit.fault(error).refusal))
    writeHeaders(c, kit)
  } finally {
    kit.lifecycle.answered(status >= 500)
    // Started before the answer leaves, so that a synchronous store holds the events by then; awaited by nobody.
    kit.handOn()
  }
  return undefined
}

/** Puts a response in the place of another, none of whose headers survive. */
export function replaceResponse(c: Context, response: Response): void {
  c.res = undefined
  c.res = response
}

/**
 * Whether a value is a Response that can be sent, of any realm: on Node a fetched one is no instance of the global class.
 * `Response.error()`, whose status is 0, is none.
 */
export function isResponse(value: unknown): value is Response {
  return statusOf(value) > 0
}

/** The status of a Response that can be sent, 0 for what is none. On Workers each look at one costs a call. */
function statusOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const { status } = value as Response
  return typeof status === 'number' && status > 0 && 'headers' in value ? status : 0
}

/** Writes what the layers gave to the headers of the answer, and gives its status. */
export function writeHeaders(c: Context, kit: Kit): number {
  const { res } = c
  const { status } = res
  if (status === 101) return status
  const { platform } = kit.base
  const filled = platform.withHeaders?.(res, (table) => applyRules(table, kit.headerRules))
  if (filled) {
    replaceResponse(c, filled)
    return status
  }
  try {
    const table = platform.headerTable?.(res)
    if (table) applyRules(table, kit.headerRules)
    else applyToHeaders(res.headers, kit)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    // A fetched or redirecting response has immutable headers: copy it once.
    replaceResponse(c, new Response(res.body, res))
    applyToHeaders(c.res.headers, kit)
  }
  return status
}

function applyToHeaders(headers: Headers, kit: Kit): void {
  applyRules(headers, kit.headerRules, namesOf(headers))
}

const TYPE_ALONE: readonly string[] = ['content-type']
const MAX_NAMES = 6

/** The names of headers where they are few: to go through them costs less than to ask for others. */
function namesOf(headers: Headers & { readonly count?: number }): readonly string[] | null {
  // Bun counts them, which is cheaper still: most answers hold their type alone.
  if (headers.count !== undefined) return headers.count === 1 && headers.has('content-type') ? TYPE_ALONE : null
  const names: string[] = []
  for (const name of headers.keys()) if (names.push(name) > MAX_NAMES) return null
  return names
}

/** No Problem: without a kit there is nowhere to record it, and Hono's own handler shows a plain error to the developer. */
function missingKit(owner: string): SetupError {
  return new SetupError(
    `${owner} found no kit. Put app.use(security({ platform, store })) before it, or give ${owner} the options platform and store itself.`,
  )
}
