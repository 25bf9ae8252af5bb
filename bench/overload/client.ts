/**
 * `client.ts <port> closed <connections> <seconds>` or `client.ts <port> open <per second> <seconds> <warm seconds>`: loads a
 * server over plain sockets, which cost little. Open asks at fixed instants whatever is answered, and asks /health and, as
 * a privileged caller, /work besides. A request that takes longer than a second is given up, its socket closed. Prints one
 * line of JSON.
 */
import { connect, type Socket } from 'node:net'
import { KEY } from '../key.ts'

/** What became of the requests of one sort. */
export interface Answers {
  readonly asked: number
  /** How many were answered within a second, by status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Milliseconds until the answer was there whole, by status. */
  readonly latencies: Readonly<Record<string, number[]>>
}

/** What one run of the client gives. */
export interface Measured {
  readonly seconds: number
  readonly work: Answers
  readonly health: Answers
  readonly privileged: Answers
  /** How late requests were sent, ms: the 99th of a hundred. What is high here is the client's own fault. */
  readonly sentLateMs: number
}

const PATIENCE_MS = 1000
const SIDE_PER_SECOND = 20
const KEPT_CONNECTIONS = 100

const head = (path: string, extra = ''): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${extra}\r\n`
const REQUESTS = {
  work: head('/work'),
  health: head('/health'),
  privileged: head('/work', `Authorization: Bearer ${KEY}\r\n`),
}
type Sort = keyof typeof REQUESTS

class Tally {
  asked = 0
  readonly statuses: Record<string, number> = {}
  readonly latencies: Record<string, number[]> = {}
  answered(status: string, ms: number): void {
    this.statuses[status] = (this.statuses[status] ?? 0) + 1
    this.latencies[status] ??= []
    this.latencies[status].push(ms)
  }
}

/** A kept connection, with one request at a time on it. */
class Line {
  readonly #socket: Socket
  #text = ''
  #timer: NodeJS.Timeout | undefined
  #done: ((status: string) => void) | null = null

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (chunk: string) => this.#read(chunk))
    this.#socket.on('error', () => this.#end('broken'))
    this.#socket.on('close', () => this.#end('broken'))
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed
  }

  ask(request: string, done: (status: string) => void): void {
    this.#done = done
    this.#timer = setTimeout(() => {
      this.#end('late')
      this.#socket.destroy()
    }, PATIENCE_MS)
    this.#socket.write(request)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: string): void {
    this.#text += chunk
    const end = this.#text.indexOf('\r\n\r\n')
    if (end < 0) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#text.slice(0, end))?.[1]
    if (length === undefined ? !this.#text.endsWith('0\r\n\r\n') : this.#text.length < end + 4 + Number(length)) return
    const status = this.#text.slice(9, 12)
    this.#text = ''
    this.#end(status)
  }

  #end(status: string): void {
    clearTimeout(this.#timer)
    const done = this.#done
    this.#done = null
    done?.(status)
  }
}

class Client {
  readonly tallies: Record<Sort, Tally> = { work: new Tally(), health: new Tally(), privileged: new Tally() }
  readonly late: number[] = []
  readonly #port: number
  readonly #idle: Line[] = []
  counts = false

  constructor(port: number) {
    this.#port = port
  }

  /** Opens connections one after the other: Node takes in few new ones while it is loaded. */
  async connect(connections: number): Promise<void> {
    for (let i = 0; i < connections; i++) {
      const line = new Line(this.#port)
      await new Promise<void>((resolve) => line.ask(REQUESTS.health, () => resolve()))
      this.#idle.push(line)
    }
  }

  /** @param due when it should be sent, by performance.now() */
  ask(sort: Sort, due: number, then?: () => void): void {
    let line = this.#idle.shift()
    while (line !== undefined && !line.isOpen) line = this.#idle.shift()
    const used = line ?? new Line(this.#port)
    const counts = this.counts
    const tally = this.tallies[sort]
    if (counts) tally.asked += 1
    this.late.push(performance.now() - due)
    const start = performance.now()
    used.ask(REQUESTS[sort], (status) => {
      if (counts) tally.answered(status, performance.now() - start)
      if (used.isOpen) this.#idle.push(used)
      then?.()
    })
  }

  measured(seconds: number): Measured {
    const sorted = this.late.sort((a, b) => a - b)
    return { seconds, ...this.tallies, sentLateMs: sorted[Math.floor(sorted.length * 0.99)] ?? 0 }
  }
}

async function closed(client: Client, connections: number, seconds: number): Promise<Measured> {
  const end = performance.now() + seconds * 1000
  client.counts = true
  await Promise.all(
    Array.from({ length: connections }, () => {
      return new Promise<void>((resolve) => {
        const again = (): void => {
          const now = performance.now()
          if (now < end) client.ask('work', now, again)
          else resolve()
        }
        again()
      })
    }),
  )
  return client.measured(seconds)
}

async function open(client: Client, perSecond: number, seconds: number, warmSeconds: number): Promise<Measured> {
  await client.connect(KEPT_CONNECTIONS)
  const start = performance.now()
  const sent: Record<Sort, number> = { work: 0, health: 0, privileged: 0 }
  const rates: Record<Sort, number> = { work: perSecond, health: SIDE_PER_SECOND, privileged: SIDE_PER_SECOND }
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsed = performance.now() - start
      client.counts = elapsed >= warmSeconds * 1000
      if (elapsed >= (warmSeconds + seconds) * 1000) {
        clearInterval(timer)
        return resolve()
      }
      for (const sort of Object.keys(rates) as Sort[]) {
        for (; sent[sort] < (elapsed * rates[sort]) / 1000; sent[sort]++) {
          client.ask(sort, start + (sent[sort] * 1000) / rates[sort])
        }
      }
    }, 1)
  })
  await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS + 100))
  return client.measured(seconds)
}

if (import.meta.main) {
  const [port, mode, amount, seconds, warmSeconds] = process.argv.slice(2)
  const client = new Client(Number(port))
  const measured =
    mode === 'closed'
      ? await closed(client, Number(amount), Number(seconds))
      : await open(client, Number(amount), Number(seconds), Number(warmSeconds))
  process.stdout.write(`${JSON.stringify(measured)}\n`, () => process.exit(0))
}
