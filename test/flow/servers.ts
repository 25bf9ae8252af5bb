import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { digestApiKey, makeApiKey } from 'hinoban'
import { Log, LogLevel, Miniflare } from 'miniflare'
import { bundleWorker } from '../support/bundle-worker.ts'

/** The runtimes that every flow is shown on. */
export const RUNTIMES = ['node', 'bun', 'deno', 'workerd'] as const
export type Runtime = (typeof RUNTIMES)[number]

/** A server under test. */
export interface TestServer {
  readonly runtime: Runtime
  readonly port: number
  readonly key: string
  /** Everything it has printed so far. */
  output(): string
  stop(): Promise<void>
}

/** A real HTTP server that poses as a model's provider and remembers what it was sent. */
export interface Provider {
  readonly url: string
  readonly seen: { authorization: string | undefined; body: string }[]
  stop(): Promise<void>
}

const folder = join(import.meta.dirname, 'servers')
const children: Record<Exclude<Runtime, 'workerd'>, readonly string[]> = {
  node: ['node', join(folder, 'node.ts')],
  bun: ['bun', join(folder, 'bun.ts')],
  deno: ['deno', 'run', '--no-remote', '--node-modules-dir=manual', '-A', join(folder, 'deno.ts')],
}

export async function startServer(runtime: Runtime, settings: Record<string, string>): Promise<TestServer> {
  const key = makeApiKey()
  const env = {
    HINOBAN_API_KEY_DIGEST: digestApiKey(key),
    HINOBAN_CREDENTIAL_SECRET: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex'),
    HINOBAN_CREDENTIAL_SALT: Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex'),
    CORS_ORIGIN: 'https://app.example',
    CHAT_RATE_LIMIT: '100000',
    ...settings,
  }
  return runtime === 'workerd' ? startWorkerd(key, env) : startChild(runtime, key, env)
}

export async function startProvider(): Promise<Provider> {
  const seen: Provider['seen'] = []
  const server: Server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      if (request.url === '/plain') return void response.setHeader('x-powered-by', 'provider').end('plain')
      seen.push({ authorization: request.headers.authorization, body })
      response.setHeader('content-type', 'application/json')
      // A careless provider that repeats the credential: it must not come through.
      response.end(
        JSON.stringify({
          choices: [
            {
              message: {
                content: `model says hello to ${request.headers.authorization}, ${btoa(request.headers.authorization!)}`,
              },
            },
          ],
        }),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function startChild(
  runtime: Exclude<Runtime, 'workerd'>,
  key: string,
  env: Record<string, string>,
): Promise<TestServer> {
  const data = mkdtempSync(join(tmpdir(), 'hinoban-'))
  const [command, ...args] = children[runtime]
  const child = spawn(command!, args, {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      ...env,
      DATABASE: join(data, 'db.sqlite'),
    } as unknown as NodeJS.ProcessEnv,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const port = await listening(runtime, child, () => output)
  return {
    runtime,
    port,
    key,
    output: () => output,
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
      rmSync(data, { recursive: true, force: true })
    },
  }
}

async function startWorkerd(key: string, env: Record<string, string>): Promise<TestServer> {
  let output = ''
  const server = new Miniflare({
    modules: await bundleWorker(join(folder, 'worker.ts')),
    compatibilityDate: '2026-07-30',
    // Without it nobody is told on Workers that a client broke off.
    compatibilityFlags: ['enable_request_signal'],
    bindings: env,
    durableObjects: { HINOBAN: { className: 'StoppedObject', useSQLite: true } },
    cf: false,
    host: '127.0.0.1',
    port: 0,
    log: new Log(LogLevel.NONE),
    handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
      for (const stream of [stdout, stderr]) stream.on('data', (chunk) => (output += chunk))
    },
  })
  const url = await server.ready
  return { runtime: 'workerd', port: Number(url.port), key, output: () => output, stop: () => server.dispose() }
}

function listening(runtime: Runtime, child: ChildProcess, output: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${runtime} did not listen:\n${output()}`)), 20_000)
    child.stdout!.on('data', () => {
      const port = /listening (\d+)/.exec(output())?.[1]
      if (port === undefined) return
      clearTimeout(timer)
      resolve(Number(port))
    })
    child.once('exit', (code) => reject(new Error(`${runtime} exited with ${code}:\n${output()}`)))
  })
}
