import assert from 'node:assert/strict'
import { type Context, Hono } from 'hono'
import { proxy } from 'hono/proxy'
import { cloneRawRequest, HonoRequest } from 'hono/request'
import * as z from 'zod/mini'
import { security } from '../src/security.ts'
import { memoryStore } from '../src/store/memory.ts'
import { validate } from '../src/validate/middleware.ts'
import { type Case, cases } from './cases.ts'
import { keepEvents, secured, TestPlatform } from './support/fixtures.ts'

const BODY = '{"a":"é"}'

function post(body: BodyInit = BODY, headers: Readonly<Record<string, string>> = {}): Request {
  return new Request('http://localhost/a?b=c', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', 'x-mine': '1', ...headers },
  })
}

/** What a handler made of a POST behind security(). */
async function made(read: (c: Context) => unknown, request = post()): Promise<unknown> {
  const { app } = secured()
  app.post('/a', async (c) => c.json(await read(c)))
  return (await app.request(request)).json()
}

export const readRequestCases: readonly Case[] = cases('A request whose body security() read', {
  'is a whole request where a handler hands it on: copied, cloned, proxied, mounted': async () => {
    const ways: Record<string, (c: Context) => Promise<string>> = {
      copied: (c) => new Request('http://upstream.example/', c.req.raw).text(),
      cloned: (c) => c.req.raw.clone().text(),
      'cloned by Hono': async (c) => (await cloneRawRequest(c.req)).text(),
      proxied: async (c) => {
        const customFetch = (request: Request) => Promise.resolve(new Response(request.body))
        return (await proxy('http://upstream.example/', { raw: c.req.raw, customFetch })).text()
      },
      'proxied as the documentation of Hono has it': async (c) => {
        const customFetch = (request: Request) =>
          Promise.resolve(new Response(request.method === 'POST' ? request.body : 'no POST'))
        return (await proxy('http://upstream.example/', { ...c.req, headers: { a: 'b' }, customFetch })).text()
      },
    }
    for (const [way, read] of Object.entries(ways)) assert.equal(await made(read), BODY, way)
    const { app } = secured()
    app.mount('/', (request: Request) => new Response(request.body, { headers: { was: request.method } }))
    const answer = await app.request(post())
    assert.equal(await answer.text(), BODY)
    assert.equal(answer.headers.get('was'), 'POST')
  },
  'may be read by c.req and by c.req.raw, in any order': async () => {
    assert.deepEqual(await made(async (c) => [await c.req.text(), await c.req.raw.text(), await c.req.json()]), [
      BODY,
      BODY,
      JSON.parse(BODY),
    ])
    assert.equal(await made(async (c) => (await c.req.raw.text()) + (await c.req.text())), BODY + BODY)
  },
  'each reading of JSON is an object of its own, and no reading harms another': async () => {
    const read = async (c: Context): Promise<unknown> => {
      const first = await c.req.json()
      first.a = 'changed'
      const bytes = await c.req.bytes()
      const text = new TextDecoder().decode(bytes)
      return [await c.req.json(), text, (await c.req.blob()).size]
    }
    assert.deepEqual(await made(read), [JSON.parse(BODY), BODY, 10])
  },
  'is read by who kept c.req from before security(), and keeps what was put on it there': async () => {
    const app = new Hono()
    let afterwards = ''
    app.use(async (c, next) => {
      const { req } = c
      const json = req.json.bind(req)
      Object.assign(req, { user: 'u', json: async () => ({ wrapped: await json() }) })
      await next()
      afterwards = await req.text()
    })
    app.use(security({ platform: new TestPlatform(), store: memoryStore(), events: keepEvents().sink }))
    app.post('/a', async (c) =>
      c.json([(c.req as unknown as { user: string }).user, await c.req.json(), (await c.req.blob()).size]),
    )
    assert.deepEqual(await (await app.request(post())).json(), ['u', { wrapped: JSON.parse(BODY) }, 10])
    assert.equal(afterwards, BODY)
  },
  'keeps what an app put on it before security() by a symbol, or in the place of a method or field where no list shows it':
    async () => {
      const tenant = Symbol('tenant')
      const own = async (): Promise<string> => 'own'
      const hidden = (name: string, value: unknown) => (req: object) => Object.defineProperty(req, name, { value })
      const ways: readonly [(req: object) => void, (c: Context) => unknown][] = [
        [(req) => Object.assign(req, { [tenant]: 'own' }), (c) => (c.req as unknown as { [tenant]?: string })[tenant]],
        [hidden('url', 'own'), (c) => c.req.url],
        [hidden('method', 'own'), (c) => c.req.method],
        [hidden('header', () => 'own'), (c) => c.req.header('x')],
        [hidden('valid', () => 'own'), (c) => c.req.valid('json' as never)],
        [hidden('addValidatedData', () => 'own'), (c) => c.req.addValidatedData('json', {})],
        [hidden('json', own), (c) => c.req.json()],
        [hidden('text', own), (c) => c.req.text()],
        [hidden('arrayBuffer', own), (c) => c.req.arrayBuffer()],
        [hidden('bytes', own), (c) => c.req.bytes()],
        [hidden('blob', own), (c) => c.req.blob()],
        [hidden('query', () => 'own'), (c) => c.req.query('x')],
        [hidden('tenant', 'own'), (c) => (c.req as unknown as { tenant?: string }).tenant],
      ]
      for (const [put, read] of ways) {
        const app = new Hono()
        app.use(async (c, next) => {
          put(c.req)
          await next()
        })
        app.use(security({ platform: new TestPlatform(), store: memoryStore(), events: keepEvents().sink }))
        app.post('/a', async (c) => c.json(await read(c)))
        assert.equal(await (await app.request(post())).json(), 'own', read.toString())
      }
    },
  'is not changed, before it is read, by who writes into the cache of a c.req kept from before security()':
    async () => {
      const app = new Hono()
      let kept: Context['req'] | undefined
      app.use(async (c, next) => {
        kept = c.req
        await next()
      })
      app.use(security({ platform: new TestPlatform(), store: memoryStore(), events: keepEvents().sink }))
      app.post('/a', async (c) => {
        const form = new FormData()
        form.set('a', 'kept')
        kept!.bodyCache.formData = Promise.resolve(form) as never
        kept!.bodyCache.text = Promise.resolve('a=kept') as never
        return c.json([await c.req.parseBody(), await c.req.text(), await (await c.req.blob()).text()])
      })
      const answer = await app.request(post('a=wire', { 'content-type': 'application/x-www-form-urlencoded' }))
      assert.deepEqual(await answer.json(), [{ a: 'wire' }, 'a=wire', 'a=wire'])
    },
  'is read as it came behind a form validator, and validated as a form twice': async () => {
    const form = validate('form', z.object({ a: z.string() }))
    const ways: Record<string, (c: Context) => Promise<unknown>> = {
      text: (c) => c.req.text(),
      arrayBuffer: async (c) => new TextDecoder().decode(await c.req.arrayBuffer()),
      blob: async (c) => (await c.req.blob()).text(),
      parseBody: async (c) => `a=${(await c.req.parseBody()).a}`,
    }
    for (const [way, read] of Object.entries(ways)) {
      const app = new Hono()
      app.use(security({ platform: new TestPlatform(), store: memoryStore(), events: keepEvents().sink }))
      app.post('/a', form, form, async (c) => c.json(await read(c)))
      const answer = await app.request('/a', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'a=1',
      })
      assert.equal(await answer.json(), 'a=1', way)
    }
  },
  'is the same body by every verb after the app has emptied the cache, or put a verb of its own there': async () => {
    const emptied = async (c: Context): Promise<unknown> => {
      c.req.bodyCache.text = Promise.resolve('mine') as never
      const before = (await c.req.blob()).size
      delete c.req.bodyCache.text
      return [before, await c.req.text(), await (await c.req.blob()).text()]
    }
    assert.deepEqual(await made(emptied), [4, BODY, BODY])
    const own = async (c: Context): Promise<unknown> => {
      const { req } = c
      req.text = async () => `mine ${JSON.stringify(await req.json())}`
      Object.assign(req, { given: 1, whole: 2, take: 3, replace: 4 })
      return [await req.json(), await req.text(), await req.raw.text()]
    }
    assert.deepEqual(await made(own), [JSON.parse(BODY), `mine ${JSON.stringify(JSON.parse(BODY))}`, BODY])
  },
  "is a request of the app's own Hono, and may be changed like one": async () => {
    const read = async (c: Context): Promise<unknown> => {
      const { req } = c
      req.param = (() => 'mine') as never
      req.addValidatedData('query', { a: 1 })
      return [req instanceof HonoRequest, req.constructor === HonoRequest, req.param('x'), req.valid('query' as never)]
    }
    assert.deepEqual(await made(read), [true, true, 'mine', { a: 1 }])
  },
  'tells its method, URL, headers, query and signal as it came': async () => {
    const read = (c: Context): unknown => [
      c.req.method,
      c.req.url,
      c.req.query('b'),
      c.req.header('X-Mine'),
      c.req.header()['x-mine'],
      c.req.header('absent') ?? null,
      Object.getPrototypeOf(c.req.header()),
      c.req.raw.signal.aborted,
      c.req.raw.headers.get('x-mine'),
      c.req.raw.bodyUsed,
    ]
    assert.deepEqual(await made(read), ['POST', 'http://localhost/a?b=c', 'c', '1', '1', null, null, false, '1', false])
  },
  'broken JSON rejects where it is read': async () => {
    assert.equal(await made((c) => c.req.json().catch((error: Error) => error.name), post('{')), 'SyntaxError')
  },
  'forms are read by parseBody() and formData()': async () => {
    const form = post('x=1&y=2', { 'content-type': 'application/x-www-form-urlencoded' })
    assert.deepEqual(await made(async (c) => c.req.parseBody(), form.clone()), { x: '1', y: '2' })
    assert.equal(await made(async (c) => (await c.req.formData()).get('y'), form), '2')
  },
  'an app that puts another request in its place reads that one': async () => {
    const { app } = secured()
    app.use(async (c, next) => {
      c.req.raw = new Request('http://localhost/other', { method: 'PUT', body: 'other', headers: { 'x-mine': '2' } })
      await next()
    })
    app.post('/a', async (c) => c.json([await c.req.text(), c.req.method, c.req.header('x-mine'), c.req.url]))
    assert.deepEqual(await (await app.request(post())).json(), ['other', 'PUT', '2', 'http://localhost/other'])
  },
  'is read behind a second security() as well, and after another request was put in its place between the two':
    async () => {
      const options = { platform: new TestPlatform(), store: memoryStore(), events: keepEvents().sink }
      for (const replaced of [false, true]) {
        const app = new Hono().use(security(options))
        app.use(async (c, next) => {
          if (replaced) c.req.raw = new Request(c.req.url, { method: 'POST', body: '"other"' })
          await next()
        })
        app.use(security({ ...options, maxBodyBytes: 100 }))
        app.post('/a', async (c) => c.json([await c.req.json(), await c.req.raw.text(), c.req.method]))
        const body = replaced ? '"other"' : BODY
        assert.deepEqual(await (await app.request(post())).json(), [JSON.parse(body), body, 'POST'])
        const smaller = new Hono().use(security(options)).use(security({ ...options, maxBodyBytes: 5 }))
        smaller.post('/a', (c) => c.text('handled'))
        assert.equal((await smaller.request(post())).status, 413)
      }
    },
  'a header that a middleware takes away, or adds, is so for c.req too': async () => {
    const { app } = secured()
    app.use(async (c, next) => {
      c.req.raw.headers.delete('x-mine')
      c.req.raw.headers.set('x-added', '1')
      await next()
    })
    app.post('/a', (c) =>
      c.json([c.req.header('x-mine') ?? null, c.req.header('x-added'), c.req.header()['x-mine'] ?? null]),
    )
    assert.deepEqual(await (await app.request(post())).json(), [null, '1', null])
  },
  'validate() looks at what the app put in its place, as a request or in the cache of Hono': async () => {
    const ways: Record<string, (c: Context) => void | Promise<void>> = {
      request: async (c) => {
        const kept = { a: ((await c.req.json()) as { a: string }).a }
        c.req.raw = new Request(c.req.url, { method: 'POST', headers: c.req.raw.headers, body: JSON.stringify(kept) })
      },
      json: (c) => {
        c.req.bodyCache = { json: Promise.resolve({ a: 'é' }) }
      },
      text: (c) => {
        c.req.bodyCache = { text: Promise.resolve(BODY) as unknown as string }
      },
    }
    for (const [way, put] of Object.entries(ways)) {
      const { app } = secured()
      app.use(async (c, next) => {
        await put(c)
        await next()
      })
      app.post('/a', validate('json', z.looseObject({ a: z.string() })), async (c) =>
        c.json([c.req.valid('json'), await c.req.json()]),
      )
      const answer = await app.request(post('{"a":"é","admin":true}'))
      assert.deepEqual(await answer.json(), [JSON.parse(BODY), JSON.parse(BODY)], way)
    }
  },
  'a form that the app put in its place is counted by its own fields': async () => {
    const { app } = secured()
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    app.use(async (c, next) => {
      c.req.raw = new Request(c.req.url, { method: 'POST', headers: type, body: 'a=1&'.repeat(20_000) })
      await next()
    })
    app.post('/a', validate('form', z.looseObject({})), (c) => c.text('took it'))
    assert.equal((await app.request(post('a=1', type))).status, 400)
  },
  'two validators of one body see the same': async () => {
    const { app } = secured()
    const schema = z.looseObject({ a: z.string() })
    app.post('/a', validate('json', schema), validate('json', schema), async (c) =>
      c.json([c.req.valid('json'), await c.req.text(), await c.req.raw.text()]),
    )
    assert.deepEqual(await (await app.request(post())).json(), [JSON.parse(BODY), BODY, BODY])
  },
})
