import type { Context, MiddlewareHandler } from 'hono'
import { type Address, clientAddress, networkTest, type TrustedProxies } from './address.ts'
import type { EventType } from './event.ts'
import type { HeaderRule } from './header-rules.ts'
import {
  DEFAULT_BODY_TIMEOUT_SECONDS,
  DEFAULT_MAX_BODY_BYTES,
  declaredFault,
  readBody,
  readDeclaredBody,
} from './http/body.ts'
import { CORS_RULES, type Cors, type CorsOptions, makeCors } from './http/cors.ts'
import { type HeaderOptions, securityHeaders } from './http/headers.ts'
import { hostTest } from './http/hosts.ts'
import { urlFault } from './http/path.ts'
import { Kit, type KitEnv } from './kit.ts'
import { KitBase, type KitOptions } from './kit-base.ts'
import { isResponse, middlewareOf, replaceResponse, type Step, type StepAnswer } from './layer.ts'
import type { Platform } from './platform.ts'
import type { Refusal } from './problem.ts'
import { giveBody } from './read-request.ts'

/** What {@link security} takes. Only `platform` is required. */
export interface SecurityOptions extends KitOptions {
  readonly platform: Platform
  /** Most bytes of a request body, on every route. 1,048,576 unless told. */
  readonly maxBodyBytes?: number
  /** How long a request body may take to arrive, in seconds. 10 unless told. */
  readonly bodyTimeoutSeconds?: number
  /** The app's own host names; requests for others are refused with 403. Every host unless told. */
  readonly hosts?: readonly string[]
  /** Origins whose pages may call this app. Unless told, what handlers themselves say of CORS stands. */
  readonly cors?: CorsOptions
  /** Security headers that differ from the defaults. */
  readonly headers?: HeaderOptions
  /** Proxies whose forwarding header names the client. None unless told: a forwarding header changes nothing. */
  readonly trustedProxies?: TrustedProxies
}

/**
 * The first layer of an app. Refuses paths with two readings (400), foreign or contradictory hosts (403) and bodies over
 * the cap (413) before anything else runs; answers CORS preflights; gives the layers behind it their kit; writes the
 * security headers on every answer, errors and refusals included; hands events to their sinks.
 *
 * It does not authenticate or limit anybody. Bodies are read whole, up to the cap, before the next layer runs, so no
 * handler ever sees part of an oversized one. Let it stand first: a `c.req` that was kept from before it tells its body, too, but
 * its `raw` is used up.
 *
 * @throws {TypeError} at start, naming the option that is wrong and the mend.
 *
 * @example
 * const app = new Hono().use(security({ platform, store: memoryStore() }))
 */
export function security(options: SecurityOptions): MiddlewareHandler<KitEnv> {
  const mode = options.mode ?? 'production'
  const headers = securityHeaders(options.headers ?? {}, mode === 'production').map(
    ([name, value]): HeaderRule => (name === 'content-security-policy' ? [name, value, 'default'] : [name, value]),
  )
  const base = new KitBase('security()', options, headers)
  const maxBodyBytes = options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES
  if (!Number.isSafeInteger(maxBodyBytes) || maxBodyBytes < 0) {
    throw new TypeError('security(): maxBodyBytes must be a whole number of bytes, 0 or more.')
  }
  const bodyTimeoutSeconds = options.bodyTimeoutSeconds ?? DEFAULT_BODY_TIMEOUT_SECONDS
  if (!(bodyTimeoutSeconds > 0 && bodyTimeoutSeconds <= 3600)) {
    throw new TypeError('security(): bodyTimeoutSeconds must be above 0 and at most 3600.')
  }
  const cors = options.cors ? makeCors(options.cors) : null
  const allowsHost = options.hosts ? hostTest(options.hosts) : null
  const findAddress = options.trustedProxies ? behindProxies(options.platform, options.trustedProxies) : undefined

  const step: Step = (kit, c) => {
    // Asked now: a runtime forgets the peer once the connection breaks, and Bun once the request is copied.
    kit.address()
    if (cors) makeReadable(kit, cors)
    const fault = guardTarget(kit, allowsHost)
    if (fault) return refuse(kit, fault)
    const preflight = cors && answerPreflight(kit, cors)
    if (preflight) return preflight
    const length = kit.header('content-length')
    const declared = guardDeclaration(kit, length, maxBodyBytes)
    if (declared) return refuse(kit, declared)
    kit.bodyIsCapped = true
    if (isBodiless(kit)) return undefined
    return guardBody(c, kit, length, maxBodyBytes, bodyTimeoutSeconds)
  }
  const opening = { open: (c: Context) => new Kit(base, c, findAddress), mend: replaceHonoDefaults }
  return middlewareOf<KitEnv>({ owner: 'security()', step, opening, isFirst: true })
}

const DEFAULT_ANSWER_MS = 50

interface Guarded {
  readonly event: EventType
  readonly reason: string
  readonly refusal: Refusal
}

function refuse(kit: Kit, guarded: Guarded): Response {
  kit.emit({ type: guarded.event, level: 'warn', reason: guarded.reason })
  return kit.refuse(guarded.refusal)
}

/** Refuses a path with two readings (each is a way around a guard) and an authority that is not this app's. */
function guardTarget(kit: Kit, allowsHost: ((authority: string) => boolean) | null): Guarded | null {
  const fault = urlFault(kit.url)
  if (fault) {
    const detail =
      'The path must be in canonical form: no empty or dot segments, no encoded slashes, no needless or double encoding.'
    return { event: 'path.refused', reason: fault, refusal: { code: 'path.not_canonical', detail } }
  }
  const { authority } = kit
  if (authority !== null && allowsHost?.(authority) !== false) return null
  const detail =
    authority === null
      ? 'The request names two different hosts, or none.'
      : 'This server does not answer for that host.'
  const reason = authority === null ? 'host_mismatch' : 'foreign_host'
  return { event: 'host.refused', reason, refusal: { code: 'host.not_allowed', detail } }
}

/** Lets an allowed origin read the answer, whatever it will be. */
function makeReadable(kit: Kit, cors: Cors): void {
  kit.respond(CORS_RULES)
  const origin = kit.header('origin')
  if (origin === null || !cors.allows(origin)) return
  kit.respond(cors.answerHeaders(origin))
}

function answerPreflight(kit: Kit, cors: Cors): Response | undefined {
  if (kit.method !== 'OPTIONS') return undefined
  const origin = kit.header('origin')
  if (origin === null || kit.header('access-control-request-method') === null) return undefined
  if (cors.allows(origin)) return new Response(null, { status: 204, headers: cors.preflightHeaders })
  const refusal: Refusal = { code: 'cors.origin_not_allowed', detail: 'Pages of this origin may not call this server.' }
  return refuse(kit, { event: 'cors.refused', reason: 'origin', refusal })
}

function guardDeclaration(kit: Kit, length: string | null, maxBytes: number): Guarded | null {
  const fault =
    declaredFault(length, maxBytes) ?? (isBodiless(kit) && declaresBody(kit, length) ? BODY_WHERE_NONE_IS : null)
  return fault && { event: 'body.refused', reason: fault.code, refusal: fault }
}

/** GET, HEAD and TRACE have no body (RFC 9110 section 9.3): most runtimes drop one, workerd would hand it on uncounted. */
function isBodiless(kit: Kit): boolean {
  return kit.method === 'GET' || kit.method === 'HEAD' || kit.method === 'TRACE'
}

function declaresBody(kit: Kit, length: string | null): boolean {
  return (length !== null && Number(length) > 0) || kit.header('transfer-encoding') !== null
}

const BODY_WHERE_NONE_IS: Refusal = { code: 'body.unreadable', detail: 'A GET, HEAD or TRACE request carries no body.' }

/** Reads the body whole within the cap, and leaves the request with exactly the bytes that were read. */
function guardBody(c: Context, kit: Kit, length: string | null, maxBytes: number, timeoutSeconds: number): StepAnswer {
  const { raw } = c.req
  const declared = length === null || kit.header('transfer-encoding') !== null ? null : Number(length)
  const atOnce = declared === null ? null : (kit.base.platform.readDeclared?.(c, declared) ?? null)
  if (!atOnce && !raw.body) return undefined
  const reading = atOnce
    ? readDeclaredBody(atOnce, declared!, maxBytes, timeoutSeconds)
    : readBody(raw.body!, maxBytes, declared, timeoutSeconds)
  return reading.then((read) => {
    if (!(read instanceof Uint8Array)) {
      return refuse(kit, { event: 'body.refused', reason: read.code, refusal: read })
    }
    giveBody(c, read)
    return undefined
  })
}

/** Hono's own plain-text 404 and 500 become problems; an app's `notFound` and `onError` stand. */
async function replaceHonoDefaults(kit: Kit, c: Context): Promise<void> {
  // An HTTPException is a chosen answer, and so is what onError makes of an error below 500; a Problem was recorded where it
  // was made. Anything else is a fault.
  if (!isResponse(c.res)) return
  const fault = c.error && !('getResponse' in c.error) && c.res.status >= 500 ? kit.fault(c.error) : null
  if (c.res.status !== 404 && !(fault && c.res.status === 500)) return
  if (!c.res.headers.get('content-type')?.startsWith('text/plain') || c.res.headers.has('content-length')) return
  const text = await firstChunk(c.res)
  if (fault && text === 'Internal Server Error') replaceBody(c, kit.refuse(fault.refusal))
  else if (text === '404 Not Found') replaceBody(c, kit.refuse({ code: 'route.not_found', detail: 'Nothing is here.' }))
}

/** Puts a problem in the place of an answer, and keeps the headers that other layers gave it. */
function replaceBody(c: Context, problem: Response): void {
  const answer = new Response(problem.body, problem)
  for (const [name, value] of c.res.headers) {
    if (name === 'set-cookie') answer.headers.append(name, value)
    else if (!name.startsWith('content-') && !answer.headers.has(name)) answer.headers.set(name, value)
  }
  replaceResponse(c, answer)
}

/** The first piece of a text, or nothing when it is a stream that takes its time: then Hono did not write it. */
async function firstChunk(response: Response): Promise<string> {
  const reader = response.clone().body?.getReader()
  if (!reader) return ''
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => late.resolve(undefined), DEFAULT_ANSWER_MS)
  try {
    const chunk = await Promise.race([reader.read(), late.promise])
    return new TextDecoder().decode(chunk?.value)
  } finally {
    clearTimeout(timer)
    reader.cancel().catch(() => undefined)
  }
}

function behindProxies(platform: Platform, proxies: TrustedProxies): (c: Context) => Address {
  const trusted = networkTest(proxies.networks)
  return (c) => clientAddress(platform.address(c), c.req.raw.headers.get(proxies.header), proxies.header, trusted)
}
