import assert from 'node:assert/strict'
import { Hono } from 'hono'
import * as z from 'zod'
import { kitOf } from '../../src/layer.ts'
import type { ProblemDetails } from '../../src/problem.ts'
import { validate } from '../../src/validate/middleware.ts'
import { ChatText, Id, IdParam } from '../../src/validate/schemas.ts'
import { type Case, cases } from '../cases.ts'
import { secured } from '../support/fixtures.ts'

const Chat = z.object({ message: ChatText, temperature: z.number().max(2).optional() })

function setUp() {
  const made = secured({ maxBodyBytes: 1_048_576 })
  let handled = 0
  made.app.post('/chat', validate('json', Chat), (c) => {
    handled++
    return c.json(c.req.valid('json'))
  })
  const send = (
    body: BodyInit | null,
    headers: Readonly<Record<string, string>> = { 'content-type': 'application/json' },
  ) => made.app.request('/chat', { method: 'POST', headers, body })
  return { ...made, send, handled: () => handled }
}

async function expectProblem(response: Response, status: number, code: string): Promise<ProblemDetails> {
  const text = await response.text()
  assert.equal(response.status, status, text)
  const problem = JSON.parse(text) as ProblemDetails
  assert.equal(problem.code, code)
  return problem
}

export const validateMiddlewareCases: readonly Case[] = [
  ...cases('VAL-1', {
    'what is no schema of Zod 4 throws at start': () => {
      const old = { safeParseAsync: async () => ({ success: true, data: {} }) }
      for (const target of ['json', 'query'] as const) assert.throws(() => validate(target, old as never), /Zod 4/)
    },
    'a body that fits reaches the handler, parsed and without what the schema does not name': async () => {
      const { send } = setUp()
      const answer = await send('{"message":"hi","extra":1}')
      assert.equal(answer.status, 200)
      assert.deepEqual(await answer.json(), { message: 'hi' })
    },
    'a body that does not fit is a 400 with path, code and message of each field, and no handler runs': async () => {
      const { send, handled, events, platform } = setUp()
      const problem = await expectProblem(await send('{"message":"","temperature":3}'), 400, 'validation.failed')
      assert.deepEqual(
        problem.errors?.map(({ target, path, code }) => ({ target, path, code })),
        [
          { target: 'json', path: ['message'], code: 'too_small' },
          { target: 'json', path: ['temperature'], code: 'too_big' },
        ],
      )
      for (const { message } of problem.errors!) assert.ok(message.length > 0)
      assert.equal(handled(), 0)
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, reason }) => [type, reason]),
        [['validation.refused', 'json']],
      )
    },
    'a rejected value is in no answer and no event, though a message would repeat it': async () => {
      const { app, events, platform } = secured()
      const canary = 'sk-canary-0123456789'
      const Echoing = z.strictObject({
        secret: z.string().refine(() => false, { error: ({ input }) => `"${input}" is bad` }),
        kind: z.enum(['a', 'b']),
        count: z.number(),
      })
      app.post('/', validate('json', Echoing), (c) => c.text('ok'))
      const body = JSON.stringify({ secret: canary, kind: canary, count: canary, [canary]: 1 })
      const answer = await app.request('/', { method: 'POST', body, headers: { 'content-type': 'application/json' } })
      const text = await answer.text()
      assert.equal(answer.status, 400)
      await platform.settled()
      assert.equal((text + JSON.stringify(events)).includes(canary), false, text)
      assert.equal((JSON.parse(text) as ProblemDetails).errors?.length, 4)
    },
    'query, path, headers, cookies and forms are checked each in its own name': async () => {
      const { app } = secured()
      const shape = z.object({ id: Id })
      app.get('/query', validate('query', shape), (c) => c.json(c.req.valid('query')))
      app.get('/param/:id', validate('param', IdParam), (c) => c.json(c.req.valid('param')))
      app.get('/header', validate('header', shape), (c) => c.json(c.req.valid('header')))
      app.get('/cookie', validate('cookie', shape), (c) => c.json(c.req.valid('cookie')))
      app.post('/form', validate('form', shape), (c) => c.json(c.req.valid('form')))
      const form = (id: string) => ({ method: 'POST', body: new URLSearchParams({ id }) })
      const asked: [string, string, RequestInit, string, RequestInit][] = [
        ['query', '/query?id=a-1', {}, '/query?id=a.1', {}],
        ['param', '/param/a-1', {}, '/param/a.1', {}],
        ['header', '/header', { headers: { id: 'a-1' } }, '/header', { headers: { id: 'a.1' } }],
        ['cookie', '/cookie', { headers: { cookie: 'id=a-1' } }, '/cookie', { headers: { cookie: 'id=a.1' } }],
        ['form', '/form', form('a-1'), '/form', form('a.1')],
      ]
      for (const [target, goodPath, good, badPath, bad] of asked) {
        const answer = await app.request(goodPath, good)
        assert.equal(answer.status, 200, target)
        assert.deepEqual(await answer.json(), { id: 'a-1' })
        const problem = await expectProblem(await app.request(badPath, bad), 400, 'validation.failed')
        assert.deepEqual(
          problem.errors?.map((one) => [one.target, ...one.path]),
          [[target, 'id']],
        )
      }
    },
    'a query key that comes twice does not pass for one': async () => {
      // GHSA-crvj-82cr-hjcx
      const { app } = secured()
      app.get('/', validate('query', z.object({ id: Id })), (c) => c.json(c.req.valid('query')))
      await expectProblem(await app.request('/?id=a&id=b'), 400, 'validation.failed')
    },
    'the checked body can be read again by every way of Hono': async () => {
      const { app } = secured()
      app.post('/', validate('json', Chat), async (c) =>
        c.json([await c.req.text(), await c.req.json(), (await c.req.arrayBuffer()).byteLength]),
      )
      const body = '{"message":"é"}'
      const answer = await app.request('/', { method: 'POST', body, headers: { 'content-type': 'application/json' } })
      assert.deepEqual(await answer.json(), [body, { message: 'é' }, 16])
    },
    'two parts of a request are both checked': async () => {
      const { app } = secured()
      app.post('/:id', validate('param', IdParam), validate('json', Chat), (c) =>
        c.json([c.req.valid('param').id, c.req.valid('json').message]),
      )
      const init = { method: 'POST', body: '{"message":"hi"}', headers: { 'content-type': 'application/json' } }
      assert.deepEqual(await (await app.request('/a', init)).json(), ['a', 'hi'])
      assert.equal((await app.request('/a.b', init)).status, 400)
    },
  }),
  ...cases('VAL-3', {
    'an id in a path is letters, digits, "-" and "_", 1 to 128 of them': async () => {
      const { app } = secured()
      app.get('/agents/:id', validate('param', IdParam), (c) => c.text(c.req.valid('param').id))
      for (const id of ['a', 'A-z_09', 'a'.repeat(128)])
        assert.equal(await (await app.request(`/agents/${id}`)).text(), id)
      for (const id of ['a'.repeat(129), 'a.b', 'a%20b', '%C3%A9', 'a;b', 'a:b', "a'--", '$ne']) {
        await expectProblem(await app.request(`/agents/${id}`), 400, 'validation.failed')
      }
    },
  }),
  ...cases('VAL-4', {
    'a chat message holds 10,000 characters and no more': async () => {
      const { send } = setUp()
      assert.equal((await send(JSON.stringify({ message: 'a'.repeat(10_000) }))).status, 200)
      const problem = await expectProblem(
        await send(JSON.stringify({ message: 'a'.repeat(10_001) })),
        400,
        'validation.failed',
      )
      assert.equal(problem.errors?.[0]?.code, 'too_big')
      assert.match(problem.errors[0].message, /10[,.]?000/)
    },
  }),
  ...cases('VAL-5', {
    'a body of another type is a 415': async () => {
      const { send, handled } = setUp()
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'text/json',
        'application/jsonx',
        'application/json5',
        'text/plain; application/json',
        'multipart/form-data; boundary=x',
        '',
      ]) {
        await expectProblem(await send('{"message":"hi"}', { 'content-type': type }), 415, 'body.unsupported_type')
      }
      assert.equal(handled(), 0)
    },
    'a body of any JSON type is read': async () => {
      const { send } = setUp()
      for (const type of [
        'application/json',
        'application/json; charset=utf-8',
        'APPLICATION/JSON',
        'application/json ;x=y',
        'application/vnd.api+json',
        'application/json;',
      ]) {
        assert.equal((await send('{"message":"hi"}', { 'content-type': type })).status, 200, type)
      }
    },
    'a form of another type is a 415': async () => {
      const { app } = secured()
      app.post('/', validate('form', z.object({ id: Id })), (c) => c.text('ok'))
      await expectProblem(
        await app.request('/', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }),
        415,
        'body.unsupported_type',
      )
    },
    'a form that cannot be read is a 400': async () => {
      const { app } = secured()
      app.post('/', validate('form', z.object({ id: Id })), (c) => c.text('ok'))
      const answer = await app.request('/', {
        method: 'POST',
        body: 'garbage',
        headers: { 'content-type': 'multipart/form-data; boundary=x' },
      })
      assert.equal(answer.status, 400)
    },
    'a body with a content coding is a 415, identity aside': async () => {
      const { send } = setUp()
      const json = { 'content-type': 'application/json' }
      for (const coding of ['gzip', 'br', 'GZIP', 'deflate, gzip', 'identity, gzip']) {
        await expectProblem(
          await send('{"message":"hi"}', { ...json, 'content-encoding': coding }),
          415,
          'body.unsupported_type',
        )
      }
      assert.equal((await send('{"message":"hi"}', { ...json, 'content-encoding': 'identity' })).status, 200)
    },
    'a body that is no UTF-8 is a 400': async () => {
      const { send } = setUp()
      const prefix = [...new TextEncoder().encode('{"message":"')]
      for (const wrong of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80]]) {
        await expectProblem(await send(Uint8Array.from([...prefix, ...wrong, 0x22, 0x7d])), 400, 'body.unreadable')
      }
      assert.equal((await send(Uint8Array.from([...prefix, 0xc3, 0xa9, 0x22, 0x7d]))).status, 200)
    },
    'a body that is no JSON is a 400 that repeats none of it': async () => {
      const { send } = setUp()
      for (const body of [
        '{"message":"canary"',
        'canary',
        "{'message':'canary'}",
        '{"message":"canary",}',
        'NaN',
        '{"message":canary}',
        '',
      ]) {
        const problem = await expectProblem(await send(body), 400, 'body.unreadable')
        assert.equal(JSON.stringify(problem).includes('canary'), false)
      }
    },
    'JSON of another shape is a 400': async () => {
      const { send } = setUp()
      for (const body of [
        'null',
        '1',
        '"x"',
        '[]',
        '{}',
        '{"message":null}',
        '{"message":["a"]}',
        '{"message":{"$ne":""}}',
        '{"message":"\\ud800"}',
      ]) {
        await expectProblem(await send(body), 400, 'validation.failed')
      }
    },
    'JSON nested 100,000 deep is a 400': async () => {
      const { send } = setUp()
      const depth = 100_000
      assert.equal((await send(`{"message":${'['.repeat(depth)}${']'.repeat(depth)}}`)).status, 400)
      assert.equal((await send(`{"message":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`)).status, 400)
    },
    'a payload about __proto__ leaves Object.prototype unchanged': async () => {
      const { app } = secured()
      const before = Object.getOwnPropertyNames(Object.prototype).sort()
      app.post('/', validate('json', z.looseObject({ a: z.optional(z.unknown()) })), (c) => {
        const value = c.req.valid('json') as { polluted?: unknown }
        return c.json({ inherited: Object.hasOwn(value, 'polluted') ? false : value.polluted === true })
      })
      app.post('/record', validate('json', z.record(z.string(), z.unknown())), (c) =>
        c.json({ inherited: (c.req.valid('json') as { polluted?: unknown }).polluted === true }),
      )
      for (const path of ['/', '/record']) {
        for (const body of [
          '{"__proto__":{"polluted":true}}',
          '{"constructor":{"prototype":{"polluted":true}}}',
          '{"a":{"__proto__":{"polluted":true}}}',
        ]) {
          const answer = await app.request(path, {
            method: 'POST',
            body,
            headers: { 'content-type': 'application/json' },
          })
          if (answer.status === 200) assert.deepEqual(await answer.json(), { inherited: false })
          else assert.equal(answer.status, 400)
        }
      }
      assert.deepEqual(Object.getOwnPropertyNames(Object.prototype).sort(), before)
      assert.equal(({} as { polluted?: unknown }).polluted, undefined)
    },
  }),
  ...cases('validate()', {
    'leaves errors of the handler alone': async () => {
      const { HTTPException } = await import('hono/http-exception')
      const { app } = secured()
      app.post('/', validate('json', Chat), () => {
        throw new HTTPException(400, { message: 'mine' })
      })
      const answer = await app.request('/', {
        method: 'POST',
        body: '{"message":"hi"}',
        headers: { 'content-type': 'application/json' },
      })
      assert.equal(await answer.text(), 'mine')
    },
    'answers 500 without a kit, and reads no body': async () => {
      const app = new Hono().post('/', validate('json', Chat), (c) => c.text('ok'))
      const answer = await app.request('/', {
        method: 'POST',
        body: '{"message":"hi"}',
        headers: { 'content-type': 'application/json' },
      })
      assert.equal(answer.status, 500)
    },
    'finds the kit of security()': async () => {
      const { app } = secured()
      app.post('/', validate('json', Chat), (c) => c.json(kitOf(c, 'test') === c.var.security))
      const answer = await app.request('/', {
        method: 'POST',
        body: '{"message":"hi"}',
        headers: { 'content-type': 'application/json' },
      })
      assert.equal(await answer.json(), true)
    },
  }),
]
