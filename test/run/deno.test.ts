import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'vitest'
import { denoCases } from './all-deno.ts'
import { programOf, resultsOf, root, testsOf } from './child.ts'

const flags = ['--no-remote', '--node-modules-dir=manual', '--unstable-kv']
const results = await resultsOf('deno', 'run', ...flags, '-A', 'test/run/deno.ts')
testsOf('deno', results, denoCases)

test('deno > denoKvStore() takes what Deno.openKv() gives, by the types of Deno', async () => {
  await promisify(execFile)(programOf('deno'), ['check', ...flags, 'test/types/deno-kv.ts'], { cwd: root })
})
