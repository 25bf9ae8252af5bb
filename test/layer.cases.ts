import assert from 'node:assert/strict'
import { Hono } from 'hono'
import { timeout } from 'hono/timeout'
import { localOnly, requireScope } from '../src/access/middleware.ts'
import { apiKeys } from '../src/auth/api-keys.ts'
import { digestApiKey } from '../src/auth/key-format.ts'
import { authenticate } from '../src/auth/middleware.ts'
import type { KitOptions } from '../src/kit-base.ts'
import { emit, isResponse, kitOf, layer } from '../src/layer.ts'
import { rateLimit } from '../src/limit/middleware.ts'
import { Problem, type ProblemDetails } from '../src/problem.ts'
import { memoryStore } from '../src/store/memory.ts'
import { validate } from '../src/validate/middleware.ts'
import { IdParam } from '../src/validate/schemas.ts'
import { type Case, cases } from './cases.ts'
import { keepEvents, peer, quietly, StoppedClock, secured, TestPlatform } from './support/fixtures.ts'

const KEY = 'a-key-for-tests'
const scheme = apiKeys({ keys: [{ id: 'ci', digest: digestApiKey(KEY), scopes: ['run'] }] })
const bearer = { headers: { authorization: `Bearer ${KEY}` } }

function parts(): KitOptions & { readonly platform: TestPlatform } {
  const clock = new StoppedClock()
  return { platform: new TestPlatform(), store: memoryStore({ clock }), clock }
}

async function problemOf(response: Response): Promise<ProblemDetails> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  return (await response.json()) as ProblemDetails
}

export const layerCases: readonly Case[] = [
  ...cases('layer()', {
    'a request that a time-out answered meanwhile reaches no handler': async () => {
      const { app } = secured()
      let handled = 0
      app.use(timeout(10))
      app.use(layer('late()', {}, () => new Promise((resolve) => setTimeout(() => resolve(undefined), 40))))
      app.get('/', (c) => c.text(String(++handled)))
      assert.equal((await quietly(() => app.request('/'))).status, 504)
      await new Promise((resolve) => setTimeout(resolve, 60))
      assert.equal(handled, 0)
    },
  }),
  ...cases('A layer without security()', {
    'works with a platform and a store of its own: rateLimit()': async () => {
      const app = new Hono().use(rateLimit({ quota: 1, periodSeconds: 60, ...parts() })).get('/', (c) => c.text('ok'))
      const first = await app.request('/', {}, peer('203.0.113.9'))
      assert.equal(first.status, 200)
      assert.equal(first.headers.get('x-ratelimit-remaining'), '0')
      const second = await app.request('/', {}, peer('203.0.113.9'))
      assert.equal(second.status, 429)
      assert.equal(second.headers.get('x-ratelimit-remaining'), '0')
    },
    'works with a platform of its own: authenticate()': async () => {
      const app = new Hono().use(authenticate(scheme, parts())).get('/', (c) => c.text(c.var.principal.id))
      assert.equal((await app.request('/')).status, 401)
      assert.equal(await (await app.request('/', bearer)).text(), 'ci')
    },
    'works with a platform of its own: localOnly()': async () => {
      const app = new Hono().use(localOnly(parts())).get('/', (c) => c.text('ok'))
      assert.equal((await app.request('/', {}, peer('203.0.113.9'))).status, 403)
      assert.equal((await app.request('/', {}, peer('127.0.0.1'))).status, 200)
    },
    'gives its kit to the layers behind it': async () => {
      const app = new Hono()
        .use(authenticate(scheme, parts()))
        .use(requireScope('run'))
        .use(rateLimit({ quota: 1, periodSeconds: 1 }))
      app.get('/', (c) => c.text('ok'))
      assert.equal((await app.request('/', bearer)).status, 200)
      assert.equal((await app.request('/', bearer)).status, 429)
    },
    'answers 500 and runs no handler where there is no kit at all': async () => {
      let handled = 0
      const layers = {
        rateLimit: rateLimit({ quota: 9, periodSeconds: 1 }),
        authenticate: authenticate(scheme),
        localOnly: localOnly(),
        requireScope: requireScope('run'),
        validate: validate('param', IdParam),
      }
      for (const [name, middleware] of Object.entries(layers)) {
        const app = new Hono().get('/:id', middleware as never, (c) => c.text(`${++handled}`))
        const response = await quietly(async () => app.request('/x', bearer, peer('127.0.0.1')))
        assert.equal(response.status, 500, name)
      }
      assert.equal(handled, 0)
    },
    'shows the developer which two ways mend a missing kit': async () => {
      let thrown: unknown
      const app = new Hono().use(rateLimit({ quota: 9, periodSeconds: 1 })).get('/', (c) => c.text('ok'))
      app.onError((error, c) => {
        thrown = error
        return c.text('mine', 500)
      })
      assert.equal(await (await app.request('/')).text(), 'mine')
      assert.match(
        (thrown as Error).message,
        /rateLimit\(\) found no kit.*security\(\{ platform, store \}\).*platform and store itself/,
      )
    },
    'answers 500 and runs no handler where there is no store': async () => {
      let handled = 0
      const { platform } = parts()
      const app = new Hono()
        .use(rateLimit({ quota: 9, periodSeconds: 1, platform }))
        .get('/', (c) => c.text(`${++handled}`))
      assert.equal((await app.request('/')).status, 500)
      assert.equal(handled, 0)
    },
    'closes its own kit when the handler gives nothing or throws': async () => {
      const app = new Hono().use(rateLimit({ quota: 9, periodSeconds: 1, ...parts() }))
      app.get('/nothing', () => undefined as never)
      app.get('/error', () => {
        throw new Error('no')
      })
      for (const path of ['/nothing', '/error']) {
        const response = await quietly(() => app.request(path))
        assert.equal(response.status, 500, path)
        assert.equal(response.headers.get('x-ratelimit-limit'), '9', path)
      }
    },
  }),
  ...cases('layer()', {
    'never runs the handler after a step that throws or rejects': async () => {
      let handled = 0
      for (const step of [
        () => {
          throw new Error('broken')
        },
        () => Promise.reject(new Error('broken')),
        () => Promise.reject('no Error'),
      ]) {
        const { app, events, platform } = secured()
        app.use(layer('test()', {}, step)).get('/', (c) => c.text(`${++handled}`))
        const response = await app.request('/')
        assert.equal(response.status, 500)
        assert.equal((await problemOf(response)).code, 'internal')
        await platform.settled()
        assert.deepEqual(
          events.map((event) => event.type),
          ['fault'],
        )
      }
      assert.equal(handled, 0)
    },
    'takes an answer from any thenable': async () => {
      const { app } = secured()
      // An RPC promise of workerd is no Promise.
      const settled = Promise.resolve(new Response('late', { status: 418 }))
      // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
      const late: PromiseLike<Response> = { then: (resolve, reject) => settled.then(resolve, reject) }
      app.use(layer('test()', {}, () => late)).get('/', (c) => c.text('handled'))
      assert.equal((await app.request('/')).status, 418)
    },
  }),
  ...cases('A fault', {
    'goes to the onError of the app, which may answer in its own way': async () => {
      const { app } = secured()
      app
        .use(
          layer('test()', {}, () => {
            throw new Error('secret detail')
          }),
        )
        .get('/', (c) => c.text('ok'))
      app.onError((error, c) => c.text(`mine: ${error instanceof Problem ? error.code : ''}`, 500))
      const response = await app.request('/')
      assert.equal(await response.text(), 'mine: internal')
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
    },
    'keeps what onError answered though refusals have another shape': async () => {
      const { app } = secured({ formatProblem: ({ code }) => ({ error: code }) })
      app
        .use(
          layer('test()', {}, () => {
            throw new Error('x')
          }),
        )
        .get('/', (c) => c.text('ok'))
      app.onError((_error, c) => c.text('mine', 500))
      assert.equal(await (await app.request('/')).text(), 'mine')
    },
    'has the shape of other refusals where one is given': async () => {
      const { app } = secured({ formatProblem: ({ code }) => ({ error: code }) })
      app
        .use(
          layer('test()', {}, () => {
            throw new Error('x')
          }),
        )
        .get('/', (c) => c.text('ok'))
      assert.deepEqual(await (await app.request('/')).json(), { error: 'internal' })
    },
    'shows nothing of its cause': async () => {
      const { app, events, platform } = secured()
      app
        .use(
          layer('test()', {}, () => {
            throw new Error('hunter2')
          }),
        )
        .get('/', (c) => c.text('ok'))
      const body = await (await app.request('/')).text()
      await platform.settled()
      assert.equal((body + JSON.stringify(events) + platform.lines.join()).includes('hunter2'), false)
    },
  }),
  ...cases('emit()', {
    'records what a handler says, with the request': async () => {
      const { app, events, platform } = secured()
      app.post('/x', (c) => {
        emit(c, { type: 'credential.stored', level: 'info', resource: 'openai' })
        return c.text('ok')
      })
      await app.request(
        '/x?q=1',
        { method: 'POST', headers: { origin: 'https://a.example', 'user-agent': 'test' } },
        peer('2001:db8::1'),
      )
      await platform.settled()
      assert.deepEqual(events, [
        {
          type: 'credential.stored',
          level: 'info',
          at: Date.UTC(2026, 10, 21),
          method: 'POST',
          path: '/x',
          address: '2001:db8::1',
          principal: null,
          reason: null,
          resource: 'openai',
          origin: 'https://a.example',
          userAgent: 'test',
          count: 1,
        },
      ])
    },
    'throws a Problem where no layer stands before': async () => {
      const app = new Hono().get('/', (c) => {
        emit(c, { type: 'credential.stored', level: 'info' })
        return c.text('ok')
      })
      assert.equal((await app.request('/')).status, 500)
    },
  }),
  ...cases('kitOf()', {
    'gives the one kit of the request, whose instant is read once': async () => {
      const { app, clock } = secured()
      app.get('/', (c) => {
        const kit = kitOf(c, 'test')
        const before = kit.now
        clock.advance(5000)
        return c.json([kit === c.var.security, kit.now - before])
      })
      assert.deepEqual(await (await app.request('/')).json(), [true, 0])
    },
  }),
  ...cases('isResponse()', {
    'is true for responses alone, of whatever realm': () => {
      assert.equal(isResponse(new Response()), true)
      assert.equal(isResponse({ status: 200, headers: {} }), true)
      for (const value of [null, undefined, 'x', 200, {}, { status: 200 }, { headers: {} }])
        assert.equal(isResponse(value), false)
    },
  }),
  ...cases('Events of a request', {
    'go out after the response, through every sink': async () => {
      const one = keepEvents()
      const two = keepEvents()
      const { app, platform } = secured({ events: [one.sink, two.sink] })
      app.use(authenticate(scheme)).get('/', (c) => c.text('ok'))
      await app.request('/')
      await platform.settled()
      assert.equal(one.events.length, 1)
      assert.deepEqual(one.events, two.events)
    },
  }),
]
