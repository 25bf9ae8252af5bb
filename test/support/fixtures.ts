import { type Context, Hono } from 'hono'
import { type Address, makeAddress, UNKNOWN_ADDRESS } from '../../src/address.ts'
import { sha256Hex } from '../../src/crypto/hash.ts'
import type { SecurityEvent, Sink } from '../../src/event.ts'
import type { KitEnv } from '../../src/kit.ts'
import type { Platform } from '../../src/platform.ts'
import { type SecurityOptions, security } from '../../src/security.ts'
import type { AtomicStore, ImmediateStore } from '../../src/store/contract.ts'
import { forward } from '../../src/store/forward.ts'
import { memoryStore } from '../../src/store/memory.ts'

/** A clock that stands still until it is told. */
export class StoppedClock {
  #now: number
  constructor(now = Date.UTC(2026, 10, 21)) {
    this.#now = now
  }
  now(): number {
    return this.#now
  }
  advance(ms: number): void {
    this.#now += ms
  }
}

/** A platform for requests made in process: the peer's address comes as `env.peer`, lines are kept, tasks can be awaited. */
export class TestPlatform implements Platform {
  readonly name = 'test'
  readonly sharesRequests = true
  readonly signalsAbort = true
  readonly lines: string[] = []
  readonly #tasks: Promise<void>[] = []
  readonly sha256: (text: string) => string = sha256Hex
  readonly equal = (a: string, b: string): boolean => a === b
  readonly log = (line: string): void => {
    this.lines.push(line)
  }
  address(c: { readonly env: unknown }): Address {
    const peer = (c.env as { peer?: string } | undefined)?.peer
    return peer ? makeAddress(peer, 'socket') : UNKNOWN_ADDRESS
  }
  defer(_c: unknown, task: Promise<void>): void {
    this.#tasks.push(task)
  }
  async settled(): Promise<void> {
    await Promise.all(this.#tasks)
  }
}

/** A sink that keeps what it is given. */
export function keepEvents(): { readonly events: SecurityEvent[]; readonly sink: Sink } {
  const events: SecurityEvent[] = []
  return { events, sink: (batch) => void events.push(...batch) }
}

/** A client's address in `app.request(path, init, peer(...))`. */
export function peer(ip: string): { readonly peer: string } {
  return { peer: ip }
}

/** An app behind `security()` on a stopped clock, with what a case looks at afterwards. */
export function secured(options: Partial<SecurityOptions> = {}): Secured {
  const clock = new StoppedClock()
  const platform = new TestPlatform()
  const store = memoryStore({ clock })
  const { events, sink } = keepEvents()
  const app = new Hono<KitEnv>().use(security({ platform, store, clock, events: [sink], ...options }))
  return { app, clock, platform, store, events }
}

/** What {@link secured} gives. */
export interface Secured {
  readonly app: Hono<KitEnv>
  readonly clock: StoppedClock
  readonly platform: TestPlatform
  readonly store: ImmediateStore
  readonly events: SecurityEvent[]
}

/** Runs in a handler over the same store and clock, as support staff would. */
export async function inHandler<T>(
  made: { readonly store: AtomicStore; readonly clock: StoppedClock; readonly sink?: Sink },
  run: (c: Context) => T | Promise<T>,
): Promise<T> {
  const answers: { readonly value: T }[] = []
  const { store, clock, sink = keepEvents().sink } = made
  const app = new Hono().use(security({ platform: new TestPlatform(), store, clock, events: sink }))
  app.get('/', async (c) => {
    answers.push({ value: await run(c) })
    return c.text('ok')
  })
  app.onError((error) => {
    throw error
  })
  await app.request('/')
  return answers[0]!.value
}

/** A request whose URL is exactly this text: the constructor would tidy dots and backslashes away before any guard. */
export function rawRequest(target: string, init: RequestInit = {}): Request {
  const request = new Request('http://localhost/', init)
  Object.defineProperty(request, 'url', { value: `http://localhost${target}` })
  return request
}

/** A stream of these chunks; an Error among them breaks it off there. */
export function streamOf(...chunks: readonly (Uint8Array | Error)[]): ReadableStream<Uint8Array> {
  let i = 0
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks[i++]
      if (chunk === undefined) controller.close()
      else if (chunk instanceof Error) controller.error(chunk)
      else controller.enqueue(chunk)
    },
  })
}

/** A POST whose body comes as a stream, so that nothing declares its length. */
export function streamedPost(
  body: ReadableStream<Uint8Array>,
  headers: Readonly<Record<string, string>> = {},
  path = '/',
): Request {
  const init = { method: 'POST', body, headers, duplex: 'half' }
  return new Request(`http://localhost${path}`, init)
}

/** Runs without Hono's report of thrown errors on the console. */
export async function quietly<T>(run: () => T | Promise<T>): Promise<T> {
  const { error } = console
  console.error = () => undefined
  try {
    return await run()
  } finally {
    console.error = error
  }
}

/** Well-formed API keys for tests alone. Constants: a Worker draws no random bytes while it loads. */
export const TEST_KEYS = [
  'hnb_R2Qr9NZqXsBwHr3Sm6LsUdcce0tdMuhOtkWl11Utfno0nXlrV',
  'hnb_9mCiWnUcjJpjrBOxlo0nXVfRDKsZPxCXQUkMePfeQt70E54vl',
] as const

/** A store over another, with these verbs in the place of its own. It declares no deadline unless told. */
export function storeOver(inner: AtomicStore, changed: Partial<AtomicStore> = {}): AtomicStore {
  const { deadlineMs: _deadlineMs, ...verbs } = forward(inner)
  return { ...verbs, ...changed }
}
