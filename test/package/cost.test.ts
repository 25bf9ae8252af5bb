import { createHook, type HookCallbacks } from 'node:async_hooks'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { apiKeys, authenticate, digestApiKey, guard, makeApiKey, memoryStore, rateLimit, security } from 'hinoban'
import { platform } from 'hinoban/node'
import { ChatText, validate } from 'hinoban/validate'
import { Hono, type MiddlewareHandler } from 'hono'
import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { storeOver } from '../support/fixtures.ts'

/** What a request costs in things that can be counted: unlike its time, they are the same on every machine. */

const KEY = makeApiKey()
const ROUNDS = 20
const QUIET = Object.assign(() => undefined, { level: 'warn' as const })
const env = { incoming: { socket: { remoteAddress: '203.0.113.9' } } }
const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
const schema = z.object({ message: ChatText })

const count = { consume: 0, otherCalls: 0, clock: 0, headers: 0, promises: 0, requests: 0, timers: 0 }

const clock = {
  now: () => {
    count.clock++
    return Date.now()
  },
}

function countedStore() {
  const inner = memoryStore()
  const other =
    <Args extends unknown[], R>(verb: (...args: Args) => R) =>
    (...args: Args): R => {
      count.otherCalls++
      return verb(...args)
    }
  return storeOver(inner, {
    deadlineMs: 0,
    get: other((key) => inner.get(key)),
    set: other((key, value, expiresAt) => inner.set(key, value, expiresAt)),
    list: other((partition, prefix, cursor) => inner.list(partition, prefix, cursor)),
    swap: other((key, version, value, expiresAt) => inner.swap(key, version, value, expiresAt)),
    consume: (partition, charges) => {
      count.consume++
      return inner.consume(partition, charges)
    },
  })
}

function layersOf(quota: number): [MiddlewareHandler, ...MiddlewareHandler[]] {
  return [
    security({ platform, store: countedStore(), clock, cors: { origins: ['https://app.example'] }, events: QUIET }),
    rateLimit({ quota, periodSeconds: 3600 }),
    authenticate(apiKeys({ keys: [digestApiKey(KEY)] })) as MiddlewareHandler,
  ]
}

function handled(app: Hono): Hono {
  return app
    .get('/', (c) => c.json({ id: 'me' }))
    .post('/', validate('json', schema), (c) => c.json({ reply: c.req.valid('json').message })) as unknown as Hono
}

const bare = (): Hono =>
  new Hono().get('/', (c) => c.json({ id: 'me' })).post('/', async (c) => c.json(await c.req.json()))
const layers = (quota = 1000): Hono => {
  const app = new Hono()
  for (const layer of layersOf(quota)) app.use(layer)
  return handled(app)
}
const guarded = (quota = 1000): Hono => handled(new Hono().use(guard(...layersOf(quota))))

const GET = (): Request => new Request('http://localhost/', { headers })
const POST = (): Request => {
  const body = '{"message":"Hello"}'
  return new Request('http://localhost/', {
    method: 'POST',
    headers: { ...headers, 'content-length': String(body.length) },
    body,
  })
}

/** What one request more costs, the same for each of many. */
async function costOf(app: Hono, ask: () => Request, status = 200): Promise<typeof count> {
  const requests = Array.from({ length: 2 * ROUNDS }, ask)
  const send = async (request: Request): Promise<void> => {
    expect((await app.fetch(request, env)).status).toBe(status)
  }
  for (const request of requests.slice(ROUNDS)) await app.fetch(request, env)
  const restore = countEverything()
  try {
    for (const request of requests.slice(0, ROUNDS)) await send(request)
  } finally {
    restore()
  }
  const each = Object.entries(count).map(([what, total]) => [what, total / ROUNDS])
  return Object.fromEntries(each) as typeof count
}

function countEverything(): () => void {
  for (const what of Object.keys(count) as (keyof typeof count)[]) count[what] = 0
  const init: HookCallbacks['init'] = (_id, type) => {
    if (type === 'PROMISE') count.promises++
    if (type === 'Timeout') count.timers++
  }
  const hook = createHook({ init }).enable()
  const verbs = ['get', 'has', 'set', 'append', 'delete'] as const
  const originals = verbs.map((verb) => Headers.prototype[verb])
  verbs.forEach((verb, i) => {
    Headers.prototype[verb] = function (this: Headers, ...args: [string, string]) {
      count.headers++
      return Reflect.apply(originals[i]!, this, args)
    } as never
  })
  const { Request: Original } = globalThis
  globalThis.Request = new Proxy(Original, {
    construct(target, args) {
      count.requests++
      return Reflect.construct(target, args) as Request
    },
  })
  return () => {
    hook.disable()
    globalThis.Request = Original
    verbs.forEach((verb, i) => {
      Headers.prototype[verb] = originals[i] as never
    })
  }
}

/** Promises over bare Hono's, which makes some for each layer. */
const LAYERS_PROMISES = 12
const GUARD_PROMISES = 8
/** Those of Hono, of reading the body and of Zod among them. */
const POST_PROMISES = 36

/** Minified, without the user's own hono and zod. */
const BUNDLES = {
  'security(), authenticate(), rateLimit() and memoryStore() for Workers': {
    source: `export { apiKeys, authenticate, memoryStore, rateLimit, security } from 'hinoban'
export { platform } from 'hinoban/cloudflare'`,
    gzip: 30_300,
  },
  'validate()': { source: `export { validate } from 'hinoban/validate'`, gzip: 3_650 },
}

describe('what a request costs, counted', () => {
  test('a GET through all layers: one call of the store, no Request made, no timer, few promises and headers', async () => {
    const plain = await costOf(bare(), GET)
    const ours = await costOf(layers(), GET)
    const inOne = await costOf(guarded(), GET)
    for (const one of [ours, inOne]) {
      expect(one).toMatchObject({ consume: 1, otherCalls: 0, requests: 0, timers: 0 })
      expect(one.clock).toBeLessThanOrEqual(1)
      // 19 that are written, 6 of the request that are read.
      expect(one.headers - plain.headers).toBeLessThanOrEqual(25)
    }
    expect(ours.promises - plain.promises).toBeLessThanOrEqual(LAYERS_PROMISES)
    expect(inOne.promises - plain.promises).toBeLessThanOrEqual(GUARD_PROMISES)
  })

  test('a denied GET: no call of the store, and fewer promises than one that is let in', async () => {
    for (const app of [layers(1), guarded(1)]) {
      const denied = await costOf(app, GET, 429)
      expect(denied).toMatchObject({ consume: 0, otherCalls: 0, requests: 0, timers: 0 })
      expect(denied.promises).toBeLessThan((await costOf(layers(), GET)).promises)
    }
  })

  test('a POST that is validated: its body read once, and no Request made of it', async () => {
    const ours = await costOf(guarded(), POST)
    expect(ours).toMatchObject({ consume: 1, otherCalls: 0, requests: 0, timers: 0 })
    expect(ours.promises).toBeLessThanOrEqual(POST_PROMISES)
  })

  test('a handler that asks for c.req.raw has one Request made', async () => {
    const app = new Hono().use(...layersOf(1000)).post('/', async (c) => c.text(await c.req.raw.text()))
    expect((await costOf(app as unknown as Hono, POST)).requests).toBe(1)
  })

  test.each(Object.entries(BUNDLES))('%s stays within its bytes', async (_name, { source, gzip }) => {
    const bytes = gzipSync(await minified(source), { level: 9 }).length
    expect(bytes).toBeLessThanOrEqual(gzip)
    // A budget that is far above what is there guards nothing.
    expect(bytes).toBeGreaterThan(0.93 * gzip)
  })
})

async function minified(source: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: import.meta.dirname, loader: 'js' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['node:*', 'cloudflare:*', 'hono', 'hono/*', 'zod', 'zod/*'],
    write: false,
  })
  return outputFiles[0]!.contents
}
