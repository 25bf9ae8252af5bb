import assert from 'node:assert/strict'
import { Hono, type MiddlewareHandler } from 'hono'
import { logger } from 'hono/logger'
import { timeout } from 'hono/timeout'
import { localOnly, requireScope } from '../src/access/middleware.ts'
import { apiKeys } from '../src/auth/api-keys.ts'
import { digestApiKey } from '../src/auth/key-format.ts'
import { authenticate } from '../src/auth/middleware.ts'
import type { Scheme } from '../src/auth/scheme.ts'
import { guard } from '../src/guard.ts'
import { layer } from '../src/layer.ts'
import { rateLimit } from '../src/limit/middleware.ts'
import { makePrincipal } from '../src/principal.ts'
import { security } from '../src/security.ts'
import { StoreOutage } from '../src/store/contract.ts'
import { memoryStore } from '../src/store/memory.ts'
import { type Case, cases } from './cases.ts'
import { keepEvents, peer, quietly, rawRequest, StoppedClock, storeOver, TestPlatform } from './support/fixtures.ts'

const KEY = 'a-key-for-tests'
const ORIGIN = 'https://app.example'
const keyed = apiKeys({ keys: [{ id: 'ci', digest: digestApiKey(KEY), scopes: ['run'] }] })
const bearer = { authorization: `Bearer ${KEY}` }

/** Asks later, as a scheme with a directory behind it does. */
const later: Scheme = {
  ...keyed,
  authenticate: async (exchange) => {
    await Promise.resolve()
    return keyed.authenticate(exchange)
  },
}

type Chain = (...layers: [MiddlewareHandler, ...MiddlewareHandler[]]) => Hono

const apart: Chain = (...layers) => {
  const app = new Hono()
  for (const one of layers) app.use(one)
  return app
}
const together: Chain = (...layers) => new Hono().use(guard(...layers))

function appOf(chain: Chain, scheme: Scheme = keyed, quota = 5) {
  const clock = new StoppedClock()
  const { events, sink } = keepEvents()
  const store = memoryStore({ clock })
  const platform = new TestPlatform()
  const handled: string[] = []
  const app = chain(
    security({ platform, store, clock, events: sink, cors: { origins: [ORIGIN] }, maxBodyBytes: 10 }),
    rateLimit({ quota, periodSeconds: 60 }),
    authenticate(scheme) as MiddlewareHandler,
    requireScope('run'),
  )
  app.get('/', (c) => {
    handled.push('/')
    return c.text('ok')
  })
  app.post('/', async (c) => c.text(await c.req.text()))
  app.get('/broken', () => {
    throw new Error('broken')
  })
  return { app, events, handled }
}

const REQUESTS: readonly [path: string, init: RequestInit][] = [
  ['/', { headers: bearer }],
  ['/', {}],
  ['/', { headers: { authorization: 'Bearer wrong' } }],
  ['/', { headers: { ...bearer, 'x-api-key': KEY } }],
  ['/', { headers: { ...bearer, origin: ORIGIN } }],
  ['/', { method: 'OPTIONS', headers: { origin: ORIGIN, 'access-control-request-method': 'GET' } }],
  ['/', { method: 'OPTIONS', headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' } }],
  ['//', { headers: bearer }],
  ['/', { method: 'POST', headers: bearer, body: 'short' }],
  ['/', { method: 'POST', headers: bearer, body: 'much too long' }],
  ['/nowhere', { headers: bearer }],
  ['/broken', { headers: bearer }],
  ['/', { method: 'HEAD', headers: bearer }],
]

async function seen(response: Response): Promise<unknown> {
  return [response.status, [...response.headers].sort(), await response.text()]
}

export const guardCases: readonly Case[] = cases('guard()', {
  'answers, counts and tells events as its layers do one by one, whoever asks': async () => {
    for (const scheme of [keyed, later]) {
      const two = [appOf(apart, scheme), appOf(together, scheme)] as const
      await quietly(async () => {
        // More often than the quota allows, so that refusals are among them.
        for (const [path, init] of [...REQUESTS, ...REQUESTS]) {
          const [one, other] = await Promise.all(
            two.map(async ({ app }) => seen(await app.fetch(rawRequest(path, init), peer('203.0.113.9')))),
          )
          assert.deepEqual(other, one, `${init.method ?? 'GET'} ${path}`)
        }
      })
      assert.deepEqual(two[1].events, two[0].events)
      assert.deepEqual(two[1].handled, two[0].handled)
      assert.ok(two[0].events.length > 5)
    }
  },
  'a stranger reaches no handler, and neither does one more than the quota': async () => {
    const { app, handled } = appOf(together, later, 3)
    const statuses: number[] = []
    for (const headers of [{}, bearer, bearer, bearer]) {
      statuses.push((await app.request('/', { headers }, peer('203.0.113.9'))).status)
    }
    assert.deepEqual(statuses, [401, 200, 200, 429])
    assert.equal(handled.length, 2)
  },
  'stands behind security() as well, and several may follow one another': async () => {
    const platform = new TestPlatform()
    const app = new Hono()
      .use(security({ platform, store: memoryStore(), events: keepEvents().sink }))
      .use(guard(rateLimit({ quota: 2, periodSeconds: 60 }), authenticate(keyed)))
      .use(guard(requireScope('run')))
      .get('/', (c) => c.text(c.var.principal.id))
    const answer = await app.request('/', { headers: bearer })
    assert.equal(await answer.text(), 'ci')
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    assert.equal((await app.request('/')).status, 401)
    assert.equal((await app.request('/', { headers: bearer })).status, 429)
  },
  'without security() before it or in it a request is answered 500, and reaches no handler': async () => {
    let handled = 0
    const app = new Hono().use(guard(authenticate(keyed))).get('/', (c) => c.text(`${++handled}`))
    assert.equal((await quietly(() => app.request('/', { headers: bearer }))).status, 500)
    assert.equal(handled, 0)
  },
  'may be taken into another guard()': async () => {
    const options = { platform: new TestPlatform(), store: memoryStore(), events: keepEvents().sink }
    const inner = guard(security(options), authenticate(keyed))
    const app = new Hono().use(guard(inner, localOnly())).get('/', (c) => c.text('ok'))
    assert.equal((await app.request('/', { headers: bearer }, peer('127.0.0.1'))).status, 200)
    assert.equal((await app.request('/', { headers: bearer }, peer('203.0.113.9'))).status, 403)
    assert.equal((await app.request('/', {}, peer('127.0.0.1'))).status, 401)
  },
  'throws at start for what is no layer of this package, and for security() elsewhere than first': () => {
    assert.throws(() => guard(logger()), /argument 1 is no layer.*behind it/)
    assert.throws(() => guard(authenticate(keyed), logger()), /argument 2 is no layer/)
    const opens = security({ platform: new TestPlatform() })
    assert.throws(() => guard(authenticate(keyed), opens), /security\(\) comes first/)
    assert.throws(() => guard(authenticate(keyed), guard(opens)), /guard\(\) comes first/)
    assert.throws(() => (guard as unknown as () => void)(), /at least one layer/)
  },
  'an outage of one layer ends the request there: 503, the headers, an event, and no handler': async () => {
    const { events, sink } = keepEvents()
    const store = storeOver(memoryStore(), {
      consume: () => {
        throw new StoreOutage('down')
      },
    })
    let handled = 0
    const limit = rateLimit({ quota: 5, periodSeconds: 60, onStoreFailure: 'deny' })
    const app = new Hono()
      .use(guard(security({ platform: new TestPlatform(), store, events: sink }), limit, authenticate(keyed)))
      .get('/', (c) => c.text(`${++handled}`))
    const answer = await app.request('/', { headers: bearer })
    assert.equal(answer.status, 503)
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    assert.equal(handled, 0)
    assert.deepEqual(
      events.map(({ type }) => type),
      ['store.outage'],
    )
  },
  'a request that a time-out answered meanwhile goes no further in it': async () => {
    const { app: base } = { app: new Hono() }
    let asked = 0
    const options = { platform: new TestPlatform(), store: memoryStore(), events: keepEvents().sink }
    base.use(security(options)).use(timeout(10))
    base.use(
      guard(
        layer('late()', {}, () => new Promise((resolve) => setTimeout(() => resolve(undefined), 40))),
        layer('next()', {}, () => {
          asked++
          return undefined
        }),
      ),
    )
    base.get('/', (c) => c.text('ok'))
    assert.equal((await quietly(() => base.request('/'))).status, 504)
    await new Promise((resolve) => setTimeout(resolve, 60))
    assert.equal(asked, 0)
  },
  'the principal that a layer in it proved is there for the next': async () => {
    const principal = makePrincipal({ scheme: 'test', id: 'x', scopes: ['run'] })
    const scheme: Scheme = { ...keyed, authenticate: () => ({ principal }) }
    const app = appOf(together, scheme).app
    assert.equal((await app.request('/')).status, 200)
  },
})
