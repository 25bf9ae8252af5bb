import assert from 'node:assert/strict'
import { apiKeys } from '../../src/auth/api-keys.ts'
import { digestApiKey } from '../../src/auth/key-format.ts'
import { authenticate } from '../../src/auth/middleware.ts'
import { type CorsOptions, makeCors, TAURI_ORIGINS } from '../../src/http/cors.ts'
import { rateLimit } from '../../src/limit/middleware.ts'
import { type Case, cases } from '../cases.ts'
import { secured, streamedPost, streamOf } from '../support/fixtures.ts'

const APP = 'https://app.example.com'

function setUp(cors: Partial<CorsOptions> = {}, quota = 1000) {
  const made = secured({
    cors: { origins: [APP, 'http://localhost:5173', ...TAURI_ORIGINS], ...cors },
    maxBodyBytes: 100,
  })
  let handled = 0
  made.app.get('/plain', (c) => c.text('ok', 200, { vary: 'Accept' }))
  made.app.get('/star', (c) => c.text('ok', 200, { vary: '*' }))
  made.app.get('/varied', (c) => c.text('ok', 200, { vary: 'accept, ORIGIN' }))
  made.app
    .use(rateLimit({ quota, periodSeconds: 60 }))
    .use(authenticate(apiKeys({ keys: [digestApiKey('k')] })))
    .all('/*', (c) => c.text(`${++handled}`))
  return { ...made, handled: () => handled }
}

function preflight(origin: string, headers: Readonly<Record<string, string>> = {}): RequestInit {
  return { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', ...headers } }
}

/** Over 200 origins that are none of the allowed ones, each near to one in some way. */
function strangers(): readonly string[] {
  const near = [APP, 'http://localhost:5173', ...TAURI_ORIGINS].flatMap((origin) => {
    const [scheme, host] = origin.split('://') as [string, string]
    const bare = host.split(':')[0]!
    return [
      `${origin}.evil.example`,
      `${origin}evil`,
      `${origin}.`,
      `${origin}/`,
      `${origin}/path`,
      `${origin}?x`,
      `${origin}#x`,
      `${origin}:1`,
      `${origin}:443`,
      `${origin}:80`,
      `${origin}0`,
      `${origin},`,
      `${origin} https://evil.example`,
      `${origin}, https://evil.example`,
      `https://evil.example, ${origin}`,
      `https://evil.example ${origin}`,
      `${origin}%00`,
      `${origin}%2eevil.example`,
      `${origin}\\.evil.example`,
      `${origin}@evil.example`,
      `${scheme}://evil.example@${host}`,
      `${scheme}://user:pass@${host}`,
      `${scheme}://evil${host}`,
      `${scheme}://evil.${host}`,
      `${scheme}://x-${host}`,
      `${scheme}://${host.replace('.', 'x')}x`,
      `${scheme}://${host.slice(1)}`,
      `${scheme}://${host.slice(0, -1)}`,
      `${scheme}://${host.toUpperCase()}`,
      `${scheme.toUpperCase()}://${host}`,
      `${scheme}s://${host}x`,
      `x${origin}`,
      `${scheme}:${host}`,
      `${scheme}:/${host}`,
      `${scheme}:///${host}`,
      `//${host}`,
      host,
      `${bare}:${scheme}`,
      `ws://${host}`,
      `file://${host}`,
      `${scheme}://${bare}:05173`,
      `${scheme}://${bare}:5174`,
      `javascript:${origin}`,
      `data:${origin}`,
      `blob:${origin}`,
    ]
  })
  const plain = [
    'null',
    'NULL',
    'undefined',
    '',
    '*',
    'https://*',
    'https://*.example.com',
    'https://example.com',
    'http://app.example.com',
    'https://evil.example',
    'https://appxexample.com',
    'https://app.example.co',
    'http://127.0.0.1:5173',
    'http://[::1]:5173',
    'file://',
    'about:blank',
    'http://localhost',
    'http://localhost:51730',
    'https://localhost:5173',
    'http://tauri.localhost',
    'tauri://',
    'capacitor://localhost',
    'ionic://localhost',
    'chrome-extension://abcdef',
    'moz-extension://abcdef',
    'https://localhost',
  ]
  return [...new Set([...near, ...plain])]
}

export const corsCases: readonly Case[] = [
  ...cases('HTT-1', {
    'an allowed origin is named in the answer, each exactly': async () => {
      const { app } = setUp()
      for (const origin of [APP, 'http://localhost:5173', 'tauri://localhost', 'https://tauri.localhost']) {
        const answer = await app.request('/plain', { headers: { origin } })
        assert.equal(answer.headers.get('access-control-allow-origin'), origin)
        assert.equal(answer.headers.get('access-control-allow-credentials'), null)
      }
    },
    'no other origin is ever reflected: null, suffix, prefix, port, case and userinfo among 200': async () => {
      // CVE-2026-54290; ASVS 3.4.2.
      const { app } = setUp({ credentials: true })
      const origins = strangers()
      assert.ok(origins.length >= 200, String(origins.length))
      for (const origin of origins) {
        for (const init of [{ headers: { origin } }, preflight(origin)]) {
          const answer = await app.request('/plain', init)
          for (const name of [
            'access-control-allow-origin',
            'access-control-allow-credentials',
            'access-control-allow-methods',
            'access-control-allow-headers',
          ]) {
            assert.equal(answer.headers.get(name), null, origin)
          }
          assert.match(answer.headers.get('vary') ?? '', /origin/i)
        }
      }
    },
    'a request without origin is answered without CORS fields, and varies all the same': async () => {
      const { app } = setUp()
      const answer = await app.request('/plain')
      assert.equal(answer.headers.get('access-control-allow-origin'), null)
      assert.equal(answer.headers.get('vary'), 'Accept, Origin')
    },
    'Vary holds what the server says, once, and never what the request brings': async () => {
      // GHSA-q7jf-gf43-6x6p: the request's Vary was copied into the answer.
      const { app } = setUp()
      const ask = async (path: string) =>
        (await app.request(path, { headers: { origin: APP, vary: 'X-Evil' } })).headers.get('vary')
      assert.equal(await ask('/plain'), 'Accept, Origin')
      assert.equal(await ask('/varied'), 'accept, ORIGIN')
      assert.equal(await ask('/star'), '*')
    },
    'credentials are allowed only where told': async () => {
      const { app } = setUp({ credentials: true })
      const answer = await app.request('/plain', { headers: { origin: APP } })
      assert.equal(answer.headers.get('access-control-allow-credentials'), 'true')
      assert.equal(answer.headers.get('access-control-allow-origin'), APP)
    },
    'a preflight needs no key, costs no quota and reaches no handler': async () => {
      const { app, handled } = setUp({}, 2)
      for (let i = 0; i < 10; i++) {
        const answer = await app.request('/api', preflight(APP))
        assert.equal(answer.status, 204)
        assert.equal(answer.headers.get('access-control-allow-origin'), APP)
        assert.equal(answer.headers.get('access-control-allow-methods'), 'GET, HEAD, POST, PUT, PATCH, DELETE')
        assert.equal(answer.headers.get('access-control-allow-headers'), 'authorization, content-type, x-api-key')
        assert.equal(answer.headers.get('access-control-max-age'), '600')
        assert.equal(await answer.text(), '')
      }
      assert.equal(handled(), 0)
      const first = await app.request('/api', { headers: { 'x-api-key': 'k' } })
      assert.equal(first.headers.get('x-ratelimit-remaining'), '1')
    },
    'a preflight of a stranger is refused and told nothing': async () => {
      const { app, events, platform } = setUp()
      const answer = await app.request('/api', preflight('https://evil.example'))
      assert.equal(answer.status, 403)
      assert.equal(((await answer.json()) as { code: string }).code, 'cors.origin_not_allowed')
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, origin }) => [type, origin]),
        [['cors.refused', 'https://evil.example']],
      )
    },
    'an OPTIONS that is no preflight is a request like any other': async () => {
      const { app, handled } = setUp()
      assert.equal((await app.request('/api', { method: 'OPTIONS', headers: { origin: APP } })).status, 401)
      assert.equal((await app.request('/api', { method: 'OPTIONS', headers: { 'x-api-key': 'k' } })).status, 200)
      assert.equal(handled(), 1)
    },
    'a preflight that asks for 64 KiB of headers is answered at once, and they are not echoed': async () => {
      // CVE-2026-69207
      const { app } = setUp()
      const start = Date.now()
      const answer = await app.request(
        '/api',
        preflight(APP, { 'access-control-request-headers': `a${' '.repeat(65_000)},x-evil` }),
      )
      assert.ok(Date.now() - start < 100)
      assert.equal(answer.headers.get('access-control-allow-headers'), 'authorization, content-type, x-api-key')
    },
    'refusals with 400, 401, 404, 413 and 429 can be read by an allowed origin, limits and challenge too': async () => {
      const { app } = setUp({}, 3)
      const from = (headers: Record<string, string> = {}) => ({ headers: { origin: APP, ...headers } })
      const answers = [
        [400, await app.request('http://localhost//x', from())],
        [413, await app.request('/api', { method: 'POST', body: 'x'.repeat(101), ...from() })],
        [413, await app.request(streamedPost(streamOf(new Uint8Array(101)), { origin: APP }))],
        [401, await app.request('/api', from())],
        [401, await app.request('/api', from({ 'x-api-key': 'wrong' }))],
        [400, await app.request('/api', from({ 'x-api-key': 'k', authorization: 'Bearer k' }))],
        [429, await app.request('/api', from({ 'x-api-key': 'k' }))],
      ] as const
      for (const [status, answer] of answers) {
        assert.equal(answer.status, status)
        assert.equal(answer.headers.get('access-control-allow-origin'), APP)
        const exposed = answer.headers.get('access-control-expose-headers') ?? ''
        for (const name of [
          'RateLimit',
          'RateLimit-Policy',
          'Retry-After',
          'WWW-Authenticate',
          'X-RateLimit-Limit',
          'X-RateLimit-Remaining',
          'X-RateLimit-Reset',
        ]) {
          assert.ok(exposed.split(', ').includes(name), name)
        }
      }
    },
    'without CORS settings no answer names an origin, and a preflight is no special request': async () => {
      const { app } = secured()
      app.all('/', (c) => c.text('ok'))
      const answer = await app.request('/', preflight(APP))
      assert.equal(answer.status, 200)
      assert.equal(answer.headers.get('access-control-allow-origin'), null)
      assert.equal(answer.headers.get('vary'), null)
    },
  }),
  ...cases('makeCors()', {
    'throws at start for any wildcard, null, pattern or what browsers never send, naming it': () => {
      for (const origin of [
        '*',
        'null',
        '',
        'https://*',
        'https://*.example.com',
        'https://a.example/',
        'https://a.example/x',
        'https://A.example',
        'HTTPS://a.example',
        'https://a.example:443',
        'http://a.example:80',
        'https://u@a.example',
        'a.example',
        '//a.example',
        'https://',
        'https://a.example, https://b.example',
        'https://a.example\r\n',
        '.*',
      ]) {
        for (const credentials of [true, false]) {
          assert.throws(
            () => makeCors({ origins: [APP, origin], credentials }),
            (error) => error instanceof TypeError && error.message.includes(JSON.stringify(origin)),
            origin,
          )
        }
      }
      for (const origin of [
        'https://a.example:8443',
        'http://[::1]:5173',
        'tauri://localhost',
        'chrome-extension://abcdef',
        'http://a.example:443',
      ]) {
        assert.equal(makeCors({ origins: [origin] }).allows(origin), true)
      }
    },
    'throws at start for a method or header that is no name, and for "*"': () => {
      for (const option of ['allowHeaders', 'allowMethods', 'exposeHeaders'] as const) {
        for (const name of ['*', '', 'a b', 'a,b', 'a\r\nb', 'é']) {
          assert.throws(
            () => makeCors({ origins: [APP], [option]: [name] }),
            (error) => error instanceof TypeError && error.message.includes(`cors.${option}`),
          )
        }
      }
    },
    'throws at start for an age that is no whole number of seconds': () => {
      for (const maxAgeSeconds of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1' as never]) {
        assert.throws(() => makeCors({ origins: [APP], maxAgeSeconds }), /cors\.maxAgeSeconds/)
      }
    },
    'uses each option': () => {
      const cors = makeCors({
        origins: [APP],
        allowHeaders: ['x-a'],
        allowMethods: ['GET'],
        exposeHeaders: ['x-b'],
        maxAgeSeconds: 0,
      })
      assert.deepEqual(cors.preflightHeaders, {
        'access-control-allow-methods': 'GET',
        'access-control-allow-headers': 'x-a',
        'access-control-max-age': '0',
      })
      const exposed = cors.answerHeaders(APP).find(([name]) => name === 'access-control-expose-headers')
      assert.match(exposed![1], /, x-b$/)
    },
  }),
]
