import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { digestApiKey, makeApiKey } from 'hinoban'

/** A server of `app.ts` in a process of its own. */
export interface SocketServer {
  readonly port: number
  readonly alice: string
  readonly bob: string
  /** Everything it has printed so far. */
  output(): string
  /** SIGKILL, as a crash. */
  kill(): Promise<void>
}

export const SOCKET_RUNTIMES = ['node', 'bun', 'deno'] as const
export type SocketRuntime = (typeof SOCKET_RUNTIMES)[number]

const COMMANDS: Record<SocketRuntime, readonly string[]> = {
  node: ['node', '--expose-gc'],
  bun: ['bun'],
  deno: ['deno', 'run', '--no-remote', '--node-modules-dir=manual', '--v8-flags=--expose-gc', '-A'],
}

/** Keys of two users, which several servers can share. */
export function makeUsers(): { readonly alice: string; readonly bob: string } {
  return { alice: makeApiKey(), bob: makeApiKey() }
}

export async function startSockets(
  runtime: SocketRuntime,
  settings: Readonly<Record<string, string>> = {},
  users = makeUsers(),
): Promise<SocketServer> {
  const [command, ...args] = COMMANDS[runtime]
  const child = spawn(command!, [...args, join(import.meta.dirname, `${runtime}.ts`)], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      ALICE: digestApiKey(users.alice),
      BOB: digestApiKey(users.bob),
      ...settings,
    } as unknown as NodeJS.ProcessEnv,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await gone
  }
  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${runtime} did not listen:\n${output}`)), 20_000)
    child.stdout.on('data', () => {
      const found = /listening (\d+)/.exec(output)?.[1]
      if (found === undefined) return
      clearTimeout(timer)
      resolve(Number(found))
    })
    child.once('exit', (code) => reject(new Error(`${runtime} exited with ${code}:\n${output}`)))
  })
  return { port, ...users, output: () => output, kill }
}
