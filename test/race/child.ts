/**
 * A process that races others over one store: `child.ts <store>`, on Node, Bun or Deno. It says `ready`, then takes tasks,
 * one line of JSON each, begins each at the instant `startAt` that all were told, and answers with a line of JSON. It
 * ends with its input.
 */

import process from 'node:process'
import { createInterface } from 'node:readline'
import { openStore } from '../stores/open.ts'
import { sharedClock } from './clock.ts'
import { perform, type Task } from './tasks.ts'

/** Timers are as coarse as this, ns; the rest is waited out awake. */
const COARSE_NS = 1_500_000

const now = await sharedClock()
const store = await openStore(process.argv[2]!)
console.log('"ready"')
for await (const line of createInterface({ input: process.stdin })) {
  const { startAt, ...task } = JSON.parse(line) as Task & { readonly startAt: number }
  await until(startAt)
  console.log(JSON.stringify(await perform(store, task, now)))
}
await store.close()
process.exit(0) // A client of Redis would keep the process alive.

async function until(startAt: number): Promise<void> {
  const waitNs = startAt - now()
  if (waitNs > COARSE_NS) await new Promise((resolve) => setTimeout(resolve, (waitNs - COARSE_NS) / 1e6))
  while (now() < startAt);
}
