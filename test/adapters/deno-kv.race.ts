import { denoKvStore } from '../../adapters/deno/index.ts'
import type { DenoKv } from '../../adapters/deno/kv-engine.ts'
import { makeRate } from '../../src/store/gcra.ts'

// One of several processes that race for the same bucket: opens the file, says so, begins when it is told, and says how many
// of its calls were admitted.
declare const Deno: { readonly args: readonly string[]; openKv(path: string): Promise<DenoKv> }

const [path, racers] = Deno.args
const store = denoKvStore(await Deno.openKv(path!), { deadlineMs: 30_000 })
const charges = [{ name: 'n', rate: makeRate(100, 3_600), cost: 1 }]
process.stdin.once('data', () => void race())
console.log('ready')

async function race(): Promise<void> {
  const decisions = await Promise.all(Array.from({ length: Number(racers) }, async () => store.consume('p', charges)))
  await store.close()
  console.log(decisions.filter(({ admitted }) => admitted === true).length)
  process.exit()
}
