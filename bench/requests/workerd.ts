import { join } from 'node:path'
import { Miniflare } from 'miniflare'
import { bundleWorker } from '../../test/support/bundle-worker.ts'
import { type Effort, inRounds, type Measure, type Row } from '../rounds.ts'
import { median } from '../statistics.ts'

const EMPTY_CALLS = 40
const SAMPLE = 1000

/**
 * The same in workerd, whose own clock stands still while it computes: timed from outside, in batches, less what an empty
 * batch takes.
 */
export async function workerdRows(effort: Effort): Promise<readonly Row[]> {
  const miniflare = new Miniflare({
    modules: await bundleWorker(join(import.meta.dirname, 'worker.ts')),
    compatibilityDate: '2026-07-30',
    compatibilityFlags: ['nodejs_compat'],
    cf: false,
    host: '127.0.0.1',
    port: 0,
  })
  try {
    await miniflare.ready
    const run = async (name: string, calls: number): Promise<{ ms: number; text: string }> => {
      const start = performance.now()
      const answer = await miniflare.dispatchFetch('http://worker/', {
        method: 'POST',
        body: JSON.stringify({ name, calls }),
      })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${name}: ${text}`)
      return { ms: performance.now() - start, text }
    }
    const names = JSON.parse((await run('', 0)).text) as readonly string[]
    // The first takes what there is to take; its status is another one, and of no interest.
    for (const name of names) if (name.startsWith('denied')) await run(name, 1).catch(() => undefined)
    const empty: number[] = []
    for (let i = 0; i < EMPTY_CALLS; i++) empty.push((await run(names[0]!, 0)).ms)
    const emptyMs = median(empty)
    const measures: Measure[] = names.map((name) => ({
      name,
      floor: null,
      concurrency: 1,
      sample: SAMPLE,
      run: async (calls) => ({ ms: Math.max((await run(name, calls)).ms - emptyMs, 0.01) }),
    }))
    return await inRounds(measures, effort)
  } finally {
    await miniflare.dispose()
  }
}
