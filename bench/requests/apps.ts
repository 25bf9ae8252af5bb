import { zValidator } from '@hono/zod-validator'
import {
  type AtomicStore,
  apiKeys,
  authenticate,
  digestApiKey,
  guard,
  memoryStore,
  type QuotaOptions,
  rateLimit,
  security,
} from 'hinoban'
import { ChatText, validate } from 'hinoban/validate'
import { type Context, Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { secureHeaders } from 'hono/secure-headers'
import { rateLimiter } from 'hono-rate-limiter'
import * as z from 'zod/mini'
import { KEY } from '../key.ts'
import { GET } from './ask.ts'
import type { Host } from './host.ts'

/** Whatever was asked, nobody reads it: events are made and handed over, and that is all. */
const QUIET = Object.assign(() => undefined, { level: 'warn' as const })
const AMPLE = 50_000_000
const PERIOD_SECONDS = 3600
const MAX_BODY_BYTES = 1_048_576
const CORS = { origins: ['https://app.example'] }

const schema = z.object({ message: ChatText })

export function bare(): Hono {
  return new Hono()
    .get('/api/me', (c) => c.json({ id: 'me' }))
    .post('/api/chat', async (c) => c.json({ reply: ((await c.req.json()) as { message: string }).message }))
}

/** What one would take without us, each with the settings of its documentation. */
export function peers(host: Host): Hono {
  return new Hono()
    .use(...peerHeaders())
    .use(bodyLimit({ maxSize: MAX_BODY_BYTES }))
    .use(peerLimiter(host))
    .use(bearerAuth({ token: KEY }))
    .get('/api/me', (c) => c.json({ id: 'me' }))
    .post('/api/chat', zValidator('json', schema), (c) => c.json({ reply: c.req.valid('json').message }))
}

/** What of {@link layers} a measurement varies. */
export interface LayersOptions {
  readonly keys?: readonly string[]
  readonly quotas?: readonly QuotaOptions[]
  readonly store?: AtomicStore
  /** Every option as it is unless told: see {@link LEAN}. */
  readonly defaults?: boolean
}

/**
 * What an API may leave out: headers that no browser of today needs, limit fields that say a thing twice, and the hash of a key
 * that is seen again. Its answers carry 12 headers besides their type, the peers' 14, and those by defaults 19.
 */
const LEAN = {
  security: { headers: { legacy: false } },
  rateLimit: { legacyFields: false },
  apiKeys: { keepKeysInMemory: 100 },
} as const

/** Ours, layer by layer. */
export function layers({ platform }: Host, options: LayersOptions = {}): Hono {
  const { keys = [digestApiKey(KEY)], quotas = [quota(AMPLE)], store = memoryStore(), defaults = false } = options
  const lean = defaults ? null : LEAN
  const api = new Hono()
    .use(rateLimit({ quotas, ...lean?.rateLimit }))
    .use(authenticate(apiKeys({ keys, ...lean?.apiKeys })))
    .get('/me', (c) => c.json({ id: 'me' }))
    .post('/chat', validate('json', schema), (c) => c.json({ reply: c.req.valid('json').message }))
  const first = security({ platform, store, cors: CORS, events: QUIET, ...lean?.security })
  return new Hono().use(first).route('/api', api) as unknown as Hono
}

/** {@link layers} in one, with every limit field where that is asked for. */
export function guarded({ platform }: Host, fields: 'lean' | 'all' = 'lean'): Hono {
  const api = guard(
    security({ platform, store: memoryStore(), cors: CORS, events: QUIET, ...LEAN.security }),
    rateLimit({ ...quota(AMPLE), ...(fields === 'lean' && LEAN.rateLimit) }),
    authenticate(apiKeys({ keys: [digestApiKey(KEY)], ...LEAN.apiKeys })),
  )
  return new Hono()
    .use(api)
    .get('/api/me', (c) => c.json({ id: 'me' }))
    .post('/api/chat', validate('json', schema), (c) =>
      c.json({ reply: c.req.valid('json').message }),
    ) as unknown as Hono
}

const ASKED_FOR = ['host', 'origin', 'content-length', 'transfer-encoding', 'authorization', 'x-api-key']

/** Headers of an answer: given together with its body, or set afterwards. */
interface Said {
  readonly init: ResponseInit | null
  readonly afterwards: readonly (readonly [name: string, value: string])[]
}

/** What {@link guarded} says of an answer, in the way that is cheapest: on Node and Bun no middleware has it. */
async function saidBy(host: Host, env: object): Promise<Said> {
  const { headers } = await guarded(host).fetch(new Request(GET.url, GET.init), env)
  if (host.name === 'node') return { init: { headers: Object.fromEntries(headers) }, afterwards: [] }
  if (host.name === 'bun') return { init: { headers: new Headers(headers) }, afterwards: [] }
  return { init: null, afterwards: [...headers].filter(([name]) => name !== 'content-type') }
}

/** No guard at all: what {@link guarded} asks of a runtime and says of an answer, and nothing is decided, kept or told. */
export function floor(host: Host): Hono {
  let said: Said | null = null
  const answer = (c: Context, body: object): Response =>
    said!.init === null ? c.json(body) : new Response(JSON.stringify(body), said!.init)
  return new Hono()
    .use(async (c, next) => {
      said ??= await saidBy(host, c.env as object)
      host.addressOf(c)
      const { headers, url, method } = c.req.raw
      for (const field of ASKED_FOR) headers.get(field)
      c.set('url' as never, url as never)
      c.set('method' as never, method as never)
      await next()
      for (const [name, value] of said.afterwards) c.res.headers.set(name, value)
    })
    .get('/api/me', (c) => answer(c, { id: 'me' }))
    .post('/api/chat', async (c) => {
      const { headers } = c.req.raw
      headers.get('content-type')
      headers.get('content-encoding')
      return answer(c, { reply: schema.parse(await c.req.json()).message })
    })
}

export function quota(units: number, name?: string): QuotaOptions {
  return { quota: units, periodSeconds: PERIOD_SECONDS, ...(name !== undefined && { name }) }
}

/** {@link layers} that refuse all but the first request. */
export function spent(host: Host, options: LayersOptions): Hono {
  return layers(host, { ...options, quotas: [quota(1)] })
}

/** One part alone before the bare handler, a peer's or ours. */
export const PARTS: Record<string, (host: Host) => Hono> = {
  bearerAuth: () => behind(new Hono().use(bearerAuth({ token: KEY }))),
  authenticate: ({ platform }) =>
    behind(new Hono().use(authenticate(apiKeys({ keys: [digestApiKey(KEY)] }), { platform, events: QUIET }))),
  'secureHeaders, cors, bodyLimit': () =>
    behind(new Hono().use(...peerHeaders()).use(bodyLimit({ maxSize: MAX_BODY_BYTES }))),
  security: ({ platform }) => behind(new Hono().use(security({ platform, cors: CORS, events: QUIET }))),
  'security, authenticate': ({ platform }) =>
    behind(
      new Hono()
        .use(security({ platform, cors: CORS, events: QUIET }))
        .use(authenticate(apiKeys({ keys: [digestApiKey(KEY)] }))),
    ),
  'hono-rate-limiter': (host) => behind(new Hono().use(peerLimiter(host))),
  rateLimit: ({ platform }) =>
    behind(new Hono().use(rateLimit({ ...quota(AMPLE), platform, store: memoryStore(), events: QUIET }))),
}

function behind(app: unknown): Hono {
  return (app as Hono).get('/api/me', (c) => c.json({ id: 'me' }))
}

function peerHeaders() {
  return [secureHeaders(), cors()] as const
}

function peerLimiter({ addressOf }: Host) {
  return rateLimiter({
    windowMs: PERIOD_SECONDS * 1000,
    limit: AMPLE,
    standardHeaders: 'draft-7',
    keyGenerator: addressOf,
  })
}
