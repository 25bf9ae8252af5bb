import assert from 'node:assert/strict'
import { type LocalOnlyOptions, localOnly, requireScope } from '../../src/access/middleware.ts'
import { apiKeys } from '../../src/auth/api-keys.ts'
import { digestApiKey } from '../../src/auth/key-format.ts'
import { authenticate, identify } from '../../src/auth/middleware.ts'
import type { ProblemDetails } from '../../src/problem.ts'
import type { SecurityOptions } from '../../src/security.ts'
import { type Case, cases } from '../cases.ts'
import { peer, secured } from '../support/fixtures.ts'

const HOME = peer('127.0.0.1')

function setUp(options: LocalOnlyOptions = {}, securityOptions: Partial<SecurityOptions> = {}) {
  const made = secured(securityOptions)
  let handled = 0
  made.app.use(localOnly(options)).all('/*', (c) => c.text(`${++handled}`))
  return { ...made, handled: () => handled }
}

export const accessMiddlewareCases: readonly Case[] = [
  ...cases('LOC-2', {
    'a localhost-only route answers 403 to everybody else, and runs no handler': async () => {
      const { app, handled, events, platform } = setUp()
      for (const env of [peer('203.0.113.9'), peer('::7f00:1'), {}]) {
        const answer = await app.request('/', { method: 'POST' }, env)
        assert.equal(answer.status, 403)
        assert.equal(((await answer.json()) as ProblemDetails).code, 'access.local_only')
      }
      assert.equal(handled(), 0)
      assert.equal((await app.request('/', { method: 'POST' }, HOME)).status, 200)
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, reason, address }) => [type, reason, address]),
        [
          ['access.refused', 'not_loopback', '203.0.113.9'],
          ['access.refused', 'not_loopback', '::7f00:1'],
          ['access.refused', 'not_loopback', 'unknown'],
        ],
      )
    },
    'a declared proxy on this machine makes nobody local': async () => {
      const { app } = setUp({}, { trustedProxies: { networks: ['127.0.0.1'], header: 'x-forwarded-for' } })
      for (const header of ['127.0.0.1', '203.0.113.9', '::1, 127.0.0.1']) {
        assert.equal((await app.request('/', { headers: { 'x-forwarded-for': header } }, HOME)).status, 403, header)
      }
      assert.equal((await app.request('/', {}, HOME)).status, 200)
    },
    'a localhost-only route needs its key as well': async () => {
      const { app } = secured()
      app.use(authenticate(apiKeys({ keys: [digestApiKey('k')] }))).get('/', localOnly(), (c) => c.text('ok'))
      assert.equal((await app.request('/', {}, HOME)).status, 401)
      assert.equal((await app.request('/', { headers: { 'x-api-key': 'k' } }, peer('203.0.113.9'))).status, 403)
      assert.equal((await app.request('/', { headers: { 'x-api-key': 'k' } }, HOME)).status, 200)
    },
  }),
  ...cases('LOC-3', {
    'a web page cannot reach a localhost-only route': async () => {
      const { app, handled } = setUp()
      const attacks: [string, Record<string, string>][] = [
        ['http://evil.example:8787/', {}],
        ['http://localhost/', { host: 'evil.example' }],
        ['http://localhost/', { origin: 'https://evil.example' }],
        ['http://localhost/', { origin: 'null' }],
        ['http://localhost/', { 'sec-fetch-site': 'cross-site' }],
      ]
      for (const [url, headers] of attacks)
        assert.equal((await app.request(url, { headers }, HOME)).status, 403, JSON.stringify([url, headers]))
      assert.equal(handled(), 0)
      assert.equal(
        (
          await app.request(
            'http://localhost/',
            { headers: { origin: 'http://localhost', 'sec-fetch-site': 'same-origin' } },
            HOME,
          )
        ).status,
        200,
      )
    },
    'named hosts and origins may': async () => {
      const { app } = setUp({ hosts: ['agent.local'], origins: ['tauri://localhost'] })
      assert.equal((await app.request('http://agent.local:8787/', {}, HOME)).status, 200)
      assert.equal((await app.request('http://agent.local.evil.example/', {}, HOME)).status, 403)
      assert.equal((await app.request('/', { headers: { origin: 'tauri://localhost' } }, HOME)).status, 200)
      assert.equal((await app.request('/', { headers: { origin: 'https://tauri.localhost' } }, HOME)).status, 403)
    },
    'a bad host or origin throws at start, naming it': () => {
      for (const host of ['*', '*.local', 'Agent.local', 'http://agent.local', 'agent.local/', 'agent.local:80', '']) {
        assert.throws(
          () => localOnly({ hosts: [host] }),
          (error) => error instanceof TypeError && error.message.includes(JSON.stringify(host)),
          host,
        )
      }
      for (const origin of ['*', 'null', 'https://*.example', 'https://a.example/', 'a.example', '']) {
        assert.throws(
          () => localOnly({ origins: [origin] }),
          (error) => error instanceof TypeError && error.message.includes(JSON.stringify(origin)),
          origin,
        )
      }
    },
  }),
  ...cases('requireScope()', {
    'lets through whose record holds the scope, and refuses whose does not': async () => {
      const { app, events, platform } = secured()
      const keys = [
        { id: 'auditor', digest: digestApiKey('a'), scopes: ['audit:read', 'x'] },
        { id: 'runner', digest: digestApiKey('b'), scopes: ['audit', 'audit:read2', 'AUDIT:READ'] },
        { id: 'bare', digest: digestApiKey('c') },
      ]
      app.use(authenticate(apiKeys({ keys }))).get('/', requireScope('audit:read'), (c) => c.text('ok'))
      const ask = (key: string) => app.request('/', { headers: { 'x-api-key': key } })
      assert.equal((await ask('a')).status, 200)
      for (const key of ['b', 'c']) {
        const answer = await ask(key)
        assert.equal(answer.status, 403)
        assert.equal(((await answer.json()) as ProblemDetails).code, 'access.scope_missing')
      }
      await platform.settled()
      const refused = events.filter((event) => event.type === 'access.refused')
      assert.deepEqual(
        [refused[0]!.reason, refused[0]!.resource, refused[0]!.principal],
        ['scope', 'audit:read', 'api-key::runner'],
      )
    },
    'refuses strangers, and everybody where nobody was authenticated': async () => {
      const { app } = secured()
      app.get('/bare', requireScope('x'), (c) => c.text('ok'))
      app.use(identify(apiKeys({ keys: [digestApiKey('k')] }))).get('/', requireScope('x'), (c) => c.text('ok'))
      assert.equal((await app.request('/bare')).status, 403)
      assert.equal((await app.request('/')).status, 403)
    },
    'throws at start for what is no scope': () => {
      for (const scope of ['', 'a b', 'a"b', 'a\\b', 'é', 'a\n'])
        assert.throws(() => requireScope(scope), TypeError, scope)
    },
  }),
]
