/**
 * `client.ts <port> <GET|POST> <connections> <seconds>`: asks over kept connections, one request at a time on each. On Bun,
 * whose sockets take the least of the core that a fast server wants too. Prints one line of JSON.
 */
import { BODY, GET, POST } from '../requests/ask.ts'

interface Socket {
  write(bytes: Uint8Array): number
}

/** What one run of the client saw. */
export interface Load {
  readonly answers: number
  readonly seconds: number
  /** Of one core, what the client itself took. */
  readonly clientShare: number
}

const [port, method, connections, seconds] = process.argv.slice(2)
const { url, init } = method === 'POST' ? POST : GET
const fields = Object.entries(init.headers as Record<string, string>).map(([name, value]) => `${name}: ${value}\r\n`)
const request = new TextEncoder().encode(
  `${method} ${new URL(url).pathname} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${fields.join('')}\r\n${method === 'POST' ? BODY : ''}`,
)
/** `HTTP/1.1 200`: the digit that tells it from anything else. */
const STATUS_AT = 9
const [H, TWO, BRACE] = [0x48, 0x32, 0x7d]

let answers = 0
let ends = Number.POSITIVE_INFINITY
let open = 0
const done = Promise.withResolvers<void>()

const { Bun } = globalThis as unknown as { Bun: { connect(options: object): Promise<unknown> } }
const socket = {
  open(self: Socket) {
    self.write(request)
  },
  // Every body is one JSON object, so an answer is whole when a brace ends it. Nearly all come in one piece.
  data(self: Socket, bytes: Uint8Array) {
    if (bytes[0] === H && bytes[STATUS_AT] !== TWO) return fail(bytes)
    if (bytes[bytes.length - 1] !== BRACE) return
    answers += 1
    if (performance.now() < ends) self.write(request)
    else if (--open === 0) done.resolve()
  },
  close: () => done.reject(new Error('The server closed a connection.')),
  error: (_: Socket, error: Error) => done.reject(error),
}

function fail(bytes: Uint8Array): void {
  done.reject(new Error(`Not an answer that was expected: ${new TextDecoder().decode(bytes)}`))
}

const start = performance.now()
ends = start + Number(seconds) * 1000
const before = process.cpuUsage()
open = Number(connections)
for (let i = 0; i < open; i++) await Bun.connect({ hostname: '127.0.0.1', port: Number(port), socket })
await done.promise
const took = (performance.now() - start) / 1000
const { user, system } = process.cpuUsage(before)
const load: Load = { answers, seconds: took, clientShare: (user + system) / 1e6 / took }
console.log(JSON.stringify(load))
process.exit(0)
