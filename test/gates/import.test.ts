import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { root } from './files.ts'

const EXIT_MS = 1000
const KILL_MS = 1500
const folder = mkdtempSync(join(tmpdir(), 'hinoban-import-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Loaded {
  readonly imported: number
  readonly calls: readonly string[]
  /** How long the process lived on after the imports; null when it had to be killed. */
  readonly livedOnMs: number | null
}

/** Imports files in a Node process of their own. */
async function load(files: readonly string[]): Promise<Loaded> {
  const probe = join(import.meta.dirname, 'import-probe.ts')
  const child = spawn(process.execPath, [probe, ...files.map((file) => pathToFileURL(file).href)], { cwd: root })
  let output = ''
  let errors = ''
  let importedAt = 0
  let killed = false
  let timer: NodeJS.Timeout | undefined
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  child.stdout.on('data', (chunk) => {
    output += chunk
    if (importedAt > 0 || !output.includes('\n')) return
    importedAt = performance.now()
    timer = setTimeout(() => {
      killed = child.kill('SIGKILL')
    }, KILL_MS)
  })
  await new Promise((resolve) => child.on('close', resolve))
  clearTimeout(timer)
  if (importedAt === 0) throw new Error(`The probe said nothing: ${errors}`)
  return { ...JSON.parse(output), livedOnMs: killed ? null : performance.now() - importedAt }
}

function entryPoints(): readonly string[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const files = ['.', './sockets', './validate', './credentials', './audit', './store/conformance'].map((name) =>
    join(root, exports[name].default),
  )
  const missing = files.filter((file) => !existsSync(file))
  if (missing.length > 0) throw new Error(`Not built: ${missing.join(', ')}. Run npm run build.`)
  return files
}

function planted(name: string, text: string): string {
  const file = join(folder, `${name}.mjs`)
  writeFileSync(file, text)
  return file
}

describe('importing the built package', () => {
  test('starts no timer, draws nothing, does no I/O, and lets the process end', async () => {
    const files = entryPoints()
    const { imported, calls, livedOnMs } = await load(files)
    expect(imported).toBe(6)
    expect(calls).toEqual([])
    expect(livedOnMs).toBeLessThan(EXIT_MS)
  })

  const effects: Record<string, string> = {
    setTimeout: 'setTimeout(() => {}, 1)',
    setImmediate: 'setImmediate(() => {})',
    queueMicrotask: 'queueMicrotask(() => {})',
    fetch: `fetch('http://127.0.0.1:1/').catch(() => {})`,
    'crypto.getRandomValues': 'crypto.getRandomValues(new Uint8Array(1))',
    'crypto.subtle.digest': `await crypto.subtle.digest('SHA-256', new Uint8Array(1))`,
    'Math.random': 'Math.random()',
    'fs.readFileSync': `import { readFileSync } from 'node:fs'; readFileSync(new URL(import.meta.url))`,
    'fs.promises.readFile': `import { readFile } from 'node:fs/promises'; await readFile(new URL(import.meta.url))`,
    'http.createServer': `import * as http from 'node:http'; http.createServer()`,
    'net.connect': `import { connect } from 'node:net'; connect(1, '127.0.0.1').on('error', () => {})`,
    'process.on': `process.on('exit', () => {})`,
    'console.warn': `console.warn('')`,
  }
  test.each(Object.entries(effects))('is watched: %s is named', async (name, text) => {
    expect((await load([planted(name, text)])).calls).toContain(name)
  })

  test('is watched: what keeps the process is named and seen', async () => {
    const { calls, livedOnMs } = await load([planted('keeper', 'setInterval(() => {}, 1000)')])
    expect(calls).toEqual(['setInterval'])
    expect(livedOnMs).toBeNull()
  })
})
