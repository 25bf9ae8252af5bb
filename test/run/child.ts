import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'vitest'
import type { Case } from '../cases.ts'
import type { Result } from './report.ts'

/** The repository's root, with a slash at the end. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url))
const TIMEOUT_MS = 120_000
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

/** The path of a program of `node_modules/.bin`. */
export function programOf(name: string): string {
  return `${root}node_modules/.bin/${name}`
}

/** Runs a program of `node_modules/.bin` in the repository's root and reads the results from its last line. */
export async function resultsOf(program: string, ...args: readonly string[]): Promise<readonly Result[]> {
  const { stdout } = await promisify(execFile)(programOf(program), args, {
    cwd: root,
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
  })
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Result[]
}

/** Makes one test of each result. Throws unless these are the results of exactly the expected cases, of at least one. */
export function testsOf(runtime: string, results: readonly Result[], expected: readonly Pick<Case, 'name'>[]): void {
  assert.ok(results.length > 0, `${runtime} reported no cases.`)
  assert.deepEqual(
    results.map(({ name }) => name),
    expected.map(({ name }) => name),
    `${runtime} reported other cases than expected.`,
  )
  for (const { name, ok, ms, error } of results) {
    test(`${runtime} > ${name}`, () => {
      assert.ok(ok, `after ${ms} ms: ${error}`)
    })
  }
}
