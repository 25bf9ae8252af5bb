import { describe, expect, test } from 'vitest'
import { root, trackedFiles } from './files.ts'
import { clockAndChance, quietImport, runtimeFree } from './purity.ts'
import * as rules from './rules.ts'
import type { Fault, Sources } from './source.ts'

const sources = trackedFiles()
const count = (pattern: RegExp): number => Object.keys(sources).filter((path) => pattern.test(path)).length
const noTraces = (planted: Sources): readonly Fault[] => rules.machineTraces(planted, root)

interface Planted {
  readonly plant: Sources
  /** The file that is named. */
  readonly file: string
  /** A part of the fault that is named. */
  readonly fault: string
}

/** A rule over the tree as it is, then over trees that break it, and over trees that come close and do not. */
function gate(
  name: string,
  rule: (sources: Sources) => readonly Fault[],
  broken: readonly Planted[],
  allowed: Sources = {},
): void {
  describe(name, () => {
    test('holds', () => {
      expect(rule(sources)).toEqual([])
    })
    test.each(broken)('names $file: $fault', ({ plant, file, fault }) => {
      const found = rule({ ...plant, 'package.json': '{"exports":{".":{},"./node":{}}}' })
      expect(found).toContainEqual({ file, line: expect.any(Number), fault: expect.stringContaining(fault) })
      expect(new Set(found.map((each) => each.file))).toEqual(new Set([file]))
    })
    test('lets through what is allowed', () => {
      expect(rule({ ...allowed, 'package.json': '{"exports":{".":{},"./node":{}}}' })).toEqual([])
    })
  })
}

const one = (file: string, text: string, fault: string): Planted => ({ plant: { [file]: text }, file, fault })

describe('the gates', () => {
  test('see the whole tree', () => {
    expect(count(/^src\/.*\.ts$/)).toBeGreaterThanOrEqual(40)
    expect(count(/^src\/(auth|access|limit|validate|http|credentials|audit)\/.*\.ts$/)).toBeGreaterThanOrEqual(20)
    expect(count(/^src\/(crypto|store)\/.*\.ts$/)).toBeGreaterThanOrEqual(10)
    expect(count(/^src\/(.*\/)?index\.ts$/)).toBeGreaterThanOrEqual(4)
    expect(count(/^adapters\/.*\.ts$/)).toBeGreaterThanOrEqual(8)
    expect(count(/^examples\/.*\.ts$/)).toBeGreaterThanOrEqual(6)
    expect(count(/^test\/.*\.ts$/)).toBeGreaterThanOrEqual(10)
    expect(count(/^package(-lock)?\.json$/)).toBe(2)
  })

  test('see every import of a file, whatever its form', () => {
    const text = `import 'a'\nimport type { b } from 'b'\nexport * from 'c'\nexport { d } from 'd'\ntype E = import('e').E\nconst f = () => import('f')\n// import 'g'\nconst h = "import 'h'"`
    const found = rules.doors({ 'src/x.ts': text }).map(({ fault }) => fault[0])
    expect(found).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })
})

gate(
  'arrows run one way',
  rules.arrows,
  [
    one('examples/a/app.ts', `import { x } from '../../src/index.ts'`, 'src/index.ts, outside its folder'),
    one('examples/a/app.ts', `import { x } from '../b/app.ts'`, 'examples/b/app.ts'),
    one('examples/a/app.ts', `import { x } from 'hinoban/dist/src/kit.js'`, 'no export of the package'),
    one('adapters/node/index.ts', `import { x } from '../../src/limit/quota.ts'`, 'src/limit/quota.ts'),
    one('adapters/node/index.ts', `import type { x } from '../../src/security.ts'`, 'src/security.ts'),
    one('adapters/node/index.ts', `import { x } from '../../src/index.ts'`, 'src/index.ts'),
    one('adapters/node/index.ts', `import { x } from '../bun/index.ts'`, 'adapters/bun/index.ts'),
    one('adapters/sql.ts', `import { x } from './node/index.ts'`, 'adapters/node/index.ts'),
    one('src/limit/quota.ts', `import type { x } from '../auth/scheme.ts'`, 'limit must not import src/auth/scheme.ts'),
    one('src/limit/quota.ts', `import { x } from '../security.ts'`, 'limit must not import src/security.ts'),
    one('src/auth/scheme.ts', `export { x } from '../../adapters/native.ts'`, 'adapters/native.ts'),
    one('src/auth/scheme.ts', `type X = import('../audit/trail.ts').X`, 'src/audit/trail.ts'),
    one('src/kit.ts', `import type { x } from './http/cors.ts'`, 'a root noun must not import src/http/cors.ts'),
    one('src/kit.ts', `import { x } from './store/memory.ts'`, 'src/store/memory.ts'),
    one('src/kit.ts', `import { x } from './crypto/hash.ts'`, 'src/crypto/hash.ts'),
    one('src/problem.ts', `import type { x } from './security.ts'`, 'src/security.ts'),
    one('src/crypto/hash.ts', `import { x } from '../clock.ts'`, 'crypto must not import src/clock.ts'),
    one('src/crypto/hash.ts', `import { x } from '../store/gcra.ts'`, 'src/store/gcra.ts'),
    one('src/store/memory.ts', `import type { x } from '../kit.ts'`, 'store must not import src/kit.ts'),
    one('src/security.ts', `import { x } from './index.ts'`, 'src/index.ts'),
    one('src/index.ts', `export { x } from '../adapters/native.ts'`, 'adapters/native.ts'),
    one('src/helpers/text.ts', `import { x } from '../bytes.ts'`, 'neither a subject nor the ground floor'),
  ],
  {
    'examples/a/app.ts': `import { a } from 'hinoban'; import { b } from 'hinoban/node'; import { c } from './c.ts'; import 'node:fs'`,
    'adapters/node/index.ts': `import '../../src/store/gcra.ts'; import '../../src/crypto/hash.ts'; import '../../src/address.ts'; import '../native.ts'`,
    'src/limit/quota.ts': `import '../kit.ts'; import '../crypto/hash.ts'; import '../store/gcra.ts'; import './keys.ts'; import '../redact/text.ts'`,
    'src/store/conformance/case.ts': `import '../../clock.ts'; import '../contract.ts'; import '../../crypto/hash.ts'`,
    'src/kit.ts': `import './store/contract.ts'; import './event.ts' // and not '../adapters/native.ts'`,
    'src/security.ts': `import './http/cors.ts'; import './limit/middleware.ts'; import './kit.ts'`,
    'src/posture/checklist.ts': `import '../security.ts'; import '../limit/quota.ts'`,
  },
)

gate(
  'no cycles',
  rules.cycles,
  [
    {
      plant: {
        'src/a.ts': `import './b.ts'`,
        'src/b.ts': `import type { c } from './x/c.ts'`,
        'src/x/c.ts': `export { a } from '../a.ts'`,
      },
      file: 'src/x/c.ts',
      fault: 'src/a.ts > src/b.ts > src/x/c.ts > src/a.ts',
    },
    one('src/a.ts', `import type { A } from './a.ts'`, 'src/a.ts > src/a.ts'),
  ],
  { 'src/a.ts': `import './b.ts'; import './c.ts'`, 'src/b.ts': `import './c.ts'`, 'src/c.ts': '' },
)

gate(
  'no file imports the index of its own folder',
  rules.ownIndex,
  [
    one('src/audit/trail.ts', `import type { x } from './index.ts'`, 'src/audit/index.ts'),
    one('src/kit.ts', `import { x } from './index.ts'`, 'src/index.ts'),
    one('src/store/conformance/case.ts', `import { x } from '../index.ts'`, 'src/store/index.ts'),
    one('adapters/cloudflare/kv.ts', `import { x } from './index.ts'`, 'adapters/cloudflare/index.ts'),
  ],
  { 'src/security.ts': `import { x } from './audit/index.ts'` },
)

gate(
  'one door for each dependency',
  rules.doors,
  [
    one('src/auth/scheme.ts', `import type { Context } from 'hono'`, 'hono must not enter here'),
    one('src/kit.ts', `import { Hono } from 'hono'`, 'types alone'),
    one('src/kit.ts', `import { type Hono } from 'hono'`, 'types alone'),
    one(
      'src/limit/middleware.ts',
      `import { HTTPException } from 'hono/http-exception'`,
      'hono/http-exception must not enter here',
    ),
    one('src/limit/quota.ts', `import * as z from 'zod/mini'`, 'zod/mini must not enter here'),
    one(
      'src/security.ts',
      `const load = () => import('@hono/zod-validator')`,
      '@hono/zod-validator must not enter here',
    ),
    one('src/auth/api-keys.ts', `import { jwtVerify } from 'jose'`, 'jose has no door'),
    one(
      'src/auth/key-format.ts',
      `import { sha256 } from '@noble/hashes/sha2.js'`,
      '@noble/hashes/sha2.js must not enter here',
    ),
    one('src/kit.ts', `import { x } from 'hinoban'`, 'hinoban has no door'),
    one('src/kit.ts', `import { AsyncLocalStorage } from 'node:async_hooks'`, 'node:async_hooks has no door'),
    one('adapters/cloudflare/kv.ts', `import { Buffer } from 'node:buffer'`, 'node:buffer must not enter here'),
    one('adapters/node/index.ts', `import { env } from 'cloudflare:workers'`, 'cloudflare:workers must not enter here'),
    one('adapters/redis/index.ts', `import type { Redis } from 'ioredis'`, 'ioredis has no door'),
    {
      plant: {
        'adapters/cloudflare/kv.ts': `import '../native.ts'`,
        'adapters/native.ts': `import { hash } from 'node:crypto'`,
      },
      file: 'adapters/native.ts',
      fault: 'adapters/cloudflare/kv.ts > adapters/native.ts reaches node:crypto',
    },
  ],
  {
    'src/kit.ts': `import type { Context } from 'hono'`,
    'src/auth/middleware.ts': `import { createMiddleware } from 'hono/factory'`,
    'src/problem.ts': `import { HTTPException } from 'hono/http-exception'`,
    'src/validate/schemas.ts': `import * as z from 'zod/mini'`,
    'src/crypto/hash.ts': `import { sha256 } from '@noble/hashes/sha2.js'`,
    'adapters/node/index.ts': `import type { HttpBindings } from '@hono/node-server'; import 'node:fs'`,
    'adapters/cloudflare/kv.ts': `import { env } from 'cloudflare:workers'`,
  },
)

gate(
  'src knows no runtime',
  runtimeFree,
  [
    one('src/kit.ts', `import 'node:fs'`, "node:fs is a runtime's module"),
    one('src/kit.ts', `import type { x } from 'cloudflare:workers'`, 'cloudflare:workers'),
    one('src/kit.ts', `const run = () => import('bun:sqlite')`, 'bun:sqlite'),
    ...['process', 'Deno', 'Bun', 'Buffer', 'navigator', 'window', 'console', '__dirname'].map((name) =>
      one('src/kit.ts', `export const f = () => ${name}.x`, `${name} belongs`),
    ),
    one('src/kit.ts', `export const f = () => require('x')`, 'require belongs'),
    one('src/kit.ts', `export const f = () => globalThis.process.env`, 'globalThis belongs'),
    one('src/kit.ts', `export const f = () => setInterval(f, 1)`, 'setInterval belongs'),
    one('src/kit.ts', `export const f = () => new Function('return process')()`, 'Function belongs'),
    one('src/kit.ts', `export const f = () => (() => {}).constructor('return process')()`, 'constructor reaches'),
    one('src/kit.ts', `export const f = () => new WebSocketPair()`, 'WebSocketPair belongs'),
    one('src/kit.ts', `export const f = () => { const later = setImmediate; later(f) }`, 'setImmediate belongs'),
    one('src/kit.ts', `export const f = () => typeof process === 'undefined'`, 'process belongs'),
    one('src/kit.ts', `export type Bytes = Buffer`, 'Buffer belongs'),
    one('src/kit.ts', `export const f = () => import.meta.dirname`, 'import.meta'),
  ],
  {
    'src/kit.ts': `// process.env\nexport const a = 'process', b = { process: 1, console: 2 }, c = b.process + b.console, d = /window/\nexport interface E { process: string }`,
    'adapters/node/index.ts': `export const env = process.env`,
  },
)

gate(
  'the clock is read in one place and nothing is left to Math.random',
  clockAndChance,
  [
    ...[
      'Date.now()',
      "Date['now']()",
      'new Date()',
      'new Date',
      'Date()',
      'performance.now()',
      'Date',
      'Temporal.Now.instant()',
    ].map((expression) => one('src/kit.ts', `export const f = () => ${expression}`, 'reads the clock')),
    one('src/kit.ts', `export const f = () => { const { now } = Date; return now() }`, 'reads the clock'),
    one(
      'src/limit/quota.ts',
      `import { systemClock } from '../clock.ts'\nexport const f = () => systemClock.now()`,
      'reads the clock',
    ),
    one('src/kit.ts', `export const f = () => Math.random()`, 'Math.random'),
    one('src/clock.ts', `export const f = () => { const { random } = Math; return random() }`, 'Math.random'),
  ],
  {
    'src/clock.ts': `export const now = () => Date.now()`,
    'src/kit.ts': `export const f = (at: Date) => new Date(at.getTime() + Date.UTC(2026, 1) + Math.ceil(Date.parse('x'))) instanceof Date`,
  },
)

gate(
  'importing src only defines things',
  quietImport,
  [
    one('src/kit.ts', `await fetch('x')`, 'top-level await'),
    one('src/kit.ts', `export const x = await load()`, 'top-level await'),
    one('src/kit.ts', `let count = 0`, 'let at module level'),
    one('src/kit.ts', `const seen = new Map()\nseen.set(1, 2)`, 'a statement at module level'),
    one('src/kit.ts', `if (1) { f() }\nfunction f() {}`, 'a statement at module level'),
    one('src/kit.ts', `import './event.ts'\nfor (const x of []) {}`, 'a statement at module level'),
    one('src/kit.ts', `const timer = setTimeout(() => {}, 1)`, 'setTimeout is used at import'),
    one('src/kit.ts', `const answer = fetch('https://a.example')`, 'fetch is used at import'),
    one('src/kit.ts', `const id = crypto.randomUUID()`, 'crypto is used at import'),
    one('src/kit.ts', `const noise = [1, 2].map(() => Math.random())`, 'Math.random is used at import'),
    one('src/clock.ts', `const started = Date.now()`, 'Date is used at import'),
    one('src/kit.ts', `class Kit { static #id = crypto.randomUUID() }`, 'crypto is used at import'),
    one('src/kit.ts', `class Kit { static { queueMicrotask(() => {}) } }`, 'queueMicrotask is used at import'),
    one(
      'src/kit.ts',
      `const id = draw()\nfunction draw() { return crypto.randomUUID() }`,
      'draw(): crypto is used at import',
    ),
    one('src/kit.ts', `const now = (() => performance.now())()`, 'performance is used at import'),
    one(
      'src/crypto/hash.ts',
      `import { sha256 } from '@noble/hashes/sha2.js'\nconst digest = sha256(new Uint8Array())`,
      'sha256 of @noble/hashes/sha2.js',
    ),
    one(
      'src/kit.ts',
      `const id = call(() => crypto.randomUUID())\nfunction call(f: () => string) { return f() }`,
      'crypto is used at import',
    ),
    {
      plant: {
        'src/kit.ts': `import { Key } from './keys.ts'\nconst key = new Key()`,
        'src/keys.ts': `export { Key } from './key.ts'`,
        'src/key.ts': `import { draw as bytes } from './bytes.ts'\nexport class Key { readonly raw = bytes(32) }`,
        'src/bytes.ts': `export function draw(n: number) { return crypto.getRandomValues(new Uint8Array(n)) }`,
      },
      file: 'src/kit.ts',
      fault: 'Key(): bytes(): crypto is used at import',
    },
  ],
  {
    'src/kit.ts': `import { rate } from './rate.ts'\nconst encoder = new TextEncoder()\nconst words = new Set(['a'].map((word) => word.trim()))\nconst ten = rate(10)\nexport class Kit { #id = crypto.randomUUID(); wait() { return setTimeout(() => {}, 1) } }\nexport const draw = () => crypto.randomUUID()\nexport const named = keep(() => crypto.randomUUID())\nfunction keep(run: () => string) { return { run: () => run() } }\nexport { rate }\nexport type A = ReturnType<typeof fetch>`,
    'src/rate.ts': `export function rate(n: number) { return { n: Math.ceil(n), later: () => setTimeout(() => {}, n) } }`,
    'src/validate/schemas.ts': `import * as z from 'zod/mini'\nexport const Id = z.string().check(z.minLength(1))`,
  },
)

gate(
  'an index only re-exports',
  rules.indexes,
  [
    one('src/index.ts', `export { a } from './a.ts'\nexport const b = 1`, 'only re-exports'),
    one('src/audit/index.ts', `import { a } from './a.ts'\nexport { a }`, 'only re-exports'),
    one('adapters/node/index.ts', `export const platform = {}`, 'only re-exports'),
  ],
  { 'src/index.ts': `export { a } from './a.ts'\nexport type { B } from './b.ts'\nexport * from './c.ts'` },
)

gate(
  'the front door loads no schema, JWT or cipher library',
  rules.frontDoor,
  [
    one('src/index.ts', `export { z } from 'zod/mini'`, 'reaches zod/mini'),
    {
      plant: {
        'src/index.ts': `export { a } from './a.ts'`,
        'src/a.ts': `import { type B } from './b.ts'`,
        'src/b.ts': `import { gcm } from '@noble/ciphers/aes.js'`,
      },
      file: 'src/b.ts',
      fault: 'src/index.ts > src/a.ts > src/b.ts reaches @noble/ciphers/aes.js',
    },
    one('src/index.ts', `export * from 'jose'`, 'reaches jose'),
  ],
  {
    'src/index.ts': `export { a } from './a.ts'\nexport type { B } from './b.ts'`,
    'src/a.ts': `import { sha256 } from '@noble/hashes/sha2.js'\nexport const load = () => import('jose')`,
    'src/b.ts': `import 'zod'`,
  },
)

gate(
  'zod comes in parts',
  rules.zodImports,
  [
    one('src/validate/a.ts', `import { z } from 'zod'`, 'drags in all of zod'),
    one('examples/a/app.ts', `import { ZodError, z as schema } from 'zod/v4'`, 'drags in all of zod'),
    one('test/a.ts', `import z from 'zod'`, 'drags in all of zod'),
    one('src/validate/a.ts', `export { z } from 'zod'`, 'drags in all of zod'),
    one('src/validate/a.ts', `export * from 'zod'`, 'drags in all of zod'),
  ],
  {
    'src/validate/a.ts': `import * as z from 'zod/mini'\nimport type * as core from 'zod/v4/core'\n// import { z } from 'zod'`,
  },
)

gate(
  'file names are kebab-case',
  rules.fileNames,
  [
    one('src/apiKeys.ts', '', 'kebab-case'),
    one('src/Limit/quota.ts', '', 'kebab-case'),
    one('test/rate_limit.test.ts', '', 'kebab-case'),
    one('src/kit.mts', `import 'node:fs'`, 'code here is .ts'),
    one('adapters/node/a.js', '', 'code here is .ts'),
  ],
  { 'src/auth/api-keys.ts': '', 'test/store/memory.cases.ts': '', 'bench/RESULTS.md': '' },
)

gate(
  'src has no default export',
  rules.defaultExports,
  [
    one('src/a.ts', `export default {}`, 'no default export'),
    one('src/a.ts', `const a = 1\nexport { a as default }`, 'no default export'),
    one('src/a.ts', `export { default } from './b.ts'`, 'no default export'),
  ],
  { 'src/a.ts': `export { default as b } from './b.ts'`, 'examples/a/worker.ts': `export default {}` },
)

// Spelled in parts, so that this file does not break the rule that it tests.
const path = (...parts: readonly string[]): string => ['', ...parts].join('/')
const host = ['registry', 'npmjs', 'org'].join('.')

gate(
  'nothing of one machine is in what is shared',
  noTraces,
  [
    one('docs/a.md', `run ${path('home', 'ada', 'hinoban')}/run`, 'an absolute path'),
    one('src/a.ts', `const a = '${path('tmp', 'x')}'`, 'an absolute path'),
    one('bench/results.json', `{"file":"${root}/bench"}`, 'an absolute path'),
    one('README.md', `C:${['', 'Users', 'ada', ''].join('\\')}`, 'an absolute path'),
    one('.npmrc', `registry=https://${host}/`, 'package registry'),
    one('package-lock.json', `"resolved": "https://${host}/a.tgz"`, 'a resolved address'),
    one('docs/b.md', `see https://npm-${['registry', 'corp', 'example'].join('.')}/`, 'package registry'),
  ],
  {
    'README.md': `https://a.example/home/of/it and ./tmp/x and registry.find(key) and /usr/bin/env`,
    'package-lock.json': `"integrity": "sha512-x", "url": "https://opencollective.com/x"`,
  },
)
