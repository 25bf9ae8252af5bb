import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { digestApiKey, makeApiKey, memoryStore } from 'hinoban'
import { platform } from 'hinoban/node'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createApp } from '../../examples/agent-server/app.ts'
import { freePort } from '../support/free-port.ts'

const example = join(import.meta.dirname, '../../examples/agent-server')
const LAUNCHERS = {
  node: ['node', join(example, 'node.ts')],
  bun: ['bun', join(example, 'bun.ts')],
  deno: ['deno', 'run', '--no-remote', '--node-modules-dir=manual', '-A', join(example, 'deno.ts')],
  workers: ['node', join(example, 'workers.ts')],
} as const

const started: Launched[] = []
const folders: string[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.kill()))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

describe.each(Object.keys(LAUNCHERS) as (keyof typeof LAUNCHERS)[])('%s >', (runtime) => {
  test('the first start prints one key and four lines that work as pasted', async () => {
    const server = await launch(runtime, dataFolder())
    expect(server.output.match(/^API key: hnb_\w{49}$/gm)).toHaveLength(1)
    const lines = server.output.match(/^ {2}curl .*$/gm) ?? []
    expect(lines).toHaveLength(4)
    for (const line of lines) {
      const { stdout } = await promisify(execFile)('bash', [
        '-c',
        line.replace('curl', 'curl --silent --show-error --fail-with-body'),
      ])
      expect(JSON.parse(stdout)).toBeTruthy()
    }
  })

  test('secrets.json is for the owner alone, and a second start keeps it and prints no key', async () => {
    const data = dataFolder()
    const first = await launch(runtime, data)
    const secrets = readFileSync(join(data, 'secrets.json'), 'utf8')
    expect(statSync(join(data, 'secrets.json')).mode & 0o777).toBe(0o600)
    expect(secrets).not.toContain(first.key)
    await first.kill()
    const second = await launch(runtime, data)
    expect(second.output).not.toContain('API key')
    expect(readFileSync(join(data, 'secrets.json'), 'utf8')).toBe(secrets)
    expect((await chat(second, first.key)).status).toBe(200)
  })

  test('after kill -9, keys, limits, credentials and the audit trail are as they were', async () => {
    const data = dataFolder()
    // A Durable Object writes behind the answer: what the trail has shown is what must not be lost, and it is asked under another limit.
    const isBehind = runtime === 'workers'
    const limits = isBehind ? { CHAT_RATE_LIMIT: '3' } : { API_RATE_LIMIT: '4' }
    const first = await launch(runtime, data, limits)
    const credential = 'value-of-another-service-canary'
    const headers = { authorization: `Bearer ${first.key}`, 'content-type': 'application/json' }
    expect((await chat(first, first.key)).status).toBe(200)
    const stored = await fetch(`${first.url}/api/credentials`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ name: 'kept', value: credential }),
    })
    expect(stored.status).toBe(runtime === 'workers' ? 403 : 201)
    await chat(first, first.key)
    await chat(first, first.key)
    expect((await chat(first, first.key)).status).toBe(429)
    if (isBehind) await vi.waitUntil(async () => (await trail(first, first.key)).includes('limit.refused'))
    await first.kill('SIGKILL')

    const limited = await launch(runtime, data, { ...limits, PORT: first.port })
    expect((await chat(limited, first.key)).status).toBe(429)
    await limited.kill('SIGKILL')

    const again = await launch(runtime, data, { PORT: first.port })
    const listed = await fetch(`${again.url}/api/credentials`, { headers })
    if (runtime !== 'workers')
      expect(await listed.json()).toEqual([
        { name: 'kept', lastFour: 'nary', storedAt: expect.any(Number), readable: true },
      ])
    expect(await trail(again, first.key)).toContain('limit.refused')

    const { HINOBAN_CREDENTIAL_SECRET } = JSON.parse(readFileSync(join(data, 'secrets.json'), 'utf8'))
    const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile() && entry.name !== 'secrets.json',
    )
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) {
      const bytes = readFileSync(join(file.parentPath, file.name)).toString('latin1')
      for (const secret of [first.key, credential, HINOBAN_CREDENTIAL_SECRET])
        expect(bytes.includes(secret)).toBe(false)
    }
  })

  test('a first start that fails leaves nothing behind, and the next one shows the key', async () => {
    const data = dataFolder()
    const holder = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => holder.once('listening', resolve))
    const { port } = holder.address() as { port: number }
    await refusedStart(runtime, data, String(port))
    await new Promise((resolve) => holder.close(resolve))
    expect(readdirSync(data)).not.toContain('secrets.json')
    expect((await launch(runtime, data)).key).toMatch(/^hnb_/)
  })

  test("a key of one's own is used, and no other is made", async () => {
    const own = makeApiKey()
    const server = await launch(runtime, dataFolder(), {
      HINOBAN_API_KEY_DIGEST: digestApiKey(own),
      HINOBAN_CREDENTIAL_SALT: '',
    })
    expect(server.output).not.toContain('API key')
    expect((await chat(server, own)).status).toBe(200)
  })

  test('without a key digest, secret or salt it refuses, names each that is missing and says how to make it', async () => {
    const data = dataFolder()
    writeFileSync(join(data, 'secrets.json'), '{}')
    const message = await refusedStart(runtime, data)
    for (const name of ['HINOBAN_API_KEY_DIGEST', 'HINOBAN_CREDENTIAL_SECRET', 'HINOBAN_CREDENTIAL_SALT'])
      expect(message).toContain(name)
    expect(message).toContain('openssl rand -hex 16')
  })
})

test('KEY-2 production without settings names the missing one and nothing else', () => {
  const env = { HINOBAN_API_KEY_DIGEST: 'ab'.repeat(32), HINOBAN_CREDENTIAL_SALT: '0123456789abcdef0123456789abcdef' }
  let message = ''
  try {
    createApp({ platform, store: memoryStore(), env })
  } catch (error) {
    message = (error as Error).message
  }
  expect(message).toBe('Missing settings:\n  HINOBAN_CREDENTIAL_SECRET  (make one: openssl rand -hex 32)')
})

interface Launched {
  readonly port: string
  readonly url: string
  readonly key: string
  readonly output: string
  kill(signal?: NodeJS.Signals): Promise<void>
}

function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hinoban-'))
  folders.push(folder)
  return folder
}

async function launch(
  runtime: keyof typeof LAUNCHERS,
  data: string,
  settings: Record<string, string> = {},
): Promise<Launched> {
  const { PORT: port = String(await freePort()) } = settings
  const { child, output } = run(runtime, data, { ...settings, PORT: port })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const kill = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    // On Workers the state is held by workerd, a child of the launcher: kill -9 means that one too.
    const held = signal === 'SIGKILL' && child.exitCode === null ? childrenOf(child.pid!) : []
    for (const pid of held) process.kill(pid, signal)
    child.kill(signal)
    await gone
    while (held.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const launched = { port, url: `http://127.0.0.1:${port}`, key: '', output: '', kill }
  started.push(launched)
  for (let tries = 0; ; tries++) {
    const healthy = await fetch(`${launched.url}/health`).then(
      (answer) => answer.ok,
      () => false,
    )
    if (/^Serving on .*$/m.test(output()) && healthy) break
    if (tries > 200 || child.exitCode !== null) throw new Error(`${runtime} did not serve:\n${output()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return Object.assign(launched, { output: output(), key: /^API key: (\S+)$/m.exec(output())?.[1] ?? '' })
}

function childrenOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return children === '' ? [] : children.split(' ').map(Number)
}

function isAlive(pid: number): boolean {
  try {
    // A killed process whose parent is gone too may stay as a zombie for a moment.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function refusedStart(runtime: keyof typeof LAUNCHERS, data: string, port?: string): Promise<string> {
  const { child, output } = run(runtime, data, { PORT: port ?? String(await freePort()) })
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  const code = await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  expect(code).not.toBe(0)
  expect(code).not.toBe(null)
  return output()
}

function run(
  runtime: keyof typeof LAUNCHERS,
  data: string,
  settings: Record<string, string>,
): { child: ChildProcess; output: () => string } {
  const [command, ...args] = LAUNCHERS[runtime]
  const child = spawn(command, args, {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      HINOBAN_DATA: data,
      ...settings,
    } as unknown as NodeJS.ProcessEnv,
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
  return { child, output: () => text }
}

async function trail(server: Launched, key: string): Promise<readonly string[]> {
  const answer = await fetch(`${server.url}/api/audit/recent`, { headers: { authorization: `Bearer ${key}` } })
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { action: string }[]).map((entry) => entry.action)
}

function chat(server: Launched, key: string): Promise<Response> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  return fetch(`${server.url}/api/chat`, { method: 'POST', headers, body: '{"message":"hello"}' })
}
