import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { commandOf, type RuntimeName } from '../part.ts'
import { type ServerProcess, startServer } from '../server-process.ts'
import type { Load, Task } from './client.ts'

/** What one app answered over sockets, round by round. */
export interface HttpRow {
  readonly name: string
  readonly perSecond: readonly number[]
  /** Of one core: what the server took, and the client. Empty where the system does not tell. */
  readonly serverShare: readonly number[]
  readonly clientShare: readonly number[]
}

export interface HttpEffort {
  readonly rounds: number
  /** Of each app in one round. */
  readonly ms: number
  readonly warmMs: number
}

const TICKS_PER_SECOND = 100

/** Loads the servers of one runtime in turns. Each is a process of its own, idle while another one is loaded. */
export async function httpRows(
  runtime: RuntimeName,
  apps: readonly string[],
  asks: readonly { readonly app: string; readonly method: 'GET' | 'POST' }[],
  { rounds, ms, warmMs }: HttpEffort,
): Promise<HttpRow[]> {
  const servers = new Map<string, ServerProcess>()
  const client = new Client()
  try {
    for (const app of apps) {
      // `bare again` is `bare` in a process of its own.
      const server = await startServer(runtime, join(import.meta.dirname, 'server.ts'), app.replace(' again', ''))
      servers.set(app, server)
    }
    const rows = asks.map(({ app, method }) => ({
      name: `${app} ${method}`,
      perSecond: [] as number[],
      serverShare: [] as number[],
      clientShare: [] as number[],
    }))
    const took = asks.map(() => ({ seconds: 0, cpuSeconds: 0 }))
    for (const { app, method } of asks) await client.load(servers.get(app)!, method, warmMs)
    for (let round = 0; round < rounds; round++) {
      for (const [at, { app, method }] of turned([...asks.entries()], round)) {
        const server = servers.get(app)!
        const before = cpuSeconds(server.pid)
        const { answers, seconds, clientShare } = await client.load(server, method, ms)
        const after = cpuSeconds(server.pid)
        rows[at]!.perSecond.push(Math.round(answers / seconds))
        rows[at]!.clientShare.push(clientShare)
        took[at]!.seconds += seconds
        if (before !== null && after !== null) took[at]!.cpuSeconds += after - before
      }
    }
    // The system counts whole ticks, which one round has too few of.
    for (const [at, { seconds, cpuSeconds }] of took.entries()) {
      if (cpuSeconds > 0) rows[at]!.serverShare.push(cpuSeconds / seconds)
    }
    return rows
  } finally {
    client.close()
    for (const server of servers.values()) server.stop()
  }
}

/** What the client gets of a server that does nothing at all. */
export async function ceiling({ rounds, ms }: HttpEffort): Promise<readonly number[]> {
  const server = await startServer('bun', join(import.meta.dirname, 'canned.ts'))
  const client = new Client()
  try {
    const rates: number[] = []
    for (let round = 0; round < rounds; round++) {
      const { answers, seconds } = await client.load(server, 'GET', ms)
      rates.push(Math.round(answers / seconds))
    }
    return rates
  } finally {
    client.close()
    server.stop()
  }
}

/** The one process that asks. */
class Client {
  readonly #child = spawn(...clientCommand(), { stdio: ['pipe', 'pipe', 'inherit'] })
  readonly #lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()

  async load({ port }: ServerProcess, method: Task['method'], ms: number): Promise<Load> {
    const task: Task = { port: Number(port), method, ms }
    this.#child.stdin!.write(`${JSON.stringify(task)}\n`)
    const { done, value } = await this.#lines.next()
    if (done) throw new Error('The client of the HTTP bench ended.')
    return JSON.parse(value) as Load
  }

  close(): void {
    this.#child.kill()
  }
}

function clientCommand(): [command: string, args: readonly string[]] {
  const [command, ...before] = commandOf('bun')
  return [command, [...before, join(import.meta.dirname, 'client.ts')]]
}

/** The same, begun elsewhere and every other time backwards: none always follows the same one. */
function turned<T>(values: readonly T[], round: number): readonly T[] {
  const at = (round * 3) % values.length
  const order = [...values.slice(at), ...values.slice(0, at)]
  return round % 2 === 0 ? order : order.reverse()
}

/** Processor time that a process took so far, by Linux; null elsewhere. */
function cpuSeconds(pid: number): number | null {
  const path = `/proc/${pid}/stat`
  if (!existsSync(path)) return null
  const [user, system] = readFileSync(path, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
    .slice(11, 13)
  return (Number(user) + Number(system)) / TICKS_PER_SECOND
}
