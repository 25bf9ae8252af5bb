/** One process: the stores of one engine. `child.ts <engine> <effort as JSON> [--port=N]` prints one line of JSON. */

import type { Effort } from '../rounds.ts'
import type { Group } from './group.ts'

const [engine, effort] = process.argv.slice(2)
const port = Number(process.argv.find((argument) => argument.startsWith('--port='))?.slice(7))
const runtime = 'Bun' in globalThis ? 'bun' : 'Deno' in globalThis ? 'deno' : 'node'

// Each is loaded only when asked for: not every runtime has every engine.
const engines: Record<string, (effort: Effort) => Promise<readonly Group[]>> = {
  memory: async (effort) => (await import('./memory.ts')).memoryGroups(effort),
  sqlite: async (effort) => (await import('./sqlite.ts')).sqliteGroups(effort, runtime),
  'deno-kv': async (effort) => (await import('./deno-kv.ts')).denoKvGroups(effort),
  redis: async (effort) => (await import('./redis.ts')).redisGroups(effort, runtime, port),
}
console.log(JSON.stringify(await engines[engine!]!(JSON.parse(effort!) as Effort)))
process.exit(0)
