import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { freePort } from '../support/free-port.ts'

/** Whether this machine has a redis-server to run the cases on. */
export const hasRedis: boolean = spawnSync('redis-server', ['--version']).status === 0

/** A real redis-server in a folder of its own. */
export interface RedisServer {
  readonly port: number
  /** Runs one command over a connection of its own. */
  command(...words: [string, ...string[]]): Promise<unknown>
  /** Stops it as a crash would: SIGKILL. */
  kill(): Promise<void>
  /** Starts it again on the same port and folder. */
  start(): Promise<void>
  /** SIGSTOP and SIGCONT: it keeps its connections and answers nothing. */
  pause(): void
  resume(): void
  /** Ends it and removes its folder. */
  stop(): Promise<void>
}

const START_TIMEOUT_MS = 10_000

/** @param settings of redis-server, such as `--appendonly yes`; without any it keeps nothing over a restart */
export async function startRedis(...settings: readonly string[]): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'hinoban-redis-'))
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...settings]
  let child: ChildProcess | undefined
  const kill = async (): Promise<void> => {
    const ending = child
    child = undefined
    if (!ending || ending.exitCode !== null) return
    const gone = new Promise((resolve) => ending.once('exit', resolve))
    ending.kill('SIGKILL')
    await gone
  }
  const start = async (): Promise<void> => {
    child = spawn('redis-server', args, { stdio: 'ignore' })
    const end = Date.now() + START_TIMEOUT_MS
    while (!(await answers(port))) {
      if (Date.now() > end) throw new Error(`redis-server did not start: ${args.join(' ')}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  await start()
  return {
    port,
    command: (...words) => command(port, words),
    kill,
    start,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async stop() {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await command(port, ['PING'])) === 'PONG'
  } catch {
    return false
  }
}

async function command(port: number, words: readonly [string, ...string[]]): Promise<unknown> {
  const client = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: false } })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await client.sendCommand(words)
  } finally {
    client.destroy()
  }
}
