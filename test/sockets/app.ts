import {
  type AtomicStore,
  apiKeys,
  authenticate,
  type Clock,
  concurrency,
  type Platform,
  security,
  systemClock,
} from 'hinoban'
import { socketLimits } from 'hinoban/sockets'
import { Hono } from 'hono'
import type { UpgradeWebSocket } from 'hono/ws'

/** What a server under test is told. */
export interface SocketEnvironment {
  /** Digests of the keys of two users. */
  readonly ALICE: string
  readonly BOB: string
  readonly LEASE_SECONDS?: string
  /** `running` for a clock that goes: leases need one. Limits of messages are exact on one that stands still. */
  readonly CLOCK?: string
  readonly [name: string]: unknown
}

/** The clock that a server is told to use. */
export function clockOf({ CLOCK }: SocketEnvironment): Clock {
  return CLOCK === 'running' ? systemClock : { now: () => Date.UTC(2026, 10, 21) }
}

/** Five WebSockets a user, 20 messages at once each and 100 in all; echoes what it hears. */
export function createSocketApp(
  platform: Platform,
  store: AtomicStore,
  env: SocketEnvironment,
  // biome-ignore lint/suspicious/noExplicitAny: that of any runtime.
  upgradeWebSocket: UpgradeWebSocket<any, any, any>,
  clock: Clock,
) {
  const sockets = socketLimits({
    limit: 5,
    name: 'ws',
    leaseSeconds: Number(env.LEASE_SECONDS ?? 30),
    messages: { quota: 20, periodSeconds: 1 },
    allMessages: { quota: 100, periodSeconds: 1 },
  })
  const users = [
    { id: 'alice', digest: env.ALICE, scopes: [] },
    { id: 'bob', digest: env.BOB, scopes: [] },
  ]
  const contexts = new Set<WeakRef<object>>()
  return new Hono()
    .use(security({ platform, store, clock }))
    .get('/live', (c) => {
      const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(now: boolean): void } }
      if (gc) gc()
      else Bun?.gc(true)
      return c.json([...contexts].filter((ref) => ref.deref() !== undefined).length)
    })
    .use(async (c, next) => {
      contexts.add(new WeakRef(c.req.raw))
      await next()
    })
    .use(authenticate(apiKeys({ keys: users })))
    .get(
      '/ws',
      sockets(upgradeWebSocket, () => ({
        onMessage: (event, ws) => ws.send(`echo ${event.data}`),
        onLimited: (event, ws, why) => ws.send(`${why} ${event.data}`),
      })),
    )
    .get('/stream', concurrency({ limit: 2, name: 'streams', leaseSeconds: 2 }), () => new Response(ticking()))
}

/** A body that never ends: a few bytes each 50 ms, for as long as somebody takes them. */
export function ticking(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      controller.enqueue(new TextEncoder().encode('tick\n'))
    },
  })
}
