import { bucketCases } from './conformance/buckets.ts'
import type { StoreCase, StoreHarness } from './conformance/case.ts'
import { keyCases } from './conformance/keys.ts'
import { recordCases } from './conformance/records.ts'
import { scheduleCases } from './conformance/schedules.ts'
import { singleUseCases } from './conformance/single-use.ts'

export type { StoreCase, StoreHarness } from './conformance/case.ts'

/** The store contract as cases. They need no test runner: a case that fails rejects. */
export const storeCases: readonly StoreCase[] = [
  ...recordCases,
  ...keyCases,
  ...singleUseCases,
  ...bucketCases,
  ...scheduleCases,
]

/** The cases that a harness must meet: all that its consistency, its `reopen` and its `another` call for. */
export function casesFor(harness: StoreHarness): readonly StoreCase[] {
  return storeCases.filter(
    ({ needs, durable, shared }) =>
      (needs === 'store' || harness.consistency === 'atomic') &&
      (!durable || harness.reopen !== undefined) &&
      (!shared || harness.another !== undefined),
  )
}

/**
 * Gives a runner every case that a store must meet.
 *
 * @param test registers one test, as `test` of vitest, node:test and bun:test and `Deno.test` do
 *
 * @example
 * conformance({ consistency: 'atomic', open: (clock) => myStore({ clock }) }, test)
 */
export function conformance(harness: StoreHarness, test: (name: string, run: () => Promise<void>) => unknown): void {
  for (const storeCase of casesFor(harness)) test(storeCase.name, () => storeCase.run(harness))
}
