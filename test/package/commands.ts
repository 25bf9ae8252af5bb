import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** The root of this checkout. */
export const root: string = join(import.meta.dirname, '../..')

const TIMEOUT_MS = 120_000
const START_MS = 20_000

/** Runs a command to its end. @throws {Error} with everything it printed when it fails. */
export async function run(folder: string, command: string, ...args: readonly string[]): Promise<string> {
  try {
    const options = { cwd: folder, timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024, env: environment() }
    const { stdout } = await promisify(execFile)(command, [...args], options)
    return stdout
  } catch (error) {
    const { message, stdout = '', stderr = '' } = error as Error & { stdout?: string; stderr?: string }
    throw new Error([message, stdout, stderr].map((text) => text.trim()).join('\n'), { cause: error })
  }
}

/** The path of a program of this checkout's own `node_modules`. */
export function bin(name: string): string {
  return join(root, 'node_modules/.bin', name)
}

/** Runs a server for as long as `use` takes. @throws {Error} with what the server printed, when either fails. */
export async function withServer(
  folder: string,
  command: readonly string[],
  settings: Readonly<Record<string, string>>,
  use: () => Promise<void>,
): Promise<void> {
  const [program = '', ...args] = command
  const child = spawn(program, args, { cwd: folder, env: { ...environment(), ...settings } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk
    })
  }
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()).on('error', () => resolve()))
  try {
    await answering(Number(settings.PORT), child)
    await use()
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\nThe server printed: ${output || 'nothing'}`, {
      cause: error,
    })
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  for (const until = performance.now() + START_MS; performance.now() < until; ) {
    if (child.exitCode !== null) throw new Error(`The server ended with code ${child.exitCode}.`)
    try {
      await fetch(`http://127.0.0.1:${port}/health`)
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  throw new Error(`Nothing answered on port ${port} within ${START_MS} ms.`)
}

// `npm run` tells its children about this package; what runs in another folder must not hear of it.
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_(package|lifecycle|command)|INIT_CWD)/.test(name)),
  )
}
