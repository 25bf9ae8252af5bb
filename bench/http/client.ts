/**
 * Loads servers by turns: each line of its input is a {@link Task}, each line of its output a {@link Load}. Asks over kept connections,
 * one request at a time on each. On Bun, whose sockets take the least of the core that a fast server wants too.
 */
import { createInterface } from 'node:readline'
import { BODY, GET, POST } from '../requests/ask.ts'

/** What to ask, and for how long. */
export interface Task {
  readonly port: number
  readonly method: 'GET' | 'POST'
  readonly ms: number
}

/** What came of it. */
export interface Load {
  readonly answers: number
  readonly seconds: number
  /** Of one core, what the client itself took. */
  readonly clientShare: number
}

interface Socket {
  write(bytes: Uint8Array): number
  end(): void
}

interface Pool {
  readonly sockets: readonly Socket[]
  usedAt: number
}

interface Run {
  readonly pool: Pool
  readonly request: Uint8Array
  readonly ends: number
  answers: number
  /** Connections that still wait for an answer. */
  open: number
  readonly done: PromiseWithResolvers<void>
}

const CONNECTIONS = 32
/** Servers close what rests for longer, some after 5 s. */
const LONGEST_REST_MS = 2_000
/** `HTTP/1.1 200`: the digit that tells it from anything else. */
const STATUS_AT = 9
const [H, TWO, BRACE] = [0x48, 0x32, 0x7d]

const { Bun } = globalThis as unknown as { Bun: { connect(options: object): Promise<Socket> } }
const pools = new Map<number, Pool>()
let run: Run | null = null

const handlers = {
  // Every body is one JSON object, so an answer is whole when a brace ends it. Nearly all come in one piece.
  data(self: Socket, bytes: Uint8Array) {
    if (run === null) return
    if (bytes[0] === H && bytes[STATUS_AT] !== TWO) {
      run.done.reject(new Error(`Not an answer that was expected: ${new TextDecoder().decode(bytes)}`))
      return
    }
    if (bytes[bytes.length - 1] !== BRACE) return
    run.answers += 1
    if (performance.now() < run.ends) self.write(run.request)
    else if (--run.open === 0) run.done.resolve()
  },
  close(self: Socket) {
    if (run?.pool.sockets.includes(self)) run.done.reject(new Error('The server closed a connection.'))
  },
  error: (_: Socket, error: Error) => run?.done.reject(error),
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await load(JSON.parse(line) as Task)))
}
process.exit(0)

async function load({ port, method, ms }: Task): Promise<Load> {
  const pool = await poolOf(port)
  const before = process.cpuUsage()
  const start = performance.now()
  const done = Promise.withResolvers<void>()
  run = { pool, request: requestOf(port, method), ends: start + ms, answers: 0, open: CONNECTIONS, done }
  for (const socket of pool.sockets) socket.write(run.request)
  await done.promise
  pool.usedAt = performance.now()
  const seconds = (pool.usedAt - start) / 1000
  const { user, system } = process.cpuUsage(before)
  const { answers } = run
  run = null
  return { answers, seconds, clientShare: (user + system) / 1e6 / seconds }
}

async function poolOf(port: number): Promise<Pool> {
  const known = pools.get(port)
  if (known !== undefined && performance.now() - known.usedAt < LONGEST_REST_MS) return known
  for (const socket of known?.sockets ?? []) socket.end()
  const connect = (): Promise<Socket> => Bun.connect({ hostname: '127.0.0.1', port, socket: handlers })
  const pool = { sockets: await Promise.all(Array.from({ length: CONNECTIONS }, connect)), usedAt: 0 }
  pools.set(port, pool)
  return pool
}

function requestOf(port: number, method: Task['method']): Uint8Array {
  const { url, init } = method === 'POST' ? POST : GET
  const fields = Object.entries(init.headers as Record<string, string>).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `${method} ${new URL(url).pathname} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${fields.join('')}\r\n`
  return new TextEncoder().encode(head + (method === 'POST' ? BODY : ''))
}
