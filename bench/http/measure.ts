import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { commandOf, type RuntimeName } from '../part.ts'
import { type ServerProcess, startServer } from '../server-process.ts'
import type { Load } from './client.ts'

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
  readonly seconds: number
  readonly warmSeconds: number
}

const CONNECTIONS = 32
const TICKS_PER_SECOND = 100

/** Loads the servers of one runtime in turns. Each is a process of its own, idle while another one is loaded. */
export async function httpRows(
  runtime: RuntimeName,
  apps: readonly string[],
  asks: readonly { readonly app: string; readonly method: 'GET' | 'POST' }[],
  { rounds, seconds, warmSeconds }: HttpEffort,
): Promise<HttpRow[]> {
  const servers = new Map<string, ServerProcess>()
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
    for (const { app, method } of asks) await load(servers.get(app)!, method, warmSeconds)
    for (let round = 0; round < rounds; round++) {
      for (const [at, { app, method }] of turned([...asks.entries()], round)) {
        const server = servers.get(app)!
        const before = cpuSeconds(server.pid)
        const { answers, seconds: took, clientShare } = await load(server, method, seconds)
        const after = cpuSeconds(server.pid)
        rows[at]!.perSecond.push(Math.round(answers / took))
        rows[at]!.clientShare.push(clientShare)
        if (before !== null && after !== null) rows[at]!.serverShare.push((after - before) / took)
      }
    }
    return rows
  } finally {
    for (const server of servers.values()) server.stop()
  }
}

/** What the client gets of a server that does nothing at all. */
export async function ceiling({ rounds, seconds }: HttpEffort): Promise<readonly number[]> {
  const server = await startServer('bun', join(import.meta.dirname, 'canned.ts'))
  try {
    const rates: number[] = []
    for (let round = 0; round < rounds; round++) {
      const { answers, seconds: took } = await load(server, 'GET', seconds)
      rates.push(Math.round(answers / took))
    }
    return rates
  } finally {
    server.stop()
  }
}

async function load({ port }: ServerProcess, method: string, seconds: number): Promise<Load> {
  const [command, ...before] = commandOf('bun')
  const client = join(import.meta.dirname, 'client.ts')
  const args = [...before, client, port, method, `${CONNECTIONS}`, `${seconds}`]
  const { stdout } = await promisify(execFile)(command, args)
  return JSON.parse(stdout) as Load
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
