import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { createAdaptorServer, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { etag } from 'hono/etag'
import { stream } from 'hono/streaming'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { platform } from '../../adapters/node/index.ts'
import { apiKeys } from '../../src/auth/api-keys.ts'
import { digestApiKey } from '../../src/auth/key-format.ts'
import { authenticate, identify } from '../../src/auth/middleware.ts'
import { concurrency } from '../../src/limit/concurrency-middleware.ts'
import { rateLimit } from '../../src/limit/middleware.ts'
import { security } from '../../src/security.ts'
import { memoryStore } from '../../src/store/memory.ts'

const KEY = 'a-key-for-tests'
const ORIGIN = 'https://app.example'
const SHARED = { 'X-Mine': '1', 'Content-Type': 'text/mine' }
let upstream = ''

/** Answers of every kind, with headers of their own that meet ours. */
const HANDLERS: Record<string, (c: Context) => Response | Promise<Response>> = {
  json: (c) => c.json({ a: 1 }),
  text: (c) => c.text('a'),
  empty: (c) => c.body(null, 204),
  raw: () => new Response('a'),
  bytes: () => new Response(new Uint8Array([97]), { headers: { 'content-type': 'text/x' } }),
  'an object of headers that is used again': () => new Response('a', { headers: SHARED }),
  'headers of ours': (c) =>
    c.text('a', 200, {
      'X-Frame-Options': 'ALLOWALL',
      'Content-Security-Policy': "default-src 'self'",
      'x-ratelimit-remaining': '999',
      'access-control-allow-origin': '*',
      'Access-Control-Allow-Credentials': 'true',
    }),
  'a list of headers': () =>
    new Response('a', {
      headers: [
        ['X-Frame-Options', 'ALLOWALL'],
        ['x-a', '1'],
        ['X-A', '2'],
      ],
    }),
  Headers: () => new Response('a', { headers: new Headers({ Vary: 'Accept', 'X-Frame-Options': 'ALLOWALL' }) }),
  'vary: origin': (c) => c.text('a', 200, { Vary: 'Accept, origin' }),
  'vary: *': (c) => c.text('a', 200, { Vary: '*' }),
  'public caches': (c) =>
    c.text('a', 200, { 'Cache-Control': 'public, max-age=60', 'CDN-Cache-Control': 'max-age=60' }),
  'private caches': (c) => c.text('a', 200, { 'Cache-Control': 'private, max-age=60' }),
  cookies: (c) => {
    c.header('set-cookie', 'a=1', { append: true })
    c.header('set-cookie', 'b=2', { append: true })
    return c.text('a')
  },
  'a header set before': (c) => {
    c.header('x-before', '1')
    return c.json({ a: 1 })
  },
  'headers looked at afterwards': (c) => {
    c.res = new Response('a', { headers: { 'x-a': '1' } })
    c.res.headers.set('x-b', '2')
    return c.res
  },
  redirect: (c) => c.redirect('/elsewhere'),
  'Response.redirect': () => Response.redirect('http://localhost/elsewhere'),
  'Response.json': () => Response.json({ a: 1 }),
  fetched: () => fetch(upstream),
  'fetched and read': async () => {
    const response = await fetch(upstream)
    await response.text()
    return response
  },
  streamed: (c) => stream(c, async (out) => void (await out.write('a'))),
  'an error': () => {
    throw new Error('broken')
  },
  'no response': () => undefined as never,
}

const upstreamServer = createServer((_request, response) => {
  response.writeHead(200, { 'x-frame-options': 'ALLOWALL', 'access-control-allow-origin': '*', 'x-theirs': '1' })
  response.end('upstream')
})

/** Where the same app is asked over a connection, and where by app.fetch alone. */
function appOf(): Hono {
  const app = new Hono()
  app.use(security({ platform, store: memoryStore(), cors: { origins: [ORIGIN] }, events: () => undefined }))
  app.use(rateLimit({ quota: 1000, periodSeconds: 60 }))
  app.use(identify(apiKeys({ keys: [digestApiKey(KEY)] })))
  for (const [name, handler] of Object.entries(HANDLERS)) app.get(`/${encodeURIComponent(name)}`, handler)
  return app
}

interface Seen {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
}

const OF_THE_CONNECTION = ['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length']
/** They count down. */
const OF_THE_MOMENT = ['ratelimit', 'x-ratelimit-remaining', 'x-ratelimit-reset']

function comparable({ status, headers }: Seen): unknown {
  const kept = Object.entries(headers)
    .filter(([name]) => !OF_THE_CONNECTION.includes(name))
    .map(([name, value]) => [name, OF_THE_MOMENT.includes(name) ? 'counted' : value])
  return { status, headers: Object.fromEntries(kept.sort()) }
}

describe('headers written as an answer leaves', () => {
  const app = appOf()
  const server = createAdaptorServer({ fetch: app.fetch })
  let port = 0
  beforeAll(async () => {
    for (const one of [server, upstreamServer]) await once(one.listen(0, '127.0.0.1'), 'listening')
    port = (server.address() as { port: number }).port
    upstream = `http://127.0.0.1:${(upstreamServer.address() as { port: number }).port}/`
  })
  afterAll(() => {
    for (const one of [server, upstreamServer]) one.close()
  })

  const CALLERS = { stranger: {}, 'a caller with a key': { authorization: `Bearer ${KEY}` }, page: { origin: ORIGIN } }

  test.each(Object.keys(HANDLERS))('%s: over a connection they are what app.fetch gives', async (name) => {
    for (const headers of Object.values(CALLERS)) {
      const path = `/${encodeURIComponent(name)}`
      const over = await ask(port, path, headers)
      const env = { incoming: { socket: { remoteAddress: '127.0.0.1' } } }
      const answer = await app.fetch(new Request(`http://127.0.0.1:${port}${path}`, { headers }), env)
      const cookies = answer.headers.getSetCookie()
      const plain: Seen['headers'] = {
        ...Object.fromEntries(answer.headers),
        ...(cookies.length > 0 && { 'set-cookie': cookies }),
      }
      // node-server's own default, for an answer that names no type.
      if (answer.body !== null) plain['content-type'] ??= 'text/plain; charset=UTF-8'
      expect(comparable(over)).toEqual(comparable({ status: answer.status, headers: plain }))
      expect(over.headers['x-frame-options']).toBe('DENY')
      expect(over.headers['access-control-allow-origin']).toBe('origin' in headers ? ORIGIN : undefined)
      if ('authorization' in headers) expect(over.headers['cache-control']).toMatch(/no-store|private/)
    }
  })

  test('one answer takes nothing of another: an object of headers that the app uses again stays as it was', () => {
    expect(SHARED).toEqual({ 'X-Mine': '1', 'Content-Type': 'text/mine' })
  })
})

describe('what stands around security() on Node', () => {
  test('a layer before it has the last word on a header, as on every runtime, and sees ours', async () => {
    let seen: string | null = null
    const app = new Hono()
      .use(async (c, next) => {
        await next()
        seen = c.res.headers.get('x-frame-options')
        c.res.headers.set('x-frame-options', 'SAMEORIGIN')
      })
      .use(security({ platform }))
      .get('/', (c) => c.text('a'))
    const { headers } = await served(app, '/')
    expect(headers['x-frame-options']).toBe('SAMEORIGIN')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(seen).toBe('DENY')
  })

  test('one behind it that makes another answer of the answer keeps our headers', async () => {
    const app = new Hono().use(security({ platform })).use(etag())
    app.get('/', (c) => c.text('a'))
    const { headers } = await served(app, '/')
    expect(headers['x-frame-options']).toBe('DENY')
    expect(headers.etag).toMatch(/^"/)
    const second = await served(app, '/', { 'if-none-match': String(headers.etag) })
    expect([second.status, second.headers['x-frame-options']]).toEqual([304, 'DENY'])
  })

  test('a request that the app makes of itself with the same environment has headers of its own', async () => {
    const inner = new Hono<{ Bindings: HttpBindings }>()
    inner.use(security({ platform, store: memoryStore(), events: () => undefined }))
    inner.use(authenticate(apiKeys({ keys: [digestApiKey(KEY)] })))
    inner.get('/inner', (c) => c.text('inner'))
    const app = new Hono<{ Bindings: HttpBindings }>()
    app.get('/', async (c) => {
      const stranger = await inner.request('/inner', {}, c.env)
      const known = await inner.request('/inner', { headers: { authorization: `Bearer ${KEY}` } }, c.env)
      return c.json([stranger.status, known.status, known.headers.get('x-frame-options')])
    })
    // The caller's own key is for nobody else.
    const { headers, body } = await served(app, '/', { authorization: `Bearer ${KEY}` })
    expect(JSON.parse(body)).toEqual([401, 200, 'DENY'])
    expect(headers['x-frame-options']).toBeUndefined()
    expect(headers['www-authenticate']).toBeUndefined()
  })

  test('a handler that answers over the connection itself does so', async () => {
    const app = new Hono<{ Bindings: HttpBindings }>().use(security({ platform }))
    app.get('/', (c) => {
      c.env.outgoing.writeHead(200, { 'x-a': '1' })
      c.env.outgoing.end('own')
      return RESPONSE_ALREADY_SENT
    })
    const { headers, body } = await served(app, '/')
    expect([body, headers['x-a']]).toEqual(['own', '1'])
  })
})

describe('headers of one answer and no other', () => {
  const partner = 'https://partner.example'
  const options = { platform, store: memoryStore(), events: () => undefined }

  test('an answer that the server threw away leaves nothing on the one that it sends', async () => {
    const first = new Hono().use(security({ ...options, cors: { origins: [partner], credentials: true } }))
    const second = new Hono().use(security(options)).get('/secret', (c) => c.text('secret'))
    const fetch = async (request: Request, env: HttpBindings) => {
      const answer = await first.fetch(request, env)
      return answer.status === 404 ? second.fetch(request, env) : answer
    }
    const { body, headers } = await served({ fetch }, '/secret', { origin: partner })
    expect(body).toBe('secret')
    expect(headers['access-control-allow-origin']).toBeUndefined()
    expect(headers['access-control-allow-credentials']).toBeUndefined()
    expect(headers['x-frame-options']).toBe('DENY')
  })

  test('a wrapper around app.fetch that answers something else sends what it says alone', async () => {
    const app = new Hono().use(security({ ...options, cors: { origins: [partner], credentials: true } }))
    const fetch = async (request: Request, env: HttpBindings) => {
      await app.fetch(request, env)
      return new Response('own', { headers: { 'x-own': '1' } })
    }
    const { body, headers } = await served({ fetch }, '/', { origin: partner })
    expect([body, headers['x-own'], headers['access-control-allow-origin']]).toEqual(['own', '1', undefined])
  })

  test('a wrapper sees our headers on the answer, and changes them', async () => {
    const app = new Hono().use(security(options)).get('/', (c) => c.text('a'))
    const fetch = async (request: Request, env: HttpBindings) => {
      const answer = await app.fetch(request, env)
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      answer.headers.set('x-frame-options', 'SAMEORIGIN')
      return answer
    }
    const { body, headers } = await served({ fetch }, '/')
    expect([body, headers['x-frame-options'], headers['referrer-policy']]).toEqual(['a', 'SAMEORIGIN', 'no-referrer'])
  })

  test.each([
    ['a line break', 'a\r\nset-cookie: x=1'],
    ['a character that no header holds', 'a\u2028'],
    ['a letter beyond Latin-1', 'P\u0159ehled'],
  ])('a value with %s is a fault: 500 as a problem, with our headers and an event', async (_what, value) => {
    const events: string[] = []
    const app = new Hono().use(
      security({ ...options, events: (batch) => void events.push(...batch.map(({ type }) => type)) }),
    )
    app.get('/', () => new Response('a', { headers: { 'x-title': value } }))
    const { status, headers, body } = await served(app, '/')
    expect([status, headers['x-frame-options'], headers['content-type']]).toEqual([
      500,
      'DENY',
      'application/problem+json',
    ])
    expect(body).not.toContain('ehled')
    expect(events).toContain('fault')
  })

  test('one name in two spellings is one header', async () => {
    const app = new Hono().use(security(options))
    app.get('/', () => new Response('a', { headers: { 'X-Mine': '1', 'x-mine': '2' } }))
    expect((await served(app, '/')).headers['x-mine']).toBe('1, 2')
  })

  test('TRACE: with a body it is refused, without one it is served and gives its slot back', async () => {
    const app = new Hono().use(security(options)).use(concurrency({ name: 'n', limit: 1, by: 'everyone' }))
    app.all('/', (c) => c.text('ok'))
    const server = createAdaptorServer({ fetch: app.fetch })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as { port: number }
    const statuses: number[] = []
    for (const [length, body] of [
      ['0', ''],
      ['2', 'ab'],
      ['0', ''],
    ] as const) {
      const answer = await ask(port, '/', { 'content-length': length }, 'TRACE', body)
      statuses.push(answer.status)
      expect(answer.headers['x-frame-options']).toBe('DENY')
    }
    statuses.push((await ask(port, '/', {})).status)
    server.close()
    expect(statuses).toEqual([200, 400, 200, 200])
  })

  test('a POST that is answered from its bytes has no second Request made of it', async () => {
    const app = new Hono().use(security(options)).post('/', async (c) => c.json(await c.req.json()))
    const server = createAdaptorServer({ fetch: app.fetch })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { Request: Original } = globalThis
    let made = 0
    globalThis.Request = new Proxy(Original, {
      construct(target, args) {
        made++
        return Reflect.construct(target, args) as Request
      },
    })
    try {
      const { port } = server.address() as { port: number }
      const answer = await ask(port, '/', { 'content-length': '7' }, 'POST', '{"a":1}')
      expect([answer.status, answer.body, answer.headers['x-frame-options']]).toEqual([200, '{"a":1}', 'DENY'])
      expect(made).toBe(0)
    } finally {
      globalThis.Request = Original
      server.close()
    }
  })
})

async function served(app: { fetch: unknown }, path: string, headers: Record<string, string> = {}) {
  const server = createAdaptorServer({ fetch: app.fetch as Hono['fetch'] })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    return await ask((server.address() as { port: number }).port, path, headers)
  } finally {
    server.close()
  }
}

function ask(
  port: number,
  path: string,
  headers: Record<string, string>,
  method = 'GET',
  sent = '',
): Promise<Seen & { readonly body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, headers, method }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
    })
    asked.on('error', reject)
    asked.end(sent)
  })
}
