import { type Clock, systemClock } from '../../src/clock.ts'
import { renderProblem } from '../../src/problem.ts'
import { encodePart } from '../../src/store/contract.ts'
import { type Bucket, makeRate, type Rate, step } from '../../src/store/gcra.ts'

/** How many messages, in how long. */
export interface SocketQuota {
  /** Messages per period, a whole number of at least 1. */
  readonly quota: number
  /** Length of the period, in seconds. */
  readonly periodSeconds: number
  /** Messages that may come at once. The quota unless told. */
  readonly burst?: number
}

/** Settings of {@link hibernatingSockets}. */
export interface HibernatingSocketsOptions {
  /** WebSockets of one user that may live at once in this object, 1 to 1,000. */
  readonly limit: number
  /** What one connection may send: a message more, and it is closed with 1008. No limit unless told. */
  readonly messages?: SocketQuota
  /**
   * What all connections of this object may send together: what comes above is not admitted. No limit unless told. One user
   * can send `limit` times `messages`: keep that well below, or he takes all of it.
   */
  readonly allMessages?: SocketQuota
  /** Refills the quotas; the object's own unless told. */
  readonly clock?: Clock
}

/** The WebSockets of one Durable Object, which may hibernate. */
export interface HibernatingSockets {
  /**
   * Answers an upgrade: 101, 429 `limit.busy` when the user has as many sockets as may be, or 400 for what is no upgrade.
   *
   * @param user who connects, such as the `key` of an authenticated principal. Never what a client says of itself. Nobody at
   *   all is a TypeError.
   * @param more tags of the app's own (at most 9, each of at most 256 characters, none that begins `hinoban:`), and what to
   *   attach to the socket
   */
  accept(
    request: Request,
    user: string,
    more?: { readonly tags?: readonly string[]; readonly attachment?: unknown },
  ): Response
  /** Whether a message may be handled: ask first, once, in `webSocketMessage`. False also while the socket is being closed. */
  admits(socket: WebSocket): boolean
  /** Live sockets of a user, those that are being closed among them. */
  of(user: string): readonly WebSocket[]
  /** Keeps a value with a socket through hibernation, in the place of `serializeAttachment`, which this needs itself. */
  attach(socket: WebSocket, value: unknown): void
  /** What {@link HibernatingSockets.attach} kept last, null when nothing. */
  attachment(socket: WebSocket): unknown
}

const MAX_SOCKETS = 1000
const TAG = 'hinoban:'
const STORED = 'hinoban:messages'
const POLICY_VIOLATION = 1008
/** An object stays in memory for so long after its last event: a bucket that is full again by then needs no keeping, µs. */
const AWAKE_US = 10_000_000

/**
 * Limits the WebSockets of a Durable Object that hibernates, and what comes over them. The object itself is the count: its
 * live sockets by tag, so there is no lease to renew, and none is left when it ends. An object does one thing at a time, so
 * the limit is exact. It counts what this object holds: for a limit over several objects, give each user one of his own.
 *
 * Quotas live in memory. What takes longer than 10 s to refill is kept through hibernation, the bucket of a connection
 * beside the app's attachment, that of all in `storage.kv` (a row written for each message; the object's class must be
 * one of `new_sqlite_classes`). A socket whose attachment was overwritten by `serializeAttachment` itself starts anew with
 * nothing left of its quota.
 *
 * Answer a client's close in `webSocketClose`, as below: a socket whose close nobody answered counts as live. So does one that
 * was closed for its messages, until its client agrees or is gone.
 *
 * @throws {RangeError} in the object's constructor, naming the setting that is wrong.
 *
 * @example
 * export class Room extends DurableObject {
 *   readonly #sockets = hibernatingSockets(this.ctx, { limit: 5, messages: { quota: 5, periodSeconds: 1 } })
 *   // The Worker in front authenticates, and sets this header whatever the client sent.
 *   override fetch(request: Request) {
 *     return this.#sockets.accept(request, request.headers.get('x-principal') ?? '')
 *   }
 *   override webSocketMessage(socket: WebSocket, message: string) {
 *     if (this.#sockets.admits(socket)) socket.send(`echo ${message}`)
 *   }
 *   override webSocketClose(socket: WebSocket) {
 *     socket.close()
 *   }
 * }
 */
export function hibernatingSockets(ctx: DurableObjectState, options: HibernatingSocketsOptions): HibernatingSockets {
  return new Sockets(ctx, options)
}

class Sockets implements HibernatingSockets {
  readonly #ctx: DurableObjectState
  readonly #limit: number
  readonly #rate: Rate | null
  readonly #allRate: Rate | null
  readonly #clock: Clock
  /** Of the sockets seen since the object woke up. */
  readonly #buckets = new WeakMap<WebSocket, Bucket | null>()
  readonly #closing = new WeakSet<WebSocket>()
  #all: Bucket | null | undefined

  constructor(ctx: DurableObjectState, options: HibernatingSocketsOptions) {
    const { limit, messages, allMessages, clock = systemClock } = options
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_SOCKETS) {
      throw new RangeError(`hibernatingSockets(): limit must be a whole number from 1 to ${MAX_SOCKETS}.`)
    }
    this.#ctx = ctx
    this.#limit = limit
    this.#rate = rateOf('messages', messages)
    this.#allRate = rateOf('allMessages', allMessages)
    this.#clock = clock
  }

  accept(
    request: Request,
    user: string,
    { tags = [], attachment }: { readonly tags?: readonly string[]; readonly attachment?: unknown } = {},
  ): Response {
    if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
      return renderProblem({ code: 'validation.failed', detail: 'This is no handshake of a WebSocket.' })
    }
    if (typeof user !== 'string' || user === '') throw new TypeError('hibernatingSockets(): accept() needs a user.')
    if (tags.some((tag) => tag.startsWith(TAG))) throw new TypeError(`hibernatingSockets(): no tag may begin '${TAG}'.`)
    const tag = tagOf(user)
    // Nothing is awaited between the count and the accept: no other request comes between.
    if (this.#ctx.getWebSockets(tag).length >= this.#limit) {
      return renderProblem({
        code: 'limit.busy',
        detail: `At most ${this.#limit} WebSockets of one client are open at once. Close one first.`,
        headers: { 'retry-after': '1' },
      })
    }
    const { 0: client, 1: server } = new WebSocketPair()
    this.#ctx.acceptWebSocket(server, [tag, ...tags])
    this.#buckets.set(server, null)
    if (attachment !== undefined || this.#keepsBuckets) this.attach(server, attachment ?? null)
    return new Response(null, { status: 101, webSocket: client })
  }

  admits(socket: WebSocket): boolean {
    // After hibernation the socket alone knows that it is being closed.
    if (this.#closing.has(socket) || socket.readyState > WebSocket.OPEN) return false
    const now = this.#clock.now()
    const known = this.#buckets.get(socket)
    const found = known === undefined ? this.#meet(socket, now) : known
    if (this.#rate !== null) {
      const { admitted, bucket } = step(found, this.#rate, 1, now)
      if (!admitted) {
        this.#closing.add(socket)
        socket.close(POLICY_VIOLATION, 'Too many messages.')
        return false
      }
      this.#buckets.set(socket, bucket)
      if (this.#keepsBuckets) this.attach(socket, this.attachment(socket))
    }
    return this.#allRate === null || this.#admitsAll(this.#allRate, now)
  }

  of(user: string): readonly WebSocket[] {
    return this.#ctx.getWebSockets(tagOf(user))
  }

  attach(socket: WebSocket, value: unknown): void {
    socket.serializeAttachment({ hinoban: this.#buckets.get(socket) ?? kept(socket)?.hinoban ?? null, own: value })
  }

  attachment(socket: WebSocket): unknown {
    const raw: unknown = socket.deserializeAttachment()
    return isKept(raw) ? raw.own : raw
  }

  get #keepsBuckets(): boolean {
    return this.#rate !== null && this.#rate.toleranceUs > AWAKE_US
  }

  /** The bucket of a socket that was not seen since the object woke up. */
  #meet(socket: WebSocket, now: number): Bucket | null {
    if (!this.#ctx.getTags(socket).some((tag) => tag.startsWith(TAG))) {
      throw new TypeError('hibernatingSockets(): this socket was not accepted by accept(), so nothing limits its user.')
    }
    const left = this.#keepsBuckets ? kept(socket) : EMPTY
    // What the app overwrote is not known: nothing is left of such a quota.
    const bucket = left === null ? { tatUs: Math.floor(now * 1000) + this.#rate!.toleranceUs, rest: 0 } : left.hinoban
    this.#buckets.set(socket, bucket)
    return bucket
  }

  #admitsAll(rate: Rate, now: number): boolean {
    const lasts = rate.toleranceUs > AWAKE_US
    if (this.#all === undefined) this.#all = (lasts && this.#ctx.storage.kv.get<Bucket>(STORED)) || null
    const { admitted, bucket, pulled } = step(this.#all, rate, 1, now)
    const next = admitted ? bucket : pulled
    if (next === null) return false
    this.#all = next
    if (lasts) this.#ctx.storage.kv.put(STORED, next)
    return admitted
  }
}

interface Kept {
  readonly hinoban: Bucket | null
  readonly own: unknown
}

const EMPTY: Kept = { hinoban: null, own: null }

function kept(socket: WebSocket): Kept | null {
  const raw: unknown = socket.deserializeAttachment()
  return isKept(raw) ? raw : null
}

function isKept(raw: unknown): raw is Kept {
  return typeof raw === 'object' && raw !== null && 'hinoban' in raw && 'own' in raw
}

/** Tags hold 256 characters: a long name becomes its hash. */
function tagOf(user: string): string {
  return TAG + encodePart(user)
}

function rateOf(setting: string, given: SocketQuota | undefined): Rate | null {
  if (given === undefined) return null
  const { quota, periodSeconds, burst = quota } = given
  try {
    return makeRate(quota, periodSeconds, burst)
  } catch (error) {
    throw new RangeError(`hibernatingSockets(): ${setting}: ${(error as Error).message}`)
  }
}
