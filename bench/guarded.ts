/** One process: bare Hono and the guarded app, interleaved in rounds. Prints one line of JSON. */
import {
  apiKeys,
  authenticate,
  digestApiKey,
  makeApiKey,
  memoryStore,
  type Platform,
  rateLimit,
  security,
} from 'hinoban'
import { ChatText, validate } from 'hinoban/validate'
import { Hono } from 'hono'
import { validator } from 'hono/validator'
import * as z from 'zod/mini'

const runtime = 'Bun' in globalThis ? 'bun' : 'Deno' in globalThis ? 'deno' : 'node'
const { platform } = (await import(`hinoban/${runtime}`)) as { platform: Platform }
const quick = process.argv.includes('--quick')
const [rounds, iterations] = quick ? [8, 1500] : [20, 8000]

const key = makeApiKey()
const QUIET = Object.assign(() => undefined, { level: 'warn' as const })
const guarded = guard(10_000_000)
/** Lets one request through, and refuses the others. */
const spent = guard(1)
const bare = new Hono()
  .get('/api/me', (c) => c.json({ id: 'me' }))
  .post(
    '/api/chat',
    validator('json', (value) => value as { message: string }),
    (c) => c.json({ reply: c.req.valid('json').message }),
  )

const headers = {
  authorization: `Bearer ${key}`,
  accept: 'application/json',
  'user-agent': 'bench',
  'accept-encoding': 'gzip',
  'content-type': 'application/json',
}
// Each runtime's own peer address, as its server would give it.
const env = {
  incoming: { socket: { remoteAddress: '203.0.113.7' } },
  requestIP: () => ({ address: '203.0.113.7' }),
  remoteAddr: { transport: 'tcp', hostname: '203.0.113.7' },
}
const get = { headers }
const post = {
  method: 'POST',
  headers: { ...headers, 'content-length': '32' },
  body: '{"message":"Hello over there!"}\n',
}

const candidates: [name: string, app: Hono, path: string, init: RequestInit, status: number][] = [
  ['bare GET', bare, '/api/me', get, 200],
  ['guarded GET', guarded, '/api/me', get, 200],
  ['denied GET', spent, '/api/me', get, 429],
  ['bare POST', bare, '/api/chat', post, 200],
  ['guarded POST', guarded, '/api/chat', post, 200],
]
await spent.fetch(new Request('http://localhost/api/me', get), env)
const times: Record<string, number[]> = Object.fromEntries(candidates.map(([name]) => [name, []]))
for (let round = -2; round < rounds; round++) {
  for (const [name, app, path, init, status] of candidates) {
    const start = performance.now()
    for (let i = 0; i < iterations; i++) {
      const answer = await app.fetch(new Request(`http://localhost${path}`, init), env)
      if (answer.status !== status) throw new Error(`${name} answered ${answer.status}: ${await answer.text()}`)
    }
    // The first two rounds warm up.
    if (round >= 0) times[name]!.push(((performance.now() - start) * 1000) / iterations)
  }
}
console.log(JSON.stringify({ runtime, rounds, iterations, microseconds: times }))

function guard(quota: number): Hono {
  const api = new Hono()
    .use(rateLimit({ quota, periodSeconds: 3600 }))
    .use(authenticate(apiKeys({ keys: [digestApiKey(key)] })))
    .get('/me', (c) => c.json({ id: 'me' }))
    .post('/chat', validate('json', z.object({ message: ChatText })), (c) =>
      c.json({ reply: c.req.valid('json').message }),
    )
  const app = new Hono()
    .use(security({ platform, store: memoryStore(), cors: { origins: ['https://app.example'] }, events: QUIET }))
    .route('/api', api)
  return app as unknown as Hono
}
