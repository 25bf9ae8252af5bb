import { type AtomicStore, meter, type Platform, queue, rateLimit, StoreOutage } from 'hinoban'
import { credentialVault } from 'hinoban/credentials'
import type { MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { stream, streamSSE } from 'hono/streaming'
import { createApp } from '../../../examples/agent-server/app.ts'

/** The clock of the servers under test: it stands still, so that limits are exact. */
export const stoppedClock = { now: (): number => Date.UTC(2026, 10, 21) }

export interface TestEnvironment {
  readonly HINOBAN_CREDENTIAL_SECRET: string
  readonly HINOBAN_CREDENTIAL_SALT: string
  readonly PROVIDER: string
  readonly [name: string]: unknown
}

/** The example app, with one route for each kind of answer that headers must survive. */
export function createTestApp(
  platform: Platform,
  store: AtomicStore,
  env: TestEnvironment,
  upgrade: MiddlewareHandler,
) {
  const vault = credentialVault({ store, secret: env.HINOBAN_CREDENTIAL_SECRET, salt: env.HINOBAN_CREDENTIAL_SALT })
  const tokens = rateLimit({ quota: 100_000, periodSeconds: 86_400, name: 'tokens', reserve: 50_000 })
  return createApp({ platform, store, env, clock: stoppedClock })
    .get('/limits/stream', tokens, (c) => c.body(meter(c, 'tokens', drip(), (chunk) => chunk.byteLength)))
    .get('/limits/left', async (c) => {
      const [left] = await tokens.peek(c, { address: c.var.security.address().ip! })
      return c.json(left!.remaining, 200)
    })
    .get('/kinds/json', (c) => c.json({ kind: 'json' }))
    .get('/kinds/raw', () => new Response('raw'))
    .get('/kinds/redirect', () => Response.redirect('http://127.0.0.1/elsewhere'))
    .get('/kinds/proxied', () => fetch(`${env.PROVIDER}/plain`))
    .get('/kinds/stream', (c) =>
      stream(c, async (out) => {
        await out.write('one')
        await out.write('two')
      }),
    )
    .get('/kinds/sse', (c) => streamSSE(c, async (out) => out.writeSSE({ data: 'one' })))
    .get('/kinds/throws', () => {
      throw new Error('thrown')
    })
    .get('/kinds/throws-http', () => {
      throw new HTTPException(418, { message: 'teapot' })
    })
    .get('/kinds/throws-text', () => {
      throw 'no Error at all'
    })
    .get('/kinds/outage', () => {
      throw new StoreOutage('gone')
    })
    .get('/kinds/nothing', (() => undefined) as unknown as () => Response)
    .get('/kinds/socket', upgrade)
    .get('/queued/socket', queue({ maxRunning: 1, maxWaiting: 0, by: 'everyone' }), upgrade)
    .get('/queued/endless', queue({ maxRunning: 1, maxWaiting: 1, by: 'everyone' }), (c) =>
      stream(c, async (out) => {
        while (!out.aborted) {
          await out.write('more')
          await out.sleep(20)
        }
      }),
    )
    .post('/kinds/length', async (c) =>
      c.json({ bytes: (await c.req.arrayBuffer()).byteLength, raw: c.req.raw.method }),
    )
    .post('/kinds/raw-body', async (c) => c.text(await c.req.raw.text()))
    .post('/kinds/seed', async (c) => c.json(await vault.store('openai', await c.req.text())))
}

/** Ten bytes every 5 ms, until nobody listens. */
function drip(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      controller.enqueue(new Uint8Array(10))
    },
  })
}
