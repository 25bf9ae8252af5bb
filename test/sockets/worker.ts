import { DurableObject, env } from 'cloudflare:workers'
import { apiKeys, authenticate, concurrency, security } from 'hinoban'
import { durableObjectStore, HinobanObject, hibernatingSockets, platform } from 'hinoban/cloudflare'
import { socketLimits } from 'hinoban/sockets'
import { Hono } from 'hono'
import { upgradeWebSocket } from 'hono/cloudflare-workers'
import { ticking } from './app.ts'

export { HinobanObject }

let awoken = 0

/** Five sockets a user, 20 messages at once each and 100 in all; in the room `slow` 3 of each and 5 in all an hour. */
export class Room extends DurableObject {
  readonly #born = ++awoken
  readonly #sockets =
    this.ctx.id.name === 'slow'
      ? hibernatingSockets(this.ctx, {
          limit: 5,
          messages: { quota: 3, periodSeconds: 3600 },
          allMessages: { quota: 5, periodSeconds: 3600 },
        })
      : hibernatingSockets(this.ctx, {
          limit: 5,
          messages: { quota: 20, periodSeconds: 10 },
          allMessages: { quota: 100, periodSeconds: 10 },
        })

  override fetch(request: Request): Response {
    const user = request.headers.get('x-principal')!
    if (new URL(request.url).searchParams.has('stranger')) {
      const { 0: client, 1: server } = new WebSocketPair()
      this.ctx.acceptWebSocket(server)
      return new Response(null, { status: 101, webSocket: client })
    }
    return this.#sockets.accept(request, user, { tags: ['all'], attachment: { user } })
  }

  override webSocketMessage(socket: WebSocket, message: string): void {
    try {
      if (message === 'overwrite') socket.serializeAttachment('of the app alone')
      else if (this.#sockets.admits(socket)) socket.send(this.#answer(socket, message))
      else if (socket.readyState === WebSocket.OPEN) socket.send(`refused ${message}`)
    } catch (error) {
      socket.close(4000, String(error).slice(0, 100))
    }
  }

  override webSocketClose(socket: WebSocket): void {
    socket.close()
  }

  #answer(socket: WebSocket, message: string): string {
    if (message !== 'who') return `echo ${message}`
    const { user } = this.#sockets.attachment(socket) as { user: string }
    const of = this.#sockets.of(user).length
    return `${user} has ${of} of ${this.ctx.getWebSockets('all').length} in life ${this.#born}`
  }
}

const bindings = env as unknown as {
  readonly ALICE: string
  readonly BOB: string
  readonly LEASES: DurableObjectNamespace<HinobanObject>
  readonly ROOM: DurableObjectNamespace<Room>
}
const sockets = socketLimits({ limit: 5, name: 'ws', leaseSeconds: 2, messages: { quota: 20, periodSeconds: 10 } })
const users = [
  { id: 'alice', digest: bindings.ALICE, scopes: [] },
  { id: 'bob', digest: bindings.BOB, scopes: [] },
]

export default new Hono()
  .use(security({ platform, store: durableObjectStore(bindings.LEASES, { deadlineMs: 5000 }) }))
  .use(authenticate(apiKeys({ keys: users })))
  .get(
    '/ws',
    sockets(upgradeWebSocket, () => ({ onMessage: (event, ws) => ws.send(`echo ${event.data}`) })),
  )
  .get('/stream', concurrency({ limit: 2, name: 'streams', leaseSeconds: 2 }), () => new Response(ticking()))
  .get('/rooms/:name', (c) => {
    const request = new Request(c.req.raw)
    request.headers.set('x-principal', c.var.principal.key)
    return bindings.ROOM.get(bindings.ROOM.idFromName(c.req.param('name'))).fetch(request)
  })
