import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { type Answer, Client } from './client.ts'
import { type Provider, RUNTIMES, startProvider, startServer, type TestServer } from './servers.ts'

const APP = 'https://app.example'
const SECURITY_HEADERS: Record<string, string> = {
  'content-security-policy':
    "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
}

function expectProblem(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.headers['content-type'], answer.body]).toEqual([
    status,
    'application/problem+json',
    expect.stringContaining(`"code":"${code}"`),
  ])
  expect(answer.headers).toMatchObject(SECURITY_HEADERS)
}

describe.each(RUNTIMES)('%s >', (runtime) => {
  let server: TestServer
  let provider: Provider
  const client = (): Client => new Client(server)

  beforeAll(async () => {
    provider = await startProvider()
    server = await startServer(runtime, { MODEL_URL: `${provider.url}/v1`, PROVIDER: provider.url })
  }, 60_000)
  afterAll(async () => {
    await server?.stop()
    await provider?.stop()
  })

  describe('keys', () => {
    test('KEY-5 without a key: 401, a challenge and a problem that says missing', async () => {
      const answer = await client().chat('hello', {})
      expectProblem(answer, 401, 'auth.missing')
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="api"')
    })

    test('KEY-5 a wrong key: 401 with another message and the RFC 6750 code, and nothing of the key or of others', async () => {
      const missing = await client().chat('hello', {})
      const wrong = await client().chat('hello', { authorization: `Bearer ${server.key.slice(0, -1)}~` })
      expectProblem(wrong, 401, 'auth.invalid')
      expect(wrong.headers['www-authenticate']).toBe('Bearer realm="api", error="invalid_token"')
      expect(JSON.parse(wrong.body).detail).not.toBe(JSON.parse(missing.body).detail)
      expect(wrong.body).not.toContain('owner')
      expect(wrong.body).not.toContain(server.key.slice(4, 20))
    })

    test('KEY-3 the key is taken by either header, the scheme in any case', async () => {
      for (const headers of [
        { authorization: `Bearer ${server.key}` },
        { authorization: `bEaReR ${server.key}` },
        { 'x-api-key': server.key },
      ]) {
        expect((await client().chat('hello', headers as Record<string, string>)).status).toBe(200)
      }
    })

    test('KEY-3 two credentials in one request are refused', async () => {
      expectProblem(await client().chat('hello', { ...client().key, 'x-api-key': server.key }), 400, 'auth.ambiguous')
    })
  })

  describe('paths', () => {
    test('KEY-4 /health is open', async () => {
      expect((await client().call('/health')).status).toBe(200)
    })

    // CVE-2026-39406, CVE-2026-29045, GHSA-3mpf-rcc7-5347 and the rest of list 1, "Hono: path".
    test.each([
      '//health',
      '/healthz',
      '/health/../api/chat',
      '/health/%2e%2e/api/chat',
      '/health/..%2fapi/chat',
      '/api%2fchat',
      '/%61pi/chat',
      '/API/chat',
      '/api//chat',
      '//api/chat',
      '/./api/chat',
      '/api/chat/',
      '/api/chat;x',
      '/api/chat%00',
      '/api\\chat',
      '/api%5cchat',
      '/api/%2563hat',
      '/api/chat%c0%af',
      '/health;/../api/chat',
      '/health/./../api/chat',
      '/health%2f..%2fapi%2fchat',
      '/.;/api/chat',
      '/api/chat.',
      '/api/chat%20',
      '/api/chat?x=/health',
      '/api/chat#/health',
    ])('KEY-4 %s never lets a stranger reach the chat handler', async (path) => {
      const before = provider.seen.length
      const body = '{"message":"hello"}'
      const answer = await client().raw(
        `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      )
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.status).toBeLessThan(500)
      expect(answer.body).not.toContain('reply')
      expect(provider.seen.length).toBe(before)
    })

    test.each(['//health', '/api%2fchat', '/%61pi/chat', '/api/chat%00', '/api/%2563hat', '/api%5cchat'])(
      'KEY-4 %s is refused as not canonical',
      async (path) => {
        const answer = await client().raw(
          `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\n\r\n`,
        )
        expectProblem(answer, 400, 'path.not_canonical')
      },
    )
  })

  describe('limits', () => {
    test('LIM-4 who hangs up on a stream is charged for what it got, not for what was reserved', async () => {
      const one = client()
      const taken = await one.hangUpAfter('/limits/stream', 200)
      const left = async () => Number((await one.call('/limits/left')).body)
      expect(await left()).toBeLessThan(100_000)
      await expect.poll(left, { timeout: 5_000 }).toBeGreaterThan(50_000)
      const charged = 100_000 - (await left())
      expect(charged).toBeGreaterThanOrEqual(taken)
      expect(charged).toBeLessThan(20_000)
    })

    test('LIM-3 the 101st call in a minute is 429, with all the fields', async () => {
      const one = client()
      for (let i = 1; i <= 100; i++) {
        const answer = await one.chat('hello', {})
        expect([answer.status, answer.headers['x-ratelimit-remaining']]).toEqual([401, String(100 - i)])
      }
      const refused = await one.chat('hello')
      expectProblem(refused, 429, 'limit.exceeded')
      expect(refused.headers).toMatchObject({
        'retry-after': '1',
        'x-ratelimit-limit': '100',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': '60',
        ratelimit: expect.stringMatching(/^"general";r=0;t=60;pk=:[0-9a-f]{16}:$/),
        'ratelimit-policy': expect.stringMatching(/^"general";q=100;w=60;pk=:[0-9a-f]{16}:$/),
      })
      expect((await client().chat('hello')).status).toBe(200)
    })

    test('LIM-1 of 1,000 calls in parallel exactly the quota passes', async () => {
      const one = client()
      const statuses = await Promise.all(Array.from({ length: 1000 }, async () => (await one.chat('hello', {})).status))
      expect([
        statuses.filter((status) => status === 401).length,
        statuses.filter((status) => status === 429).length,
      ]).toEqual([100, 900])
    })

    test('LOC-5 a forwarding header that nobody declared changes nothing', async () => {
      const one = client()
      const forwarded = (i: number): Record<string, string> => ({
        'x-forwarded-for': `203.0.113.${i}`,
        forwarded: `for=203.0.113.${i}`,
        'x-real-ip': `203.0.113.${i}`,
      })
      const left = [(await one.chat('a', forwarded(1))).headers, (await one.chat('b', forwarded(2))).headers].map(
        (headers) => headers['x-ratelimit-remaining'],
      )
      expect(left).toEqual(['99', '98'])
    })
  })

  describe('input', () => {
    test('VAL-1 a bad body is 400 with the path of each field and no echo', async () => {
      const answer = await client().call('/api/chat', {
        headers: { ...client().key, 'content-type': 'application/json' },
        body: '{"message":["sk-live-canary"]}',
      })
      expectProblem(answer, 400, 'validation.failed')
      expect(JSON.parse(answer.body).errors).toEqual([
        { target: 'json', path: ['message'], code: 'invalid_type', message: 'Must be of type string.' },
      ])
      expect(answer.body + server.output()).not.toContain('canary')
    })

    test('VAL-4 a chat of 10,000 characters passes, one more does not', async () => {
      expect((await client().chat('a'.repeat(10_000))).status).toBe(200)
      expectProblem(await client().chat('a'.repeat(10_001)), 400, 'validation.failed')
    })

    test('VAL-1 what is no JSON is 400, another type 415', async () => {
      const { key } = client()
      expectProblem(
        await client().call('/api/chat', { headers: { ...key, 'content-type': 'application/json' }, body: '{"mess' }),
        400,
        'body.unreadable',
      )
      expectProblem(
        await client().call('/api/chat', {
          headers: { ...key, 'content-type': 'text/plain' },
          body: '{"message":"a"}',
        }),
        415,
        'body.unsupported_type',
      )
    })

    test('VAL-2 2 MB declared is 413 before any of it is read', async () => {
      const answer = await client().raw(
        `POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAuthorization: Bearer ${server.key}\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n`,
      )
      expectProblem(answer, 413, 'body.too_large')
    })

    // GHSA-9vqf-7f2p-gf9v, CVE-2026-44456: a limit decided after the handler ran.
    test('VAL-2 2 MB in chunks is 413, and the handler never runs', async () => {
      const before = provider.seen.length
      const chunk = `10000\r\n${'a'.repeat(65_536)}\r\n`
      const answer = await client().raw(
        `POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAuthorization: Bearer ${server.key}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
        ...Array.from({ length: 31 }, () => chunk),
        '0\r\n\r\n',
      )
      expectProblem(answer, 413, 'body.too_large')
      expect(provider.seen.length).toBe(before)
    })

    test('VAL-2 a body of exactly the cap arrives whole, by either way of reading it', async () => {
      expect(JSON.parse((await client().call('/kinds/length', { body: new Uint8Array(1_048_576) })).body)).toEqual({
        bytes: 1_048_576,
        raw: 'POST',
      })
      expect((await client().call('/kinds/raw-body', { body: 'as it is' })).body).toBe('as it is')
    })

    test('VAL-2 the handler never sees a byte beyond the declaration', async () => {
      const body = '{"message":"declared"}'
      const answer = await client().raw(
        `POST /kinds/raw-body HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nContent-Length: ${body.length}\r\n\r\n${body}GET /health?smuggled HTTP/1.1\r\n\r\n`,
      )
      expect(answer.status).toBe(200)
      expect(answer.body.slice(0, body.length)).toBe(body)
      expect(answer.body.slice(body.length)).not.toContain('smuggled')
    })

    // GHSA-92pp-class smuggling: Transfer-Encoding beats Content-Length, or the message is refused.
    test('VAL-2 a length that lies beside chunks does not let an oversized body through', async () => {
      const chunk = `10000\r\n${'a'.repeat(65_536)}\r\n`
      const answer = await client().raw(
        `POST /kinds/length HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
        ...Array.from({ length: 31 }, () => chunk),
        '0\r\n\r\n',
      )
      expect(answer.body).not.toContain('"bytes":2')
      expect([0, 400, 413]).toContain(answer.status)
    })

    test.each(['GET', 'HEAD'])('VAL-2 a %s with a body never hands one to the handler', async (method) => {
      const chunk = `10000\r\n${'a'.repeat(65_536)}\r\n`
      const head = `${method} /kinds/json HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\n`
      const chunked = await client().raw(`${head}Transfer-Encoding: chunked\r\n\r\n`, chunk, '0\r\n\r\n')
      const declared = await client().raw(`${head}Content-Length: 5\r\n\r\n`, 'aaaaa')
      expect([chunked.status, declared.status]).toEqual([400, 400])
    })

    test('VAL-5 a body nested 500,000 deep is 400, not 500', async () => {
      const body = `{"message":${'['.repeat(500_000)}`
      const answer = await client().call('/api/chat', {
        headers: { ...client().key, 'content-type': 'application/json' },
        body,
      })
      expectProblem(answer, 400, 'body.unreadable')
    })

    // A body in a million pieces once cost gigabytes, and seconds for everybody else.
    test('VAL-2 a body of one-byte chunks is refused early, and others are served meanwhile', async () => {
      const head = `POST /kinds/length HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nTransfer-Encoding: chunked\r\n\r\n`
      const flood = client().raw(head, '1\r\na\r\n'.repeat(200_000), '0\r\n\r\n')
      expect((await client().call('/health')).status).toBe(200)
      const answer = await flood
      // A runtime may join pieces before anybody sees them; then the body is an ordinary one.
      expect(answer.status === 400 || answer.body === '{"bytes":200000,"raw":"POST"}').toBe(true)
    })

    test('VAL-3 an unsafe id in a path is 400', async () => {
      const { key } = client()
      for (const id of ['a%20b', 'a.b', '%F0%9F%94%A5', 'a'.repeat(129)]) {
        expectProblem(
          await client().call(`/api/credentials/${id}`, { method: 'DELETE', headers: key }),
          400,
          'validation.failed',
        )
      }
    })
  })

  describe('local', () => {
    const body = JSON.stringify({ name: 'other', value: 'value-of-another-service' })
    const store = (one: Client, headers: Record<string, string>): Promise<Answer> =>
      one.call('/api/credentials', { headers: { ...one.key, 'content-type': 'application/json', ...headers }, body })

    test(`LOC-2 a program on this machine ${runtime === 'workerd' ? 'is nobody there: 403' : 'may store, list and delete'}`, async () => {
      const one = client()
      const stored = await store(one, {})
      if (runtime === 'workerd') return expectProblem(stored, 403, 'access.local_only')
      expect(stored.status).toBe(201)
      const listed = await one.call('/api/credentials', { headers: one.key })
      expect(JSON.parse(listed.body)).toContainEqual({
        name: 'other',
        lastFour: 'vice',
        storedAt: expect.any(Number),
        readable: true,
      })
      expect(listed.body).not.toContain('value-of')
      expect((await one.call('/api/credentials/other', { method: 'DELETE', headers: one.key })).body).toBe(
        '{"deleted":true}',
      )
    })

    test('LOC-2 it needs a key as well', async () => {
      const one = client()
      expectProblem(
        await one.call('/api/credentials', { headers: { 'content-type': 'application/json' }, body }),
        401,
        'auth.missing',
      )
    })

    test.each<[string, Record<string, string>]>([
      ['a spoofed X-Forwarded-For', { 'x-forwarded-for': '127.0.0.1' }],
      ['a spoofed CF-Connecting-IP', { 'cf-connecting-ip': '127.0.0.1' }],
      ['a spoofed Forwarded', { forwarded: 'for=127.0.0.1' }],
      ['a foreign Host (DNS rebinding)', { host: 'rebound.example' }],
      ['a look-alike Host', { host: '127.0.0.1.nip.io' }],
      ['a cross-site Origin', { origin: 'https://evil.example' }],
      ['the Origin of another port of this machine', { origin: 'http://127.0.0.1:1' }],
      ['the Origin null', { origin: 'null' }],
      ['a cross-site Sec-Fetch-Site', { 'sec-fetch-site': 'cross-site' }],
      ['a same-site Sec-Fetch-Site', { 'sec-fetch-site': 'same-site' }],
    ])('LOC-3 %s is 403', async (_what, headers) => {
      expectProblem(await store(client(), headers), 403, 'access.local_only')
    })

    const absoluteForm = (target: string, host: string): Promise<Answer> =>
      client().raw(
        `POST http://${target}/api/credentials HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${server.key}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      )

    // workerd refuses every absolute-form request by itself, before any code runs.
    const REFUSED = runtime === 'workerd' ? 500 : 403

    test(`LOC-3 a foreign Host behind an absolute-form target of ours is ${REFUSED}`, async () => {
      expect((await absoluteForm(`127.0.0.1:${server.port}`, 'rebound.example')).status).toBe(REFUSED)
    })

    // Bun drops the authority of the target before any code sees it and goes by Host alone, which a browser sets truthfully.
    if (runtime === 'bun') {
      test('LOC-3 an absolute-form target of another host is read as its Host says, as Bun hides the rest (docs/runtimes.md)', async () => {
        expect((await absoluteForm('rebound.example', `127.0.0.1:${server.port}`)).status).toBe(201)
      })
    } else {
      test(`LOC-3 an absolute-form target of another host behind our Host is ${REFUSED}`, async () => {
        expect((await absoluteForm('rebound.example', `127.0.0.1:${server.port}`)).status).toBe(REFUSED)
      })
    }
  })

  // Bun reads a fragment, which no target may have, as the path, and all see it so.
  test.each(['?x=/health', '?/%68ealth'])(
    'KEY-4 an absolute-form target without a path, and %s behind it, reaches no route that a router finds there',
    async (behind) => {
      const host = `127.0.0.1:${server.port}`
      const answer = await client().raw(
        `GET http://${host}${behind} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      )
      expect(answer.status).toBeGreaterThanOrEqual(400)
    },
  )

  describe('browsers', () => {
    test('HTT-1 a preflight passes without a key and costs nothing', async () => {
      const one = client()
      const answer = await one.call('/api/chat', {
        method: 'OPTIONS',
        headers: {
          origin: APP,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type',
        },
      })
      expect(answer.status).toBe(204)
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': APP,
        'access-control-allow-headers': 'authorization, content-type, x-api-key',
        vary: expect.stringContaining('Origin'),
      })
      expect((await one.chat('hello')).headers['x-ratelimit-remaining']).toBe('99')
    })

    test('HTT-1 a preflight of another origin is refused', async () => {
      for (const origin of [
        'https://evil.example',
        'null',
        `${APP}.evil.example`,
        'https://app.example:8443',
        'http://app.example',
      ]) {
        const answer = await client().call('/api/chat', {
          method: 'OPTIONS',
          headers: { origin, 'access-control-request-method': 'POST' },
        })
        expectProblem(answer, 403, 'cors.origin_not_allowed')
        expect(answer.headers['access-control-allow-origin']).toBeUndefined()
      }
    })

    test('HTT-1 an allowed origin can read a 401 and a 429', async () => {
      const one = client()
      for (let i = 0; i < 100; i++)
        expect((await one.chat('hello', { origin: APP })).headers['access-control-allow-origin']).toBe(APP)
      const refused = await one.chat('hello', { origin: APP })
      expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([429, APP])
      expect(refused.headers['access-control-expose-headers']).toContain('Retry-After')
    })

    test.each<[string, number]>([
      ['json', 200],
      ['raw', 200],
      ['redirect', 302],
      ['proxied', 200],
      ['stream', 200],
      ['sse', 200],
      ['throws', 500],
      ['throws-http', 418],
      ['throws-text', 500],
      ['outage', 503],
      ['nothing', 500],
      ['not-there', 404],
    ])('HTT-2 the headers stand on the answer of /kinds/%s', async (kind, status) => {
      const answer = await client().call(`/kinds/${kind}`, { headers: { origin: APP } })
      expect(answer.status).toBe(status)
      expect(answer.headers).toMatchObject({ ...SECURITY_HEADERS, 'access-control-allow-origin': APP })
      if (status === 500 || status === 503 || status === 404)
        expect(answer.headers['content-type']).toBe('application/problem+json')
    })

    test('HTT-2 the headers stand on a HEAD', async () => {
      const answer = await client().call('/kinds/json', { method: 'HEAD' })
      expect([answer.status, answer.body]).toEqual([200, ''])
      expect(answer.headers).toMatchObject(SECURITY_HEADERS)
    })

    test('HTT-2 a WebSocket opens behind the headers and carries messages', async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}/kinds/socket`)
      const echoed = await new Promise((resolve, reject) => {
        socket.on('open', () => socket.send('hello'))
        socket.on('message', (data) => resolve(String(data)))
        socket.on('error', reject)
      })
      socket.close()
      expect(echoed).toBe('echo hello')
    })
  })

  describe('overload', () => {
    /** A GET whose answer is never read to its end. */
    const begin = (path: string) => {
      const socket = connect({ host: '127.0.0.1', port: server.port })
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('error', () => undefined)
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`)
      return { leave: () => socket.destroy(), status: () => text.slice(9, 12) }
    }
    const pause = () => new Promise((resolve) => setTimeout(resolve, 200))

    test('LIM-6 who breaks off gives its place, and its place in the line, to the next', async () => {
      const first = begin('/queued/endless')
      await vi.waitUntil(() => first.status() === '200', 5000)
      const second = begin('/queued/endless')
      await pause()
      // On Workers no request may wait for another.
      expect(second.status()).toBe(runtime === 'workerd' ? '503' : '')
      second.leave()
      await pause()
      const third = begin('/queued/endless')
      await pause()
      expect(third.status()).toBe(runtime === 'workerd' ? '503' : '')
      first.leave()
      await pause()
      let last = third
      await vi.waitUntil(async () => {
        if (last.status() === '503') last = begin('/queued/endless')
        await pause()
        return last.status() === '200'
      }, 5000)
      last.leave()
      third.leave()
    })

    test('LIM-6 a WebSocket keeps no place of a queue', async () => {
      const sockets: WebSocket[] = []
      for (let i = 0; i < 3; i++) {
        const socket = new WebSocket(`ws://127.0.0.1:${server.port}/queued/socket`)
        sockets.push(socket)
        await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
      }
      for (const socket of sockets) socket.close()
    })
  })

  describe('credentials', () => {
    const CREDENTIAL = 'sk-provider-canary-0123456789abcdef'

    test('VLT-4 a chat reaches the provider with the credential, which is seen nowhere else', async () => {
      const one = client()
      expect((await one.call('/kinds/seed', { body: CREDENTIAL })).status).toBe(200)
      const answer = await one.chat('hello model')
      expect(JSON.parse(answer.body)).toEqual({
        reply: 'model says hello to Bearer [redacted], [redacted]',
        note: null,
      })
      expect(provider.seen.at(-1)).toEqual({
        authorization: `Bearer ${CREDENTIAL}`,
        body: expect.stringContaining('hello model'),
      })

      const audit = await one.call('/api/audit/recent', { headers: one.key })
      const listed = await one.call('/api/credentials', { headers: one.key })
      expect(audit.status).toBe(200)
      for (const text of [audit.body, listed.body, answer.body, server.output()]) {
        expect(text).not.toContain('sk-provider')
        expect(text).not.toContain(server.key)
      }
    })
  })
})

test('the raw client reaches a closed port as an error, so that silence is no pass', async () => {
  const socket = connect({ host: '127.0.0.1', port: 1 })
  await expect(new Promise((_resolve, reject) => socket.on('error', reject))).rejects.toThrow('ECONNREFUSED')
})
