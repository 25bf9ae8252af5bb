import assert from 'node:assert/strict'
import fc from 'fast-check'
import { apiKeys } from '../../src/auth/api-keys.ts'
import { digestApiKey, makeApiKey } from '../../src/auth/key-format.ts'
import { authenticate, identify } from '../../src/auth/middleware.ts'
import type { Scheme } from '../../src/auth/scheme.ts'
import { makePrincipal, type Principal } from '../../src/principal.ts'
import type { ProblemDetails } from '../../src/problem.ts'
import type { SecurityOptions } from '../../src/security.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import { type Case, cases } from '../cases.ts'
import { peer, secured, TEST_KEYS } from '../support/fixtures.ts'
import { volume } from '../support/volume.ts'

const [KEY, OTHER] = TEST_KEYS
const keys = [
  { id: 'ci-runner', digest: digestApiKey(KEY) },
  { id: 'ops', digest: digestApiKey(OTHER) },
]

function setUp(options: Partial<SecurityOptions> = {}, realm?: string) {
  const made = secured(options)
  let handled = 0
  const app = made.app.use(authenticate(apiKeys({ keys }), realm === undefined ? {} : { realm })).get('/*', (c) => {
    handled++
    return c.text(c.var.principal.id)
  })
  return { ...made, app, handled: () => handled }
}

function sent(headers: Readonly<Record<string, string>>): RequestInit {
  return { headers }
}

/** Headers of these values, or null where the runtime would not even send them. */
function sendable(fields: readonly (readonly [string, string])[]): Headers | null {
  try {
    const headers = new Headers()
    for (const [name, value] of fields) headers.append(name, value)
    return headers
  } catch {
    return null
  }
}

function outcome(name: string, answer: Awaited<ReturnType<Scheme['authenticate']>>, asked: string[] = []): Scheme {
  return {
    name,
    challenge: name,
    hint: `Send a ${name}.`,
    authenticate: () => {
      asked.push(name)
      return answer
    },
  }
}

const alice = { principal: makePrincipal({ scheme: 'test', id: 'alice' }) }

export const authMiddlewareCases: readonly Case[] = [
  ...cases('KEY-3', {
    'a key is taken as Bearer, whatever the case of the scheme': async () => {
      const { app } = setUp()
      for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
        const answer = await app.request('/', sent({ authorization: `${scheme} ${KEY}` }))
        assert.equal(answer.status, 200)
        assert.equal(await answer.text(), 'ci-runner')
      }
    },
    'a key is taken as X-API-Key': async () => {
      const { app } = setUp()
      assert.equal(await (await app.request('/', sent({ 'X-API-Key': OTHER }))).text(), 'ops')
    },
    'a key under another scheme is no key': async () => {
      // CVE-2026-47673
      const { app, handled } = setUp()
      for (const scheme of ['Basic', 'Foo', 'ApiKey', 'Token', 'Bearerer', '']) {
        const answer = await app.request('/', sent({ authorization: `${scheme} ${KEY}`.trim() }))
        assert.equal(answer.status, 401, scheme)
      }
      assert.equal(handled(), 0)
    },
    'a key beside another kind of credential is refused': async () => {
      const { app } = secured()
      app.use(authenticate(apiKeys({ keys }))).get('/', (c) => c.text('ok'))
      assert.equal((await app.request('/', sent({ authorization: 'Basic eDp5', 'x-api-key': KEY }))).status, 400)
    },
    'two credentials in one request are refused, though both are good': async () => {
      const { app, handled, events, platform } = setUp()
      for (const [bearer, apiKey] of [
        [KEY, OTHER],
        [KEY, KEY],
        [KEY, ''],
        ['', KEY],
      ] as const) {
        const answer = await app.request('/', sent({ authorization: `Bearer ${bearer}`, 'x-api-key': apiKey }))
        assert.equal(answer.status, 400)
        assert.equal(((await answer.json()) as ProblemDetails).code, 'auth.ambiguous')
      }
      assert.equal(handled(), 0)
      await platform.settled()
      assert.equal(events[0]!.reason, 'two_headers')
    },
    'two keys in two headers of one name are refused': async () => {
      const { app, handled } = setUp()
      for (const name of ['authorization', 'x-api-key']) {
        const prefix = name === 'authorization' ? 'Bearer ' : ''
        const headers = sendable([
          [name, prefix + KEY],
          [name, prefix + OTHER],
        ])!
        assert.equal((await app.request('/', { headers })).status, 401)
      }
      assert.equal(handled(), 0)
    },
    '20,000 values of Authorization and X-API-Key meet 200, 400 or 401 alone': async () => {
      // GHSA-xmf8-cvqr-rfgj: a malformed Authorization threw.
      const { app } = setUp({ events: [] })
      const unit = fc.constantFrom(...' \t,="\\;:+/._~-aZ09\u00a0\u00e9\u00ff\u0001\u007f')
      const text = fc.oneof(
        fc.string({ unit, maxLength: 30 }),
        fc.string({ maxLength: 30 }),
        fc.constantFrom(KEY, KEY.slice(1), `${KEY} `, 'x'.repeat(600)),
      )
      const scheme = fc.constantFrom('Bearer ', 'bearer ', 'BEARER\t', 'Bearer', 'Basic ', 'Bearer  ', 'Digest ', '')
      const value = fc.tuple(scheme, text).map((parts) => parts.join(''))
      const values = fc.sample(fc.tuple(value, fc.option(text, { freq: 4 })), {
        seed: 12,
        numRuns: volume(20_000, 5000),
      })
      let asked = 0
      const met = new Map<number, number>()
      for (const [authorization, apiKey] of values) {
        const fields: [string, string][] = [['authorization', authorization]]
        if (apiKey !== null) fields.push(['x-api-key', apiKey])
        const headers = sendable(asked % 2 ? fields : fields.toReversed())
        if (!headers) continue
        asked++
        const { status } = await app.request('/', { headers })
        met.set(status, (met.get(status) ?? 0) + 1)
      }
      assert.deepEqual([...met.keys()].sort(), [200, 400, 401])
      assert.ok(asked > values.length * 0.75, `only ${asked} values could be sent`)
    },
  }),
  ...cases('KEY-5', {
    'a missing and an invalid key are told apart by clearly different messages': async () => {
      const { app } = setUp()
      const missing = (await (await app.request('/')).json()) as ProblemDetails
      const invalid = (await (await app.request('/', sent({ 'x-api-key': 'wrong' }))).json()) as ProblemDetails
      assert.deepEqual([missing.status, missing.code, missing.title], [401, 'auth.missing', 'Credential missing'])
      assert.deepEqual([invalid.status, invalid.code, invalid.title], [401, 'auth.invalid', 'Credential not valid'])
      assert.match(missing.detail, /none that it knows was sent.*Authorization: Bearer <key>.*X-API-Key/)
      assert.match(invalid.detail, /is not valid/)
    },
    'a 401 challenges with the realm, and with an error code only where a credential was sent': async () => {
      const { app } = setUp()
      assert.equal((await app.request('/')).headers.get('www-authenticate'), 'Bearer realm="api"')
      assert.equal(
        (await app.request('/', sent({ authorization: 'Basic abc' }))).headers.get('www-authenticate'),
        'Bearer realm="api"',
      )
      for (const headers of [
        { authorization: 'Bearer wrong' },
        { authorization: 'Bearer' },
        { 'x-api-key': 'wrong' },
      ]) {
        assert.equal(
          (await app.request('/', sent(headers))).headers.get('www-authenticate'),
          'Bearer realm="api", error="invalid_token"',
        )
      }
      assert.equal(
        (await app.request('/', sent({ authorization: `Bearer ${KEY}` }))).headers.get('www-authenticate'),
        null,
      )
    },
    'the realm is quoted, and one that could split the header throws at start': async () => {
      const { app } = setUp({}, 'a "b" \\c')
      assert.equal((await app.request('/')).headers.get('www-authenticate'), 'Bearer realm="a \\"b\\" \\\\c"')
      for (const realm of ['a\r\nset-cookie: x=1', 'é', '\u0000']) assert.throws(() => setUp({}, realm), RangeError)
    },
    'no answer says which keys exist': async () => {
      const { app } = setUp()
      const mistyped = KEY.slice(0, -1) + (KEY.endsWith('0') ? '1' : '0')
      const answers = await Promise.all(
        [mistyped, makeApiKey(), 'wrong', `${KEY}x`].map(async (key) =>
          (await app.request('/', sent({ 'x-api-key': key }))).text(),
        ),
      )
      assert.equal(new Set(answers).size, 1)
      for (const text of answers)
        for (const { id, digest } of keys) assert.equal(text.includes(id) || text.includes(digest.slice(0, 8)), false)
    },
    'a wrong checksum and an unknown key differ in the event alone': async () => {
      const { app, events, platform } = setUp()
      const mistyped = KEY.slice(0, -1) + (KEY.endsWith('0') ? '1' : '0')
      await app.request('/', sent({ 'x-api-key': mistyped }))
      await app.request('/', sent({ 'x-api-key': makeApiKey() }))
      await app.request('/', sent({ authorization: 'Bearer a b' }))
      await app.request('/')
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, level, reason, principal }) => [type, level, reason, principal]),
        [
          ['auth.refused', 'warn', 'checksum', null],
          ['auth.refused', 'warn', 'unknown_key', null],
          ['auth.refused', 'warn', 'malformed', null],
          ['auth.refused', 'warn', 'missing', null],
        ],
      )
    },
    'no key stands in any answer, event or log line, however it is sent': async () => {
      const canary = makeApiKey('canary')
      for (const events of [undefined, 'kept'] as const) {
        const { app, events: kept, platform } = setUp(events ? {} : { events: undefined as never })
        const said: string[] = []
        const headers = [
          { authorization: `Bearer ${canary}` },
          { authorization: `Bearer ${canary} ${canary}` },
          { authorization: `Basic ${canary}` },
          { authorization: canary },
          { 'x-api-key': canary },
          { 'x-api-key': canary, authorization: `Bearer ${canary}` },
          { cookie: `key=${canary}` },
        ]
        for (const one of headers) {
          const answer = await app.request(`/?key=${canary}`, sent(one as Record<string, string>))
          said.push(await answer.text(), JSON.stringify([...answer.headers]))
        }
        await platform.settled()
        const all = [...said, ...platform.lines, JSON.stringify(kept)].join('\n')
        assert.ok(all.includes('auth.'))
        assert.equal(all.includes(canary.slice(0, 30)), false)
        assert.equal(all.includes(canary.slice(-30)), false)
      }
    },
  }),
  ...cases('KEY-2', {
    'production is the default, and refuses to run open': async () => {
      for (const [mode, log] of [
        [undefined, () => undefined],
        ['production', () => undefined],
        ['development', undefined],
      ] as const) {
        const options = { keys: [], openWithoutKeys: true, ...(mode && { mode }), ...(log && { log }) }
        assert.throws(() => apiKeys(options), /openWithoutKeys is for development alone/)
      }
      const { app, platform } = secured({ events: undefined as never })
      let handled = 0
      const open = apiKeys({ keys: [], openWithoutKeys: true, mode: 'development', log: () => undefined })
      app.use(authenticate(open)).get('/', (c) => c.text(`${++handled}`))
      // GHSA-8fpg-xm3f-6cx3: a setting mistake must not fail open.
      for (const headers of [{}, { 'x-api-key': KEY }])
        assert.equal((await app.request('/', sent(headers))).status, 500)
      assert.equal(handled, 0)
      await platform.settled()
    },
    'development runs open only by openWithoutKeys, said once in the log': async () => {
      const { app, clock, platform } = secured({ mode: 'development' })
      const lines: string[] = []
      const log = (line: string) => void lines.push(line)
      app
        .use(authenticate(apiKeys({ keys: [], openWithoutKeys: true, mode: 'development', log })))
        .get('/', (c) => c.text(c.var.security.principal!.key))
      for (let i = 0; i < 3; i++) {
        assert.equal(await (await app.request('/')).text(), 'api-key::anonymous')
        clock.advance(5000)
      }
      await platform.settled()
      assert.equal(lines.length, 1)
      assert.match(lines[0]!, /EVERYBODY is let in/)
      assert.throws(() => apiKeys({ keys: [] }), TypeError)
    },
    'a key that is configured in development is enforced': async () => {
      const { app } = secured({ mode: 'development' })
      app.use(authenticate(apiKeys({ keys, openWithoutKeys: true }))).get('/', (c) => c.text('ok'))
      assert.equal((await app.request('/')).status, 401)
      assert.equal((await app.request('/', sent({ 'x-api-key': KEY }))).status, 200)
    },
  }),
  ...cases('KEY-4', {
    'a public path behind another authenticate() keeps the principal that its type promises': async () => {
      const { app } = secured()
      const scheme = apiKeys({ keys })
      app
        .use(authenticate(scheme))
        .use(authenticate(scheme, { publicPaths: ['/open'] }))
        .get('/open', (c) => c.json(c.var.principal?.id ?? null))
      const answer = await app.request('/open', sent({ 'x-api-key': KEY }))
      assert.equal(typeof (await answer.json()), 'string')
    },
    'a public path needs no key, and its neighbours do': async () => {
      const { app } = secured()
      app
        .use(authenticate(apiKeys({ keys }), { publicPaths: ['/openapi.json', '/health/*', 'GET /open'] }))
        .all('/*', (c) => c.json((c.var as { principal?: Principal | null }).principal?.id ?? null))
      for (const path of ['/openapi.json', '/health', '/health/live', '/open']) {
        const answer = await app.request(path)
        assert.equal(answer.status, 200, path)
        assert.equal(await answer.json(), null)
      }
      for (const path of ['/', '/healthz', '/health/', '/Health', '/health;x', '/health.', '/openapi.json/', '/api']) {
        assert.equal((await app.request(path)).status, 401, path)
      }
      assert.equal((await app.request('/open', { method: 'POST' })).status, 401)
      assert.equal((await app.request('/api', sent({ 'x-api-key': KEY }))).status, 200)
    },
    'a bad credential on a public path is not looked at': async () => {
      const { app } = secured()
      app.use(authenticate(apiKeys({ keys }), { publicPaths: ['/health'] })).get('/health', (c) => c.text('ok'))
      assert.equal((await app.request('/health', sent({ 'x-api-key': 'wrong' }))).status, 200)
    },
    'a bad entry throws at start': () => {
      assert.throws(() => authenticate(apiKeys({ keys }), { publicPaths: ['/health*'] }), TypeError)
    },
  }),
  ...cases('KEY-9', {
    'a refused attempt is a warning with path, origin, user agent and address; a success is a debug event':
      async () => {
        const { app, events, platform } = setUp()
        const about = { origin: 'https://a.example', 'user-agent': 'curl/8' }
        await app.request('/x?y', sent(about), peer('203.0.113.9'))
        await app.request('/x', sent({ ...about, 'x-api-key': KEY }), peer('203.0.113.9'))
        await platform.settled()
        const [refused, accepted] = events
        assert.deepEqual(
          [refused!.type, refused!.level, refused!.path, refused!.origin, refused!.userAgent, refused!.address],
          ['auth.refused', 'warn', '/x', 'https://a.example', 'curl/8', '203.0.113.9'],
        )
        assert.deepEqual(
          [accepted!.type, accepted!.level, accepted!.principal],
          ['auth.accepted', 'debug', 'api-key::ci-runner'],
        )
      },
  }),
  ...cases('authenticate()', {
    'throws at start without a scheme': () => {
      assert.throws(() => authenticate([]), /authenticate\(\): no scheme.*apiKeys/)
      assert.throws(() => identify([]), /identify\(\): no scheme/)
    },
    'asks the schemes in order, and the first with an opinion decides': async () => {
      const tables: [Scheme[], number, string[]][] = [
        [[outcome('A', null), outcome('B', alice)], 200, ['A', 'B']],
        [[outcome('A', alice), outcome('B', null)], 200, ['A']],
        [[outcome('A', { refused: 'invalid', reason: 'x' }), outcome('B', alice)], 401, ['A']],
        [
          [outcome('A', Promise.resolve(null) as never), outcome('B', Promise.resolve(alice) as never)],
          200,
          ['A', 'B'],
        ],
        [
          [outcome('A', Promise.resolve({ refused: 'ambiguous', reason: 'x' }) as never), outcome('B', alice)],
          400,
          ['A'],
        ],
        [[outcome('A', null), outcome('B', null)], 401, ['A', 'B']],
      ]
      for (const [schemes, status, asked] of tables) {
        const heard: string[] = []
        const heeded = schemes.map((scheme) => ({
          ...scheme,
          authenticate: (exchange: never) => {
            heard.push(scheme.name)
            return scheme.authenticate(exchange)
          },
        }))
        const { app } = secured()
        app.use(authenticate(heeded)).get('/', (c) => c.text('ok'))
        assert.equal((await app.request('/')).status, status)
        assert.deepEqual(heard, asked)
      }
    },
    'offers each challenge once, and every hint': async () => {
      const { app } = secured()
      app
        .use(authenticate([apiKeys({ keys }), outcome('Bearer', null), outcome('DPoP', null)]))
        .get('/', (c) => c.text('ok'))
      const answer = await app.request('/')
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer realm="api", DPoP realm="api"')
      assert.match(((await answer.json()) as ProblemDetails).detail, /X-API-Key.*Or: Send a Bearer\. Or: Send a DPoP\./)
    },
    'answers 503 when a scheme cannot find out, and 500 when it fails': async () => {
      for (const [error, status] of [
        [new StoreOutage('down'), 503],
        [new Error('bug'), 500],
      ] as const) {
        for (const authenticateBy of [
          () => {
            throw error
          },
          () => Promise.reject(error),
        ]) {
          const { app } = secured()
          let handled = 0
          app
            .use(authenticate([{ ...outcome('A', null), authenticate: authenticateBy }, outcome('B', alice)]))
            .get('/', (c) => c.text(`${++handled}`))
          const answer = await app.request('/')
          assert.equal(answer.status, status)
          assert.equal(answer.headers.get('retry-after'), status === 503 ? '1' : null)
          assert.equal(handled, 0)
        }
      }
    },
  }),
  ...cases('identify()', {
    'lets strangers pass as null, and known callers as themselves': async () => {
      const { app } = secured()
      app
        .use(identify(apiKeys({ keys })))
        .get('/', (c) => c.json((c.var as unknown as { principal: Principal | null }).principal?.id ?? null))
      assert.equal(await (await app.request('/')).json(), null)
      assert.equal(await (await app.request('/', sent({ 'x-api-key': KEY }))).json(), 'ci-runner')
    },
    'refuses a credential that is sent and not good': async () => {
      const { app } = secured()
      app.use(identify(apiKeys({ keys }))).get('/', (c) => c.text('ok'))
      assert.equal((await app.request('/', sent({ 'x-api-key': 'wrong' }))).status, 401)
      assert.equal((await app.request('/', sent({ 'x-api-key': KEY, authorization: `Bearer ${KEY}` }))).status, 400)
    },
  }),
]
