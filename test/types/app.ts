/** Compiled, never run: what must and must not compile for a user. */

import { upgradeWebSocket } from '@hono/node-server'
import {
  apiKeys,
  authenticate,
  concurrency,
  guard,
  identify,
  memoryStore,
  type Principal,
  type Refusals,
  rateLimit,
  type Store,
  type Stored,
  security,
} from 'hinoban'
import { platform } from 'hinoban/node'
import { socketLimits } from 'hinoban/sockets'
import { encrypted, keyring, namespaced, rememberDenials, withDeadline } from 'hinoban/store'
import { ChatText, IdParam, validate } from 'hinoban/validate'
import { Hono } from 'hono'
import { type ApplyGlobalResponse, hc } from 'hono/client'
import * as full from 'zod'
import * as z from 'zod/mini'

const keys = apiKeys({ keys: ['ab'.repeat(32)] })
const store = memoryStore()
const sockets = socketLimits({ limit: 5, allMessages: { quota: 100, periodSeconds: 1 } })

const api = new Hono()
  .use(rateLimit({ quota: 100, periodSeconds: 60 }))
  .use(authenticate(keys))
  .get('/me', (c) => c.json({ id: c.var.principal.id satisfies string, scopes: [...c.var.principal.scopes] }, 200))
  .post('/chat', validate('json', z.object({ message: ChatText, at: z.optional(z.number()) })), (c) => {
    const input: { message: string; at?: number | undefined } = c.req.valid('json')
    // @ts-expect-error a field that the schema does not have
    input.other
    return c.json({ reply: input.message, from: c.var.principal.key }, 200)
  })
  .post('/slow', concurrency({ limit: 3, name: 'slow', by: ['principal', 'route'] }), (c) =>
    c.json({ slow: true }, 200),
  )
  .get(
    '/ws',
    sockets(upgradeWebSocket, (c) => ({
      onMessage: (event, ws) => ws.send(`${c.req.path} ${event.data}`),
      onLimited: (_event, ws, why) => ws.close(4000, why satisfies 'refused' | 'unknown'),
    })),
  )
  // @ts-expect-error the events are wrapped with the upgrade, and never without them
  .get('/half', sockets(upgradeWebSocket))
  .get('/things/:id', validate('param', IdParam), (c) => c.json({ id: c.req.valid('param').id satisfies string }, 200))
  .post('/full', validate('json', full.object({ n: full.coerce.number() })), (c) =>
    c.json({ n: c.req.valid('json').n satisfies number }, 200),
  )

export const app = new Hono()
  .use(security({ platform, store }))
  // @ts-expect-error nobody has authenticated here, so there is no principal
  .get('/health', (c) => c.text(c.var.principal.id))
  .route('/api', api)

export const strangers = new Hono().use(identify(keys)).get('/', (c) => {
  const principal: Principal | null = c.var.principal
  // @ts-expect-error it may be null
  c.var.principal.id
  return c.text(principal?.id ?? 'stranger')
})

export const mostlyClosed = new Hono()
  .use(authenticate(keys, { publicPaths: ['/health'] }))
  // @ts-expect-error with public paths the principal may be null
  .get('/me', (c) => c.text(c.var.principal.id))

const eventual: Store = { ...store, consistency: 'eventual' }
// @ts-expect-error an eventually consistent store cannot carry limits
security({ platform, store: eventual })
// @ts-expect-error the same for a limiter that stands alone
rateLimit({ quota: 1, periodSeconds: 1, platform, store: eventual })
// @ts-expect-error no wrapper makes it exact
security({ platform, store: withDeadline(namespaced(eventual, 'a')) })
// @ts-expect-error nor does encryption
security({ platform, store: encrypted(eventual, keyring({ secret: '', salt: '' })) })
// @ts-expect-error denials are of limits, which it cannot carry
rememberDenials(eventual)
security({ platform, store: rememberDenials(withDeadline(namespaced(store, 'a'))) })
namespaced(store, 'a').get({ partition: 'p', name: 'n' }) satisfies Stored | null
// @ts-expect-error a platform is needed
security({ store })
// @ts-expect-error a scheme needs keys
apiKeys({})

const client = hc<ApplyGlobalResponse<typeof api, Refusals>>('http://localhost')
export async function call(): Promise<string> {
  const answer = await client.chat.$post({ json: { message: 'hello' } })
  if (answer.status === 401 || answer.status === 429) return (await answer.json()).detail
  if (answer.status === 200) return (await answer.json()).reply
  return answer.status.toFixed()
}
export const socket: WebSocket = hc<typeof api>('http://localhost').ws.$ws()
// @ts-expect-error the client knows what the schema wants
hc<typeof api>('http://localhost').chat.$post({ json: { message: 5 } })

export const guarded = new Hono()
  .use(guard(security({ platform, store }), rateLimit({ quota: 100, periodSeconds: 60 }), authenticate(keys)))
  .get('/me', (c) => c.text(c.var.principal.id satisfies string))

export const guardedForAll = new Hono()
  .use(guard(security({ platform, store }), identify(keys)))
  // @ts-expect-error a stranger is null
  .get('/me', (c) => c.text(c.var.principal.id))
  .get('/maybe', (c) => c.text((c.var.principal satisfies Principal | null)?.id ?? 'nobody'))

export const guardedWithoutKeys = new Hono()
  .use('/api/*', guard(security({ platform, store })))
  // @ts-expect-error nobody has authenticated here, so there is no principal
  .get('/api/me', (c) => c.text(c.var.principal.id))
  .get('/api/own', guard(authenticate(keys)), (c) => c.text(c.var.principal.id satisfies string))

// @ts-expect-error no layer at all
guard()
