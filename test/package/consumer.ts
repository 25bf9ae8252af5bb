import assert from 'node:assert/strict'
import { cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'
import { freePort } from '../support/free-port.ts'
import type { Check } from './checks.ts'
import { bin, root, run, withServer } from './commands.ts'
import { readmeFiles } from './readme.ts'

const COMPILER = {
  strict: true,
  noEmit: true,
  target: 'es2024',
  lib: ['es2024', 'dom', 'dom.iterable'],
  module: 'nodenext',
  allowImportingTsExtensions: true,
  skipLibCheck: false,
  types: [] as readonly string[],
}

/** Checks of the packed package in a project of its own: README.md's app on each runtime, and its types. */
export function consumerChecks(folder: string, tarball: () => string): readonly Check[] {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const pinned = (name: string): string => `${name}@${manifest.devDependencies[name]}`
  let key = ''
  let digest = ''

  const serves = (runtime: string, ...command: readonly string[]): Check => ({
    name: `README.md's app answers on ${runtime}`,
    async run() {
      const port = await freePort()
      await withServer(folder, command, { PORT: String(port), API_KEY_DIGEST: digest }, () =>
        answersAsReadme((path, headers) => fetch(`http://127.0.0.1:${port}${path}`, { headers }), key),
      )
    },
  })

  return [
    {
      name: 'installs into an empty project with its peers',
      async run() {
        mkdirSync(folder, { recursive: true })
        writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }\n')
        const peers = ['hono', 'zod', '@hono/node-server', '@types/node', '@cloudflare/workers-types'].map(pinned)
        await run(
          folder,
          'npm',
          'install',
          '--no-audit',
          '--no-fund',
          '--prefer-offline',
          '--loglevel=error',
          tarball(),
          ...peers,
        )
        assert.equal(
          globSync('node_modules/hinoban/**/*.ts', { cwd: folder, exclude: (path) => path.endsWith('.d.ts') }).length,
          0,
        )
      },
    },
    {
      name: 'README.md holds an app and one entry for each runtime',
      async run() {
        for (const [name, text] of readmeFiles(readFileSync(join(root, 'README.md'), 'utf8')))
          writeFileSync(join(folder, name), text)
        const program = `import { digestApiKey, makeApiKey } from 'hinoban'; const key = makeApiKey(); console.log(JSON.stringify({ key, digest: digestApiKey(key) }))`
        ;({ key, digest } = JSON.parse(await run(folder, bin('node'), '--input-type=module', '-e', program)))
      },
    },
    serves('Node 24', bin('node'), 'node.ts'),
    serves('Bun', bin('bun'), 'bun.ts'),
    serves('Deno', bin('deno'), 'run', '--no-remote', '--node-modules-dir=manual', '-A', 'deno.ts'),
    {
      name: "README.md's app answers on workerd",
      run: () => servesOnWorkerd(folder, key, digest),
    },
    {
      name: 'types: what a user may write compiles and what is wrong does not',
      async run() {
        cpSync(join(import.meta.dirname, 'consumer'), folder, { recursive: true })
        await typeCheck(folder, 'tsconfig.json', COMPILER, ['app.ts', 'types.ts'])
      },
    },
    {
      name: 'types: the entry for Node compiles',
      run: () =>
        typeCheck(folder, 'tsconfig.node.json', { ...COMPILER, types: ['node'], skipLibCheck: true }, ['node.ts']),
    },
    {
      name: 'types: the entry for Workers compiles and a store that may be stale does not',
      run: () =>
        typeCheck(
          folder,
          'tsconfig.worker.json',
          { ...COMPILER, types: ['@cloudflare/workers-types'], lib: ['es2024'] },
          ['worker-env.d.ts', 'worker.ts', 'worker-types.ts'],
        ),
    },
  ]
}

async function answersAsReadme(
  request: (path: string, headers: Record<string, string>) => Promise<{ readonly status: number }>,
  key: string,
): Promise<void> {
  const status = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
    (await request(path, headers)).status
  const answers = {
    '/health': await status('/health'),
    '/api/me without a key': await status('/api/me'),
    '/api/me with a wrong key': await status('/api/me', { authorization: `Bearer ${key.slice(0, -1)}` }),
    '/api/me with the key': await status('/api/me', { authorization: `Bearer ${key}` }),
  }
  const expected = {
    '/health': 200,
    '/api/me without a key': 401,
    '/api/me with a wrong key': 401,
    '/api/me with the key': 200,
  }
  assert.deepEqual(answers, expected)
}

async function servesOnWorkerd(folder: string, key: string, digest: string): Promise<void> {
  const bundle = await build({
    absWorkingDir: folder,
    entryPoints: ['worker.ts'],
    bundle: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*'],
    write: false,
    logLevel: 'silent',
  })
  const worker = new Miniflare({
    modules: [{ type: 'ESModule', path: 'worker.mjs', contents: bundle.outputFiles[0]!.text }],
    compatibilityDate: '2026-07-30',
    bindings: { API_KEY_DIGEST: digest },
    durableObjects: { HINOBAN: { className: 'HinobanObject', useSQLite: true } },
    cf: false,
    handleRuntimeStdio(stdout: Readable, stderr: Readable) {
      stdout.resume()
      stderr.resume()
    },
    host: '127.0.0.1',
    port: 0,
  })
  try {
    const { origin } = await worker.ready
    await answersAsReadme((path, headers) => fetch(`${origin}${path}`, { headers }), key)
  } finally {
    await worker.dispose()
  }
}

async function typeCheck(
  folder: string,
  file: string,
  compilerOptions: typeof COMPILER,
  files: readonly string[],
): Promise<void> {
  writeFileSync(join(folder, file), JSON.stringify({ compilerOptions, files }))
  await run(folder, bin('tsc'), '-p', file)
}
