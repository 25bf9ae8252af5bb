/** So many pings may be unanswered: as one comes with each renewal, a whole lease of silence. */
const UNANSWERED_PINGS = 3

/** What of a runtime's own socket is used: `ws` on Node has it all. */
interface PingingSocket {
  ping(): void
  terminate(): void
  on(event: 'pong', listener: () => void): void
}

/**
 * Finds out that a peer has vanished: without a word no runtime notices, and its slot would be held for ever. It works where
 * the socket pings, tells of pongs and can be cut off; others notice by themselves (`idleTimeout` of Bun and Deno).
 */
export class Heartbeat {
  readonly #socket: PingingSocket | null
  #unanswered = 0

  /** @param raw the runtime's own socket */
  constructor(raw: unknown) {
    this.#socket = pings(raw) ? raw : null
    this.#socket?.on('pong', () => this.heard())
  }

  /** Something came from the peer. */
  heard(): void {
    this.#unanswered = 0
  }

  /** Pings, or cuts off a peer that let too many pings pass. */
  beat(): void {
    if (this.#socket === null) return
    if (this.#unanswered >= UNANSWERED_PINGS) {
      this.#socket.terminate()
      return
    }
    this.#unanswered += 1
    this.#socket.ping()
  }
}

function pings(raw: unknown): raw is PingingSocket {
  const socket = raw as Partial<PingingSocket> | null | undefined
  return [socket?.ping, socket?.terminate, socket?.on].every((verb) => typeof verb === 'function')
}
