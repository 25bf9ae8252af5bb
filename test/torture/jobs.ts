import {
  apiKeys,
  authenticate,
  digestApiKey,
  eventLine,
  makeApiKey,
  memoryStore,
  type SecurityEvent,
  security,
} from 'hinoban'
import { platform } from 'hinoban/node'
import { Hono } from 'hono'
import { pathFault } from '../../src/http/path.ts'
import { Client } from '../flow/client.ts'
import { RUNTIMES, startProvider, startServer } from '../flow/servers.ts'
import { floodJobs } from './floods.ts'
import type { Job } from './job.ts'
import { raceJobs } from './races.ts'
import type { Random } from './random.ts'

export const jobs: readonly Job[] = [
  ...RUNTIMES.map(
    (runtime): Job => ({
      name: `${runtime} > LIM-1 exactly the quota of 100 passes of 1,000 parallel calls over sockets`,
      rounds: 100,
      volume: '1,000 calls',
      async start() {
        const server = await startServer(runtime, {})
        return {
          async round() {
            const client = new Client(server)
            const statuses = await Promise.all(
              Array.from({ length: 1000 }, async () => (await client.chat('hello', {})).status),
            )
            const passed = statuses.filter((status) => status === 401).length
            const refused = statuses.filter((status) => status === 429).length
            expectEqual([passed, refused], [100, 900])
          },
          stop: () => server.stop(),
        }
      },
    }),
  ),
  ...RUNTIMES.map(
    (runtime): Job => ({
      name: `${runtime} > KEY-4 mutated paths over sockets never lead a stranger to the chat handler`,
      rounds: 100,
      volume: '50 raw requests',
      async start() {
        const provider = await startProvider()
        const server = await startServer(runtime, { PROVIDER: provider.url })
        return {
          async round(random) {
            const client = new Client(server)
            const body = '{"message":"hello"}'
            const answers = await Promise.all(
              Array.from({ length: 50 }, () => {
                const path = mutatedPath(random)
                const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`
                return client.raw(head, body).then((answer) => ({ path, answer }))
              }),
            )
            for (const { path, answer } of answers) {
              if (answer.status === 200 || answer.body.includes('reply'))
                throw new Error(`${path} reached a handler: ${answer.status}`)
            }
          },
          async stop() {
            await server.stop()
            await provider.stop()
          },
        }
      },
    }),
  ),
  {
    name: 'KEY-3 fuzzed Authorization and X-API-Key: 200, 400 or 401, never a throw',
    rounds: 100,
    volume: '1,000 requests',
    async start() {
      const app = new Hono()
        .use(security({ platform, store: memoryStore(), events: [] }))
        .use(authenticate(apiKeys({ keys: [digestApiKey(makeApiKey())] })))
        .get('/', (c) => c.text('in'))
      return {
        async round(random) {
          for (let i = 0; i < 1000; i++) {
            const headers = new Headers()
            for (const name of ['authorization', 'x-api-key']) {
              const value =
                random.pick(['', 'Bearer', 'bearer ', 'Bearer  ', 'Basic ', 'Bearer hnb_']) +
                random.text(40, 0x20, 0x7e)
              if (random.below(3) > 0) headers.set(name, value)
            }
            const { status } = await app.request('/', { headers })
            if (status !== 400 && status !== 401) throw new Error(`${[...headers]} gave ${status}`)
          }
        },
        stop: () => undefined,
      }
    },
  },
  {
    name: 'KEY-4 a path that the guard accepts is routed as it is spelled',
    rounds: 100,
    volume: '10,000 paths',
    async start() {
      let reached = ''
      const app = new Hono()
        .all('/open/*', (c) => {
          reached = 'open'
          return c.text('')
        })
        .all('/closed/*', (c) => {
          reached = 'closed'
          return c.text('')
        })
      return {
        async round(random) {
          for (let i = 0; i < 10_000; i++) {
            const path = mutatedPath(random).replace('/health', '/open').replace('/api', '/closed').split('?', 1)[0]!
            if (pathFault(path) !== null) continue
            reached = ''
            // A Request normalises what Deno would not; the guard has let it through, so it must not change a letter.
            const url = new URL(`http://localhost${path}`)
            if (url.pathname !== path && !/[^\x21-\x7e]/.test(path))
              throw new Error(`${path} was accepted, and read as ${url.pathname}`)
            await app.request(url)
            if ((reached === 'open') !== /^\/open(?:\/|$)/.test(path)) throw new Error(`${path} reached ${reached}`)
          }
        },
        stop: () => undefined,
      }
    },
  },
  {
    name: 'KEY-9 one event is one line, whatever it holds',
    rounds: 100,
    volume: '1,000 events',
    async start() {
      return {
        round(random) {
          for (let i = 0; i < 1000; i++) {
            const text = (): string => random.text(30, 0, 0x2fff)
            const event: SecurityEvent = {
              type: 'auth.refused',
              level: 'warn',
              at: 0,
              method: text(),
              path: text(),
              address: 'unknown',
              principal: null,
              reason: text(),
              resource: text(),
              origin: text(),
              userAgent: text(),
              count: 1,
            }
            const line = eventLine(event)
            if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(line))
              throw new Error(`not one plain line: ${JSON.stringify(line)}`)
            expectEqual(JSON.parse(line), event)
          }
        },
        stop: () => undefined,
      }
    },
  },
  ...floodJobs,
  ...raceJobs,
]

function mutatedPath(random: Random): string {
  const pieces = [
    '/health',
    '/api',
    '/chat',
    '/',
    '//',
    '/..',
    '/.',
    '%2e',
    '%2E%2e',
    '%2f',
    '%5c',
    '\\',
    ';x',
    '%00',
    '%61',
    '%63hat',
    '%25',
    '/%2e%2e/',
    '.',
    'API',
    '?',
    '%',
    '%c0%af',
    '/api/chat',
    '%E3%81%82',
  ]
  let path = random.pick(['/health', '/api/chat', '/', '//', '/api'])
  for (let i = random.below(5); i > 0; i--) path += random.pick(pieces)
  return path
}

function expectEqual(actual: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (left !== right) throw new Error(`got ${left}, wanted ${right}`)
}
