import assert from 'node:assert/strict'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { makeAddress, UNKNOWN_ADDRESS } from '../src/address.ts'
import { apiKeys } from '../src/auth/api-keys.ts'
import { digestApiKey } from '../src/auth/key-format.ts'
import { authenticate } from '../src/auth/middleware.ts'
import { rateLimit } from '../src/limit/middleware.ts'
import { security } from '../src/security.ts'
import { type Case, cases } from './cases.ts'
import {
  keepEvents,
  peer,
  quietly,
  rawRequest,
  StoppedClock,
  secured,
  streamOf,
  TestPlatform,
} from './support/fixtures.ts'

const ALWAYS = {
  'content-security-policy':
    "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

function assertHeaders(response: Response, what: string): void {
  for (const [name, value] of Object.entries(ALWAYS))
    assert.equal(response.headers.get(name), value, `${what}: ${name}`)
}

/** A response as fetch() gives it: its headers cannot be written. */
function immutable(body: string, init: ResponseInit = {}): Response {
  const response = new Response(body, init)
  const { headers } = response
  const refuse = (): never => {
    throw new TypeError('immutable')
  }
  Object.defineProperties(headers, { set: { value: refuse }, append: { value: refuse }, delete: { value: refuse } })
  Object.defineProperty(response, 'headers', { value: headers })
  return response
}

interface Answer {
  readonly handler: (c: Context) => Response | Promise<Response>
  readonly status: number
  readonly body?: string
  readonly method?: string
}

const ANSWERS: Readonly<Record<string, Answer>> = {
  'c.json()': { handler: (c) => c.json({ a: 1 }), status: 200, body: '{"a":1}' },
  'c.text() with a status': { handler: (c) => c.text('made', 201), status: 201, body: 'made' },
  'a raw Response': { handler: () => new Response('raw', { status: 202 }), status: 202, body: 'raw' },
  'a raw Response after c.header()': {
    handler: (c) => {
      c.header('x-mine', '1')
      return new Response('raw')
    },
    status: 200,
    body: 'raw',
  },
  'Response.redirect(), whose headers are immutable': {
    handler: () => Response.redirect('https://a.example/x', 302),
    status: 302,
  },
  'a fetched response, whose headers are immutable': {
    handler: () => immutable('fetched', { status: 203 }),
    status: 203,
    body: 'fetched',
  },
  'a 204': { handler: () => new Response(null, { status: 204 }), status: 204, body: '' },
  'a 304': { handler: () => new Response(null, { status: 304 }), status: 304, body: '' },
  'a streamed body': {
    handler: () =>
      new Response(streamOf(new TextEncoder().encode('data: 1\n\n'), new TextEncoder().encode('data: 2\n\n')), {
        headers: { 'content-type': 'text/event-stream' },
      }),
    status: 200,
    body: 'data: 1\n\ndata: 2\n\n',
  },
  'an answer to HEAD': { handler: (c) => c.text('body'), status: 200, body: '', method: 'HEAD' },
  'a thrown Error': {
    handler: () => {
      throw new Error('hunter2')
    },
    status: 500,
  },
  'a thrown HTTPException': {
    handler: () => {
      throw new HTTPException(418, { message: 'teapot' })
    },
    status: 418,
    body: 'teapot',
  },
  'a thrown HTTPException with a response': {
    handler: () => {
      throw new HTTPException(409, { res: new Response('mine', { status: 409 }) })
    },
    status: 409,
    body: 'mine',
  },
  'a thrown text': {
    handler: () => {
      throw 'hunter2'
    },
    status: 500,
  },
  'a thrown undefined': {
    handler: () => {
      throw undefined
    },
    status: 500,
  },
  'a rejected promise': { handler: () => Promise.reject(new Error('hunter2')), status: 500 },
  'a handler that gives nothing': { handler: () => undefined as never, status: 500 },
  'a handler that gives a promise of nothing': { handler: async () => undefined as never, status: 500 },
}

const headersOnAnswers = Object.fromEntries(
  Object.entries(ANSWERS).map(([what, { handler, status, body, method = 'GET' }]) => [
    `the security headers stand on ${what}`,
    async () => {
      const { app, platform } = secured()
      app.get('/', handler)
      const response = await quietly(() => app.request('/', { method }))
      assert.equal(response.status, status)
      assertHeaders(response, what)
      const text = await response.text()
      if (body !== undefined) assert.equal(text, body)
      assert.equal(text.includes('hunter2'), false)
      await platform.settled()
    },
  ]),
)

export const securityCases: readonly Case[] = [
  ...cases('HTT-2', {
    ...headersOnAnswers,
    'the security headers stand on a custom onError, and on what it answers': async () => {
      const { app } = secured()
      app.get('/', () => {
        throw new Error('x')
      })
      app.onError((_error, c) => c.json({ mine: true }, 500))
      const response = await app.request('/')
      assert.deepEqual(await response.json(), { mine: true })
      assertHeaders(response, 'onError')
    },
    'the security headers stand on the default not found, which is a problem': async () => {
      const { app } = secured()
      app.get('/', (c) => c.text('ok'))
      const response = await app.request('/nowhere')
      assert.equal(response.status, 404)
      assert.equal(response.headers.get('content-type'), 'application/problem+json')
      assertHeaders(response, 'notFound')
      assert.equal((await secured().app.request('/')).status, 404)
    },
    'the security headers stand on a custom not found, which wins': async () => {
      const { app } = secured()
      app.notFound((c) => c.html('<p>gone</p>', 404))
      const response = await app.request('/nowhere')
      assert.equal(await response.text(), '<p>gone</p>')
      assertHeaders(response, 'notFound')
    },
    'the security headers stand on refusals by security() and by the layers behind it': async () => {
      const { app } = secured({ hosts: ['localhost'], maxBodyBytes: 3 })
      app.use(rateLimit({ quota: 1, periodSeconds: 60 })).use(authenticate(apiKeys({ keys: [digestApiKey('k')] })))
      app.post('/', (c) => c.text('ok'))
      const refusals: [number, Request][] = [
        [400, rawRequest('//x')],
        [403, new Request('http://evil.example/')],
        [413, new Request('http://localhost/', { method: 'POST', body: 'long' })],
        [401, new Request('http://localhost/', { method: 'POST' })],
        [429, new Request('http://localhost/', { method: 'POST' })],
      ]
      for (const [status, request] of refusals) {
        const response = await app.request(request)
        assert.equal(response.status, status)
        assertHeaders(response, String(status))
      }
    },
    'a handler keeps a Content-Security-Policy of its own, and no other header': async () => {
      const { app } = secured()
      app.get('/', (c) =>
        c.text('ok', 200, { 'content-security-policy': "default-src 'self'", 'x-frame-options': 'SAMEORIGIN' }),
      )
      const response = await app.request('/')
      assert.equal(response.headers.get('content-security-policy'), "default-src 'self'")
      assert.equal(response.headers.get('x-frame-options'), 'DENY')
    },
    'HSTS is sent in production only': async () => {
      const { app } = secured({ mode: 'development' })
      app.get('/', (c) => c.text('ok'))
      const response = await app.request('/')
      assert.equal(response.headers.get('strict-transport-security'), null)
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
    },
    'a 101 passes untouched': async () => {
      // No constructor outside workerd makes a 101, so the status is put on one.
      const { app } = secured()
      const upgrade = Object.defineProperty(new Response(null, { headers: { 'x-mine': '1' } }), 'status', {
        value: 101,
      })
      app.get('/', () => upgrade)
      const response = await app.request('/')
      assert.equal(response, upgrade)
      assert.deepEqual([...response.headers.keys()], ['x-mine'])
    },
  }),
  ...cases('security()', {
    'throws at start for a bad option, naming it': () => {
      const platform = new TestPlatform()
      assert.throws(() => security({} as never), /security\(\): platform is missing/)
      for (const maxBodyBytes of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1mb' as never]) {
        assert.throws(() => security({ platform, maxBodyBytes }), /maxBodyBytes/)
      }
      assert.throws(() => security({ platform, hosts: ['*.example.com'] }), /hosts/)
      assert.throws(() => security({ platform, cors: { origins: ['*'] } }), /cors\.origins/)
      assert.throws(() => security({ platform, headers: { referrerPolicy: 'a\r\nb' } }), /headers\.referrerPolicy/)
    },
    'records each refusal with its reason': async () => {
      const { app, events, platform } = secured({ hosts: ['localhost'], maxBodyBytes: 3 })
      await app.request(rawRequest('/a//b'))
      await app.request(new Request('http://evil.example/'))
      await app.request(new Request('http://localhost/', { headers: { host: 'evil.example' } }))
      await app.request('/', { method: 'POST', body: 'long' })
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, level, reason }) => [type, level, reason]),
        [
          ['path.refused', 'warn', 'empty_segment'],
          ['host.refused', 'warn', 'foreign_host'],
          ['host.refused', 'warn', 'host_mismatch'],
          ['body.refused', 'warn', 'body.too_large'],
        ],
      )
    },
    'records a thrown error as a fault, and a chosen HTTPException not': async () => {
      const { app, events, platform } = secured()
      app.get('/error', () => {
        throw new RangeError('hunter2')
      })
      app.get('/chosen', () => {
        throw new HTTPException(418)
      })
      await quietly(() => app.request('/error'))
      await app.request('/chosen')
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, reason }) => [type, reason]),
        [['fault', 'RangeError']],
      )
    },
    'turns the default 500 of Hono into a problem': async () => {
      const { app } = secured()
      app.get('/', () => {
        throw new Error('hunter2')
      })
      const response = await quietly(() => app.request('/'))
      assert.equal(response.headers.get('content-type'), 'application/problem+json')
      assert.equal(((await response.json()) as { code: string }).code, 'internal')
    },
    'turns a handler that gives nothing into a problem': async () => {
      const { app } = secured()
      app.get('/', () => undefined as never)
      const response = await app.request('/')
      assert.equal(response.status, 500)
      assert.equal(((await response.json()) as { detail: string }).detail, 'The handler gave no response.')
    },
    'leaves a 404 that a handler chose as it is': async () => {
      const { app } = secured()
      app.get('/a', (c) => c.json({ error: 'no such agent' }, 404))
      app.get('/b', (c) => c.text('no such agent', 404))
      assert.deepEqual(await (await app.request('/a')).json(), { error: 'no such agent' })
      assert.equal(await (await app.request('/b')).text(), 'no such agent')
    },
    'keeps answers to a principal out of caches, unless the handler chose': async () => {
      // GHSA-p77w-8qqv-26rm
      const { app } = secured()
      app.get('/open', (c) => c.text('ok'))
      app.use(authenticate(apiKeys({ keys: [digestApiKey('k')] })))
      app.get('/mine', (c) => c.text('ok')).get('/chosen', (c) => c.text('ok', 200, { 'cache-control': 'private' }))
      const init = { headers: { 'x-api-key': 'k' } }
      assert.equal((await app.request('/mine', init)).headers.get('cache-control'), 'no-store')
      assert.equal((await app.request('/mine')).headers.get('cache-control'), 'no-store')
      assert.equal((await app.request('/chosen', init)).headers.get('cache-control'), 'private')
      assert.equal((await app.request('/open', init)).headers.get('cache-control'), null)
    },
    'keeps every Set-Cookie apart, also on immutable headers': async () => {
      // GHSA-j6c9-x7qj-28xf
      const { app } = secured()
      const headers: [string, string][] = [
        ['set-cookie', 'a=1; Path=/'],
        ['set-cookie', 'b=2; Expires=Sat, 21 Nov 2026 00:00:00 GMT'],
      ]
      app.get('/', () => new Response('x', { headers })).get('/fetched', () => immutable('x', { headers }))
      for (const path of ['/', '/fetched']) {
        const names = [...(await app.request(path)).headers].map(([name]) => name)
        assert.equal(names.filter((name) => name === 'set-cookie').length, 2, path)
      }
    },
    'tells 1,000 interleaved requests apart': async () => {
      // H fab3b136: a process-wide context survived an await.
      const { app } = secured()
      const ids = Array.from({ length: 20 }, (_, i) => `user-${i}`)
      app.use(authenticate(apiKeys({ keys: ids.map((id) => ({ id, digest: digestApiKey(id) })) })))
      app.post('/:id', async (c) => {
        await c.req.text()
        return c.json([c.req.param('id'), (c.var as unknown as { principal: { id: string } }).principal.id])
      })
      const answers = Array.from({ length: 1000 }, async (_, i) => {
        const id = ids[(i * 7) % ids.length]!
        const answer = await app.request(`/${id}`, {
          method: 'POST',
          body: 'x'.repeat(i),
          headers: { 'x-api-key': id },
        })
        assert.deepEqual(await answer.json(), [id, id])
      })
      await Promise.all(answers)
    },
    'keeps its headers and answers a problem when the platform cannot tell the address': async () => {
      const platform = Object.assign(new TestPlatform(), {
        address(): never {
          throw new Error('no socket')
        },
      })
      const { app, events } = secured({ platform })
      app.use(rateLimit({ quota: 1, periodSeconds: 1 })).get('/', (c) => c.text('handled'))
      const answer = await quietly(async () => app.request('/'))
      assert.equal(answer.status, 500)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, address }) => [type, address]),
        [['fault', 'unknown']],
      )
    },
    'answers in the standard shape when formatProblem throws': async () => {
      const { app, events, platform } = secured({
        formatProblem() {
          throw new Error('format')
        },
      })
      const answer = await app.request('/nowhere')
      assert.equal(answer.status, 404)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, reason }) => [type, reason]),
        [['fault', 'formatProblem']],
      )
    },
    'HTT-1 a handler does not open to other origins what cors closes': async () => {
      const { app } = secured({ cors: { origins: ['https://app.example'] } })
      const grants = { 'access-control-allow-origin': '*', 'access-control-allow-credentials': 'true' }
      app.get('/', () => new Response('proxied', { headers: grants }))
      const foreign = await app.request('/', { headers: { origin: 'https://evil.example' } })
      for (const name of Object.keys(grants)) assert.equal(foreign.headers.get(name), null)
      const ours = await app.request('/', { headers: { origin: 'https://app.example' } })
      assert.equal(ours.headers.get('access-control-allow-origin'), 'https://app.example')
    },
    'asks for the peer before anything can break, and once': async () => {
      let asked = 0
      let connected = true
      const platform = Object.assign(new TestPlatform(), {
        address() {
          asked += 1
          return makeAddress(connected ? '203.0.113.9' : '', 'socket')
        },
      })
      const { app, events } = secured({ platform })
      const hangUp = async () => {
        connected = false
        return null
      }
      const slow = { name: 'slow', challenge: 'Slow', hint: '', authenticate: hangUp }
      app.use(authenticate(slow)).get('/', (c) => c.text('handled'))
      assert.equal((await app.request('/')).status, 401)
      await platform.settled()
      assert.deepEqual([asked, events[0]!.address], [1, '203.0.113.9'])
    },
    'stands twice without losing the peer or the principal': async () => {
      const { app } = secured()
      // As on Bun, where only the original request has a peer.
      const inner = Object.assign(new TestPlatform(), { address: () => UNKNOWN_ADDRESS })
      app.use(security({ platform: inner, events: [] })).post('/', (c) => c.json(c.var.security.address().ip))
      const answer = await app.request('/', { method: 'POST', body: 'x' }, peer('203.0.113.9'))
      assert.equal(await answer.json(), '203.0.113.9')
    },
    'refuses a URL without scheme and authority, as HTTP/1.0 without Host leaves it on Bun': async () => {
      const { app } = secured()
      app.all('*', (c) => c.text('handled'))
      for (const url of ['/xlocalhost/local', '/health', '/a://b/health', 'ftp://localhost/x', 'http:///x']) {
        const request = new Request('http://localhost/')
        Object.defineProperty(request, 'url', { value: url })
        assert.equal((await app.request(request)).status, 400, url)
      }
    },
    'withholds no answer that streams, be it a 404 of plain text': async () => {
      const { app } = secured()
      const never = () => new ReadableStream({ pull: () => new Promise(() => undefined) })
      app.get('/', () => new Response(never(), { status: 404, headers: { 'content-type': 'text/plain' } }))
      const answer = await app.request('/')
      assert.equal(answer.headers.get('content-type'), 'text/plain')
      await answer.body?.cancel()
    },
    'answers a problem for a response that cannot be sent': async () => {
      const { app } = secured()
      app.get('/error', () => Response.error())
      const answer = await app.request('/error')
      assert.equal(answer.status, 500)
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    },
    'lets nobody else keep what an authenticated caller is told': async () => {
      // GHSA-p77w-8qqv-26rm, CVE-2026-44457
      const { app } = secured()
      const scheme = apiKeys({ keys: [digestApiKey('key')] })
      app.use(authenticate(scheme)).get('/:how', (c) => c.text('x', 200, { 'cache-control': c.req.param('how') }))
      const kept = async (how: string) =>
        (await app.request(`/${how}`, { headers: { 'x-api-key': 'key' } })).headers.get('cache-control')
      assert.equal(await kept('public'), 'no-store')
      assert.equal(await kept('max-age=60'), 'no-store')
      assert.equal(await kept('private'), 'private')
    },
    'leaves no cache of a network in doubt about an authenticated answer': async () => {
      const { app } = secured()
      const headers = {
        'cache-control': 'private',
        'cdn-cache-control': 'public, max-age=600',
        'surrogate-control': 'max-age=600',
      }
      app.use(authenticate(apiKeys({ keys: [digestApiKey('key')] }))).get('/', (c) => c.text('x', 200, headers))
      const answer = await app.request('/', { headers: { 'x-api-key': 'key' } })
      assert.equal(answer.headers.get('cache-control'), 'private')
      for (const name of ['cdn-cache-control', 'surrogate-control']) assert.equal(answer.headers.get(name), null)
    },
    'tells the log which setting is missing': async () => {
      const { app, events, platform } = secured({ store: undefined as never })
      app.use(rateLimit({ quota: 1, periodSeconds: 1 })).get('/', (c) => c.text('handled'))
      assert.equal((await quietly(async () => app.request('/'))).status, 500)
      await platform.settled()
      assert.deepEqual([events[0]!.type, events[0]!.reason], ['fault', 'SetupError'])
      assert.match(events[0]!.resource!, /store is missing\. Give security\(\) or rateLimit\(\) one/)
    },
    'gives a body that stalls its time, and no more': async () => {
      const { app } = secured({ bodyTimeoutSeconds: 0.05 })
      let handled = 0
      app.post('/', (c) => c.text(`${++handled}`))
      const stalled = new ReadableStream({ pull: () => new Promise(() => undefined) })
      const init = { method: 'POST', body: stalled, duplex: 'half' } as RequestInit
      assert.equal((await app.request('/', init)).status, 408)
      assert.equal(handled, 0)
      for (const bodyTimeoutSeconds of [0, -1, Number.NaN, 3601]) {
        assert.throws(() => secured({ bodyTimeoutSeconds }), /bodyTimeoutSeconds/)
      }
    },
    'HTT-1 credentials that cors does not allow are not allowed by a handler': async () => {
      const { app } = secured({ cors: { origins: ['https://app.example'] } })
      app.get('/', () => new Response('x', { headers: { 'access-control-allow-credentials': 'true' } }))
      const answer = await app.request('/', { headers: { origin: 'https://app.example' } })
      assert.equal(answer.headers.get('access-control-allow-origin'), 'https://app.example')
      assert.equal(answer.headers.get('access-control-allow-credentials'), null)
    },
    'tells of the limits of both when it stands twice': async () => {
      const { app, platform, store } = secured()
      app
        .use(rateLimit({ quota: 100, periodSeconds: 60, name: 'outer' }))
        .use(security({ platform, store, events: [] }))
        .use(rateLimit({ quota: 1, periodSeconds: 600, name: 'inner' }))
        .get('/', (c) => c.text('ok'))
      await app.request('/', {}, peer('203.0.113.9'))
      const refused = await app.request('/', {}, peer('203.0.113.9'))
      assert.equal(refused.status, 429)
      assert.equal(refused.headers.get('x-ratelimit-remaining'), '0')
      assert.match(refused.headers.get('ratelimit')!, /"outer";r=98;.*"inner";r=0;/)
    },
    'keeps what other layers wrote on an answer that becomes a problem': async () => {
      const { app } = secured()
      app.use(async (c, next) => {
        await next()
        c.res.headers.set('x-request-id', '7')
        c.res.headers.append('set-cookie', 'a=1')
        c.res.headers.append('set-cookie', 'b=2')
      })
      const answer = await app.request('/nowhere')
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      assert.equal(answer.headers.get('x-request-id'), '7')
      assert.equal(answer.headers.get('set-cookie'), 'a=1, b=2')
    },
    'calls no fault what onError answers as a refusal': async () => {
      const { app, events, platform } = secured()
      app.get('/', () => {
        throw new Error('taken')
      })
      app.onError((_error, c) => c.text('taken', 409))
      assert.equal((await app.request('/')).status, 409)
      await platform.settled()
      assert.deepEqual(events, [])
    },
    'hands on what a handler says while its answer streams': async () => {
      const { app, events, platform } = secured()
      app.get('/', (c) => {
        const body = new ReadableStream({
          async pull(controller) {
            await Promise.resolve()
            c.var.security.emit({ type: 'credential.stored', level: 'info', resource: 'late' })
            controller.close()
          },
        })
        return c.body(body)
      })
      const answer = await app.request('/')
      await answer.text()
      await platform.settled()
      assert.deepEqual(
        events.map(({ resource }) => resource),
        ['late'],
      )
    },
    'serves a store-less app': async () => {
      const { sink } = keepEvents()
      const { Hono } = await import('hono')
      const app = new Hono().use(security({ platform: new TestPlatform(), clock: new StoppedClock(), events: sink }))
      app.get('/', (c) => c.text('ok'))
      assert.equal((await app.request('/', {}, peer('203.0.113.9'))).status, 200)
    },
  }),
]
