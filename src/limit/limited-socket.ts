import type { Kit } from '../kit.ts'
import type { Context } from '../layer.ts'
import { type AtomicStore, isPending } from '../store/contract.ts'
import type { Rate } from '../store/gcra.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Lease } from './lease.ts'
import { keepLease, type LeaseLoss } from './lease-keeper.ts'
import { ConnectionQuota, type SharedQuota, type Verdict } from './message-quota.ts'
import { releaseLater } from './release.ts'

/** What of a WebSocket is used. */
export interface SocketEnd {
  readonly readyState: number
  /** The runtime's own socket. */
  readonly raw?: unknown
  close(code?: number, reason?: string): void
}

/** What a limited socket is given. */
export interface SocketSettings {
  readonly name: string
  readonly leaseMs: number
  readonly store: AtomicStore
  /** Per connection. */
  readonly rate: Rate | null
  /** Of all connections. */
  readonly shared: SharedQuota | null
}

/** What the app does with messages. */
export interface SocketWork<Message, Socket> {
  deliver(message: Message, socket: Socket): unknown
  /** A message was dropped for the quota of all connections. */
  dropped(message: Message, socket: Socket, why: Exclude<Verdict, 'admitted'>): unknown
}

const MAX_WAITING = 64
const CLOSED = 3
/** A peer that leaves a close unanswered so long is cut off, ms. */
const CLOSE_MS = 5_000
/** RFC 6455 section 7.4.1, and its registry at IANA. */
const POLICY_VIOLATION = 1008
const INTERNAL_ERROR = 1011
const TRY_AGAIN_LATER = 1013

/** One WebSocket from its handshake to its end: it holds a lease, and what comes over it is counted. */
export class LimitedSocket<Message, Socket extends SocketEnd> {
  readonly #kit: Kit
  readonly #c: Context
  readonly #lease: Lease
  readonly #settings: SocketSettings
  readonly #work: SocketWork<Message, Socket>
  readonly #quota: ConnectionQuota | null
  #state: 'opening' | 'open' | 'closing' | 'closed' = 'opening'
  #served = false
  #socket: Socket | null = null
  #heartbeat: Heartbeat | null = null
  #closing: { readonly code: number; readonly reason: string } | null = null
  #stopKeeping: (() => void) | null = null
  #cutOff: ReturnType<typeof setTimeout> | undefined
  #waiting = 0
  #tail: Promise<void> = Promise.resolve()

  constructor(kit: Kit, c: Context, lease: Lease, settings: SocketSettings, work: SocketWork<Message, Socket>) {
    this.#kit = kit
    this.#c = c
    this.#lease = lease
    this.#settings = settings
    this.#work = work
    this.#quota = settings.rate === null ? null : new ConnectionQuota(settings.rate)
  }

  /** The socket is open. `socket` is null where the runtime shows it only with its first message. */
  opened(socket: Socket | null, run: () => unknown): void {
    this.#socket ??= socket
    const { clock } = this.#kit.base
    if (this.#state !== 'opening' || this.#lease.expiresAt <= clock.now()) {
      // Whoever opens after the lease of the handshake ended would be one too many.
      this.#close(TRY_AGAIN_LATER, 'The handshake took too long.')
      return
    }
    this.#state = 'open'
    this.#served = true
    this.#heartbeat = new Heartbeat(socket?.raw)
    this.#stopKeeping = keepLease(this.#lease, {
      clock,
      leaseMs: this.#settings.leaseMs,
      onRenewal: () => this.#run(() => this.#heartbeat?.beat()),
      onFailure: (error) => void this.#kit.fault(error),
      onLoss: (why) => this.#lost(why),
    })
    this.#run(run)
  }

  /** A message came: it is delivered in its turn, dropped, or one too many for the connection. */
  message(message: Message, socket: Socket): void {
    this.#socket ??= socket
    this.#heartbeat?.heard()
    const { base } = this.#kit
    const { store, shared } = this.#settings
    if (this.#state !== 'open') this.#closeNow()
    else if (this.#quota?.admits(base.clock.now()) === false) this.#refuse('messages', 'Too many messages.')
    else if (shared === null) this.#inTurn(null, () => this.#work.deliver(message, socket))
    else {
      const verdict = shared.admits(store, base.clock, (error) => this.#undecided(error))
      if (isPending(verdict)) this.#inTurn(verdict, (settled) => this.#settle(settled, message, socket))
      else this.#inTurn(null, () => this.#settle(verdict, message, socket))
    }
  }

  /** The runtime reports an error of the socket: its end, where it is closed by then. */
  broke(socket: Socket, run: () => unknown): void {
    this.#socket ??= socket
    if (this.#served) this.#run(run)
    if (socket.readyState === CLOSED) this.#end()
  }

  /** The socket is closed. What came before is delivered before that is told. */
  closed(run: () => unknown): void {
    this.#end()
    if (!this.#served) return
    if (this.#waiting === 0) this.#run(run)
    else this.#tail = this.#tail.then(() => this.#run(run))
  }

  /** The handshake failed. */
  abandon(): void {
    this.#end()
  }

  #end(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#stopKeeping?.()
    if (this.#cutOff !== undefined) clearTimeout(this.#cutOff)
    releaseLater(this.#kit, this.#c, this.#lease)
  }

  #settle(verdict: Verdict, message: Message, socket: Socket): unknown {
    if (verdict === 'admitted') return this.#work.deliver(message, socket)
    if (verdict === 'refused') this.#emitRefused('all_messages')
    return this.#work.dropped(message, socket, verdict)
  }

  #undecided(error: unknown): void {
    this.#kit.fault(error)
    this.#kit.emit({
      type: 'limit.degraded',
      level: 'error',
      reason: 'messages_unknown',
      resource: this.#settings.name,
    })
  }

  #lost(why: LeaseLoss): void {
    this.#kit.emit({ type: 'limit.degraded', level: 'error', reason: `lease_${why}`, resource: this.#settings.name })
    this.#close(why === 'lost' ? TRY_AGAIN_LATER : INTERNAL_ERROR, 'The slot of this connection could not be kept.')
  }

  #refuse(reason: string, text: string): void {
    this.#emitRefused(reason)
    this.#close(POLICY_VIOLATION, text)
  }

  #emitRefused(reason: string): void {
    this.#kit.emit({ type: 'limit.refused', level: 'warn', reason, resource: this.#settings.name })
  }

  /** Closes the socket; until the peer answers it counts as live. */
  #close(code: number, reason: string): void {
    this.#closing ??= { code, reason }
    if (this.#state === 'open' || this.#state === 'opening') this.#state = 'closing'
    this.#closeNow()
  }

  #closeNow(): void {
    const socket = this.#socket
    if (socket === null || this.#cutOff !== undefined) return
    const { code, reason } = this.#closing ?? { code: TRY_AGAIN_LATER, reason: 'The socket was not open.' }
    this.#cutOff = setTimeout(() => terminate(socket), CLOSE_MS)
    this.#run(() => socket.close(code, reason))
  }

  /** Does what is to be done about a message, after all that was to be done about those before it. */
  #inTurn(verdict: PromiseLike<Verdict>, work: (settled: Verdict) => unknown): void
  #inTurn(verdict: null, work: () => unknown): void
  #inTurn(verdict: PromiseLike<Verdict> | null, work: (settled: Verdict) => unknown): void {
    if (verdict === null && this.#waiting === 0) this.#run(() => work('admitted'))
    else if (this.#waiting >= MAX_WAITING) this.#refuse('backlog', 'Too many messages wait.')
    else {
      this.#waiting += 1
      this.#tail = this.#tail.then(async () => {
        const settled = (await verdict) ?? 'admitted'
        this.#waiting -= 1
        if (this.#closing === null) this.#run(() => work(settled))
      })
    }
  }

  /** What the app throws is a fault, and ends no process: who sent the message must not choose that. */
  #run(work: () => unknown): void {
    try {
      const done = work()
      if (isPending(done)) done.then(undefined, (error: unknown) => void this.#kit.fault(error))
    } catch (error) {
      this.#kit.fault(error)
    }
  }
}

/** Ends a connection without more words, where the runtime can (Node with ws, Bun). */
function terminate({ raw }: SocketEnd): void {
  const end = raw as { terminate?: () => void } | null | undefined
  if (typeof end?.terminate === 'function') end.terminate()
}
