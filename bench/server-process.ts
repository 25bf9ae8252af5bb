import { type ChildProcess, spawn } from 'node:child_process'
import { commandOf, type RuntimeName } from './part.ts'

/** A server in a process of its own, on a port that it told. */
export interface ServerProcess {
  readonly port: string
  readonly pid: number
  stop(): void
}

/** Starts a script that calls `listen()` of serve.ts. */
export function startServer(runtime: RuntimeName, script: string, ...args: readonly string[]): Promise<ServerProcess> {
  const [command, ...before] = commandOf(runtime)
  const child: ChildProcess = spawn(command, [...before, script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    let output = ''
    child.stdout!.on('data', (chunk) => {
      // What follows are events, which nobody reads.
      if (output.includes('listening')) return
      output += chunk
      const port = /listening (\d+)/.exec(output)?.[1]
      if (port !== undefined) resolve({ port, pid: child.pid!, stop: () => void child.kill('SIGKILL') })
    })
    child.once('exit', (code) => reject(new Error(`The server on ${runtime} exited with ${code}.`)))
  })
}
