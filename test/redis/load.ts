/**
 * Load on an app whose limits and nonces live in Redis: `load.ts <library> <port>`. Says `ready`, works until its input ends, then
 * prints every call as JSON on the last line.
 */
import { Hono } from 'hono'
import { redisStore } from '../../adapters/redis/index.ts'
import { sha256Hex } from '../../src/crypto/hash.ts'
import { rateLimit } from '../../src/limit/middleware.ts'
import { security } from '../../src/security.ts'
import { connect } from './clients.ts'

/** One call: when it began (ms since the epoch), how long it took, and what came: a status, or how a claim ended. */
export interface LoadCall {
  readonly what: 'deny' | 'local' | 'allow' | 'claim'
  readonly at: number
  readonly ms: number
  readonly came: string
}

/** Requests that the local limiter lets through while Redis is away, of this process. */
const LOCAL_QUOTA = 20
const WORKERS = 24
const PAUSE_MS = 5
const [library, port] = process.argv.slice(2)
const client = await connect(library as Parameters<typeof connect>[0], Number(port))
const store = redisStore({ send: client.send })
const events: string[] = []
const app = new Hono()
  .use(
    security({
      platform: {
        name: 'load',
        sharesRequests: true,
        signalsAbort: true,
        sha256: sha256Hex,
        equal: (a, b) => a === b,
        address: () => ({ ip: '127.0.0.1', source: 'socket' }) as never,
        defer: () => undefined,
        log: () => undefined,
      },
      store,
      events: (batch) => void events.push(...batch.map(({ type, reason }) => `${type} ${reason}`)),
    }),
  )
  .get('/deny', rateLimit({ quota: 1_000_000, periodSeconds: 60, onStoreFailure: 'deny' }), (c) => c.text('in'))
  .get('/allow', rateLimit({ quota: 1_000_000, periodSeconds: 60, onStoreFailure: 'allow', name: 'a' }), (c) =>
    c.text('in'),
  )
  .get('/local', rateLimit({ quota: LOCAL_QUOTA, periodSeconds: 36_000, name: 'l' }), (c) => c.text('in'))

const calls: LoadCall[] = []
let running = true
process.stdin
  .on('data', () => undefined)
  .on('end', () => {
    running = false
  })
await store.ready()
await time('deny', () => request('deny'))
console.log('ready')
await Promise.all(
  Array.from({ length: WORKERS }, (_, i) => work((['deny', 'local', 'claim', 'allow'] as const)[i % 4]!)),
)
client.close()
process.stdout.write(`${JSON.stringify({ calls, events: [...new Set(events)] })}\n`, () => process.exit(0))

async function work(what: LoadCall['what']): Promise<void> {
  while (running) {
    await time(what, what === 'claim' ? claim : () => request(what))
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

async function time(what: LoadCall['what'], call: () => Promise<string>): Promise<void> {
  const at = Date.now()
  const began = performance.now()
  const came = await call()
  calls.push({ what, at, ms: performance.now() - began, came })
}

async function request(path: string): Promise<string> {
  return String((await app.request(`http://localhost/${path}`)).status)
}

async function claim(): Promise<string> {
  try {
    return String(await store.claim({ partition: 'nonces', name: crypto.randomUUID() }, Date.now() + 60_000))
  } catch (error) {
    return (error as Error).name
  }
}
