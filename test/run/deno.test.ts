import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'vitest'
import { denoEqualCases } from '../adapters/deno-equal.cases.ts'
import { denoHeadersCases } from '../adapters/deno-headers.cases.ts'
import { denoKvCases } from '../adapters/deno-kv.cases.ts'
import { denoServerCases } from '../adapters/deno-server.cases.ts'
import { sqliteCases } from '../adapters/sqlite.cases.ts'
import { portableCases } from './all.ts'
import { programOf, resultsOf, root, testsOf } from './child.ts'

const flags = ['--no-remote', '--node-modules-dir=manual', '--unstable-kv']
const results = await resultsOf('deno', 'run', ...flags, '-A', 'test/run/deno.ts')
testsOf('deno', results, [
  ...portableCases,
  ...sqliteCases,
  ...denoKvCases,
  ...denoEqualCases,
  ...denoHeadersCases,
  ...denoServerCases,
])

test('deno > denoKvStore() takes what Deno.openKv() gives, by the types of Deno', async () => {
  await promisify(execFile)(programOf('deno'), ['check', ...flags, 'test/types/deno-kv.ts'], { cwd: root })
})
