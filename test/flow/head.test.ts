import { once } from 'node:events'
import { createServer, request, type ServerResponse } from 'node:http'
import { createAdaptorServer, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { etag } from 'hono/etag'
import { stream } from 'hono/streaming'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { completeHead } from '../../adapters/node/head.ts'
import { platform } from '../../adapters/node/index.ts'
import { apiKeys } from '../../src/auth/api-keys.ts'
import { digestApiKey } from '../../src/auth/key-format.ts'
import { authenticate, identify } from '../../src/auth/middleware.ts'
import type { HeaderTable } from '../../src/header-rules.ts'
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

test('completeHead() fills in every form of a head that Node takes, once', async () => {
  const forms: Record<string, (response: ServerResponse) => unknown> = {
    status: (response) => response.writeHead(200),
    'status and object': (response) => response.writeHead(200, { 'X-Ours': 'theirs', 'Set-Cookie': ['a=1', 'b=2'] }),
    'message and object': (response) => response.writeHead(200, 'Fine', { 'X-Ours': 'theirs' }),
    message: (response) => response.writeHead(200, 'Fine'),
    list: (response) => response.writeHead(200, ['X-Ours', 'theirs', 'X-A', '1', 'x-a', '2']),
  }
  for (const [form, write] of Object.entries(forms)) {
    let completed = 0
    const server = createServer((_request, outgoing) => {
      const c = { env: { outgoing }, res: new Response('') } as unknown as Context
      const complete = (table: HeaderTable): void => {
        completed++
        table.set('x-had', String(table.get('x-ours')))
        table.set('x-ours', 'ours')
        table.delete('x-absent')
      }
      expect(completeHead(c, complete)).toBe(true)
      write(outgoing)
      outgoing.end()
      expect(completeHead(c, complete)).toBe(false)
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { headers } = await ask((server.address() as { port: number }).port, '/', {})
    server.close()
    expect([completed, headers['x-ours']]).toEqual([1, 'ours'])
    expect(headers['x-had']).toBe(/status$|^message$/.test(form) ? 'null' : 'theirs')
    if (form === 'list') expect(headers['x-a']).toBe('1, 2')
    if (form === 'status and object') expect(headers['set-cookie']).toEqual(['a=1', 'b=2'])
  }
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

function ask(port: number, path: string, headers: Record<string, string>): Promise<Seen & { readonly body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, headers }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
    })
    asked.on('error', reject)
    asked.end()
  })
}
