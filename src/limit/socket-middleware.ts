import type { MiddlewareHandler } from 'hono'
import type { UpgradeWebSocket, WSContext, WSEvents } from 'hono/ws'
import type { Kit } from '../kit.ts'
import type { KitOptions } from '../kit-base.ts'
import { type Context, layer, type StepAnswer } from '../layer.ts'
import { isPending } from '../store/contract.ts'
import { ClockCheck, type Lease, slotPartition, takeSlot } from './lease.ts'
import { LimitedSocket, type SocketSettings } from './limited-socket.ts'
import { boundedStore } from './limiter-store.ts'
import { type MessageQuota, messageRate, SharedQuota } from './message-quota.ts'
import { releaseLater } from './release.ts'
import { checkSlots, type SlotOptions } from './slot-options.ts'
import { subjectOf } from './subject.ts'

export type { MessageQuota }

/** What {@link socketLimits} takes besides the parts of a kit. */
export interface SocketLimitsOptions extends KitOptions, SlotOptions {
  /** WebSockets that may live at once, 1 to 1,000. */
  readonly limit: number
  /** What one connection may send: a message more, and it is closed with 1008. No limit unless told. */
  readonly messages?: MessageQuota
  /**
   * What all connections of this name may send together, in all processes: what comes above is dropped. No limit unless told.
   * One user can send `limit` times `messages`: keep that well below, or he takes all of it and others are dropped.
   */
  readonly allMessages?: MessageQuota
}

/** The event that `onMessage` gets. */
type SocketMessage = Parameters<NonNullable<WSEvents['onMessage']>>[0]

/** Hono's events of a WebSocket, and one more. */
export interface LimitedEvents<T = unknown> extends WSEvents<T> {
  /**
   * In place of `onMessage`: the message was dropped, as all connections together sent too many (`refused`), or as the
   * store could not say (`unknown`).
   */
  onLimited?: (event: SocketMessage, ws: WSContext<T>, why: 'refused' | 'unknown') => void
}

/** Makes a handler of Hono's `upgradeWebSocket`, of whatever runtime, and of what it takes. */
export type LimitedUpgrade = <T, U>(
  // biome-ignore lint/suspicious/noExplicitAny: Workers leave `onOpen` out of their events, and parameters vary against it.
  upgrade: UpgradeWebSocket<T, U, any>,
  createEvents: (c: Context) => LimitedEvents<T> | Promise<LimitedEvents<T>>,
  options?: U,
  // biome-ignore lint/suspicious/noExplicitAny: as Hono's own `upgradeWebSocket` has it.
) => MiddlewareHandler<any, string, { outputFormat: 'ws' }>

const HANDSHAKE_MS = 10_000
/** Sixteen bytes in base64, RFC 6455 section 4.1. */
const SOCKET_KEY = /^[A-Za-z0-9+/]{22}==$/
const TOKENS = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/

/**
 * Limits live WebSockets of one caller, and what comes over them. One call wraps the upgrade whole, so that no part can be
 * left out.
 *
 * A socket holds a slot from its handshake until it is closed, in all processes of the store; with all taken the handshake
 * is refused with 429 `limit.busy`, when the store fails with 503. The slot is a lease of `leaseSeconds`, renewed while the
 * socket lives: a crashed process's slots are free again when its leases end, those of a handshake that came to nothing after
 * 10 s at most. When a lease cannot be renewed until it ends, the socket is closed, with 1013 as another took the slot or
 * 1011 as the store failed, and an event `limit.degraded`. A peer that vanished without a word is cut off when it let three
 * pings pass, one at each renewal (Node with `ws`; Bun and Deno do so themselves, by their `idleTimeout`). A peer that does not answer a close still counts; after 5 s it is
 * cut off where the runtime can (Node with `ws`, Bun). About clocks, see {@link concurrency}.
 *
 * `onMessage` gets messages in the order in which they came. While the store is asked about `allMessages`, at most 64 of one
 * connection wait; one more closes it with 1008. A message that the store cannot decide on is dropped. What handlers throw is a
 * fault in the events, and ends neither socket nor process. How long a message may be is the server's own setting
 * (`maxPayload` of `ws`, `maxPayloadLength` of Bun).
 *
 * On Workers a socket that has sent nothing yet cannot be closed from here; there let a Durable Object hold the sockets, with
 * `hibernatingSockets()` of `hinoban/cloudflare`.
 *
 * It has the door `hinoban/sockets` to itself, as the types of Hono's WebSockets need those of the DOM.
 *
 * @throws {RangeError | TypeError} at start, naming the setting that is wrong.
 *
 * @example
 * import { socketLimits } from 'hinoban/sockets'
 *
 * const sockets = socketLimits({ limit: 5, messages: { quota: 5, periodSeconds: 1 }, allMessages: { quota: 100, periodSeconds: 1 } })
 * api.get('/ws', sockets(upgradeWebSocket, (c) => ({ onMessage: (event, ws) => ws.send(`echo ${event.data}`) })))
 */
export function socketLimits(options: SocketLimitsOptions): LimitedUpgrade {
  const owner = 'socketLimits()'
  const { limit, name, leaseMs, by, ipv6Prefix } = checkSlots(owner, options, 'sockets')
  const { messages, allMessages } = options
  const rate = messages === undefined ? null : messageRate(`${owner}: messages`, messages)
  const shared =
    allMessages === undefined ? null : new SharedQuota(name, messageRate(`${owner}: allMessages`, allMessages))
  const clocks = new ClockCheck()
  return (upgrade, createEvents, upgradeOptions) => {
    const step = (kit: Kit, c: Context): StepAnswer => {
      if (kit.header('upgrade')?.toLowerCase() !== 'websocket') return undefined
      if (!isHandshake(kit)) return refuseHandshake(kit)
      const partition = slotPartition(subjectOf(owner, kit, c, by, ipv6Prefix), limit)
      const store = boundedStore(kit.store(owner, options.store))
      const slots = { store, clock: kit.base.clock, partition, name, limit, clocks }
      const lease = takeSlot(slots, Math.min(HANDSHAKE_MS, leaseMs))
      const settings: SocketSettings = { name, leaseMs, store, rate, shared }
      const go = (taken: Lease | null): StepAnswer => {
        if (taken === null) return refuseSocket(kit, name, limit)
        if (!kit.lifecycle.isAnswered) return open(kit, c, taken, settings)
        // Answered meanwhile by what stands before: no socket comes of it.
        releaseLater(kit, c, taken)
        return undefined
      }
      return isPending(lease) ? lease.then(go) : go(lease)
    }
    const open = async (
      kit: Kit,
      c: Context,
      lease: Lease,
      settings: SocketSettings,
    ): Promise<Response | undefined> => {
      kit.caller()
      type Socket = WSContext<unknown>
      let own: LimitedEvents = {}
      const socket = new LimitedSocket<SocketMessage, Socket>(kit, c, lease, settings, {
        deliver: (event, ws) => own.onMessage?.(event, ws),
        dropped: (event, ws, why) => own.onLimited?.(event, ws, why),
      })
      const watched: WSEvents = {
        onOpen: (event, ws) => socket.opened(ws, () => own.onOpen?.(event, ws)),
        onMessage: (event, ws) => socket.message(event, ws),
        onClose: (event, ws) => socket.closed(() => own.onClose?.(event, ws)),
        onError: (event, ws) => socket.broke(ws, () => own.onError?.(event, ws)),
      }
      let answer: Response | undefined
      try {
        own = (await createEvents(c)) as LimitedEvents
        answer = (await upgrade(() => watched, upgradeOptions)(c, async () => undefined)) as Response | undefined
      } catch (error) {
        socket.abandon()
        throw error
      }
      if (answer === undefined || answer.status >= 300) socket.abandon()
      // Workers tell of no opening: there it is done with the answer.
      else if ((answer as { readonly webSocket?: unknown }).webSocket) socket.opened(null, () => undefined)
      return answer
    }
    return layer(owner, options, step) as ReturnType<LimitedUpgrade>
  }
}

/** Whether a WebSocket can come of the request (RFC 6455 section 4.2.1): one that cannot must not hold a slot. */
function isHandshake(kit: Kit): boolean {
  const protocols = kit.header('sec-websocket-protocol')
  if (kit.method !== 'GET' || (protocols !== null && !TOKENS.test(protocols))) return false
  // On Workers the runtime has shaken hands by now, and a request of one Worker to another carries no key.
  if (!kit.base.platform.sharesRequests) return true
  const tokens = kit.header('connection')?.toLowerCase().split(',') ?? []
  if (!tokens.some((token) => token.trim() === 'upgrade')) return false
  return SOCKET_KEY.test(kit.header('sec-websocket-key') ?? '') && kit.header('sec-websocket-version') === '13'
}

function refuseHandshake(kit: Kit): Response {
  return kit.refuse({
    code: 'validation.failed',
    detail: 'This is no handshake of a WebSocket: RFC 6455 section 4.1 says what it consists of.',
    headers: { 'sec-websocket-version': '13' },
  })
}

function refuseSocket(kit: Kit, name: string, limit: number): Response {
  kit.emit({ type: 'limit.refused', level: 'warn', reason: 'concurrency', resource: name })
  return kit.refuse({
    code: 'limit.busy',
    detail: `At most ${limit} WebSockets of one client are open at once. Close one first.`,
    headers: { 'retry-after': '1' },
  })
}
