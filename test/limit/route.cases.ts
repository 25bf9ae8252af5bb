import assert from 'node:assert/strict'
import { Hono } from 'hono'
import { routeOf } from '../../src/limit/route.ts'
import { type Case, cases } from '../cases.ts'

/** What the first layer of an app takes each request for. */
function setUp(build: (app: Hono) => unknown): (path: string, method?: string) => Promise<string> {
  const app = new Hono()
  let route = ''
  app.use(async (c, next) => {
    route = routeOf(c)
    await next()
  })
  build(app)
  return async (path, method = 'GET') => {
    await app.request(path, { method })
    return route
  }
}

export const routeCases: readonly Case[] = cases('routeOf()', {
  'is the pattern of the route, whatever its parameters, before it is reached': async () => {
    const route = setUp((app) =>
      app
        .use('/users/*', (_c, next) => next())
        .get('/users/:id', (c) => c.text('a'))
        .post('/users/:id', (c) => c.text('b')),
    )
    assert.equal(await route('/users/1'), 'GET /users/:id')
    assert.equal(await route('/users/..%2f2'), 'GET /users/:id')
    assert.equal(await route('/users/1', 'POST'), 'POST /users/:id')
    assert.equal(await route('/users/1', 'HEAD'), 'GET /users/:id')
  },
  'of a sub-app, also of one with its own error handler, is the whole pattern': async () => {
    const plain = new Hono().get('/x/:id', (c) => c.text('a'))
    const own = new Hono().all('/y/:id', (c) => c.text('b')).onError((_e, c) => c.text('e'))
    const route = setUp((app) => app.route('/api', plain).route('/own', own))
    assert.equal(await route('/api/x/3'), 'GET /api/x/:id')
    assert.equal(await route('/own/y/3'), 'ALL /own/y/:id')
  },
  'what no route matches shares what the layers before it match': async () => {
    const route = setUp((app) => app.use('/api/*', (_c, next) => next()).get('/api/x', (c) => c.text('a')))
    const unmatched = await route('/api/1')
    assert.equal(await route('/api/2'), unmatched)
    assert.equal(await route('/else'), await route('/other'))
  },
  'a mounted app is one route': async () => {
    const route = setUp((app) => app.mount('/m', () => new Response('m')))
    assert.equal(await route('/m/1'), await route('/m/2'))
    assert.notEqual(await route('/m/1'), await route('/else'))
  },
})
