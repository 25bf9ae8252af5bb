/** One process: the stores of one engine. `child.ts <engine> [--quick] [--port=N]` prints one line of JSON. */
import type { Group } from './group.ts'
import { type Effort, effort } from './rounds.ts'

const [engine] = process.argv.slice(2)
const port = Number(process.argv.find((argument) => argument.startsWith('--port='))?.slice(7))
const runtime = 'Bun' in globalThis ? 'bun' : 'Deno' in globalThis ? 'deno' : 'node'

// Each is loaded only when asked for: not every runtime has every engine.
const engines: Record<string, (effort: Effort) => Promise<readonly Group[]>> = {
  memory: async (effort) => (await import('./memory.ts')).memoryGroups(effort),
  sqlite: async (effort) => (await import('./sqlite.ts')).sqliteGroups(effort, runtime),
  'deno-kv': async (effort) => (await import('./deno-kv.ts')).denoKvGroups(effort),
  redis: async (effort) => (await import('./redis.ts')).redisGroups(effort, runtime, port),
}
console.log(JSON.stringify(await engines[engine!]!(effort(process.argv.includes('--quick')))))
process.exit(0)
