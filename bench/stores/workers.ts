import { join } from 'node:path'
import { Miniflare } from 'miniflare'
import { bundleWorker } from '../../test/support/bundle-worker.ts'
import { type Effort, inRounds, MANY, type Measure } from '../rounds.ts'
import type { Group } from './group.ts'
import type { Task } from './task.ts'

const OBJECT_CANDIDATES: readonly (readonly [name: string, floor: string | null])[] = [
  ['empty call', null],
  ['consume', 'empty call'],
  ['set', 'empty call'],
  ['get', 'empty call'],
  ['empty call, one object', null],
  ['consume, one object', 'empty call, one object'],
]
const KV_CANDIDATES: typeof OBJECT_CANDIDATES = [
  ['KV put', null],
  ['KV get', null],
  ['KV store set', 'KV put'],
  ['KV store get', 'KV get'],
]

/** Durable Objects and KV in workerd on this machine: what our code adds, not what Cloudflare's network costs. */
export async function workersGroups(effort: Effort): Promise<readonly Group[]> {
  const miniflare = new Miniflare({
    modules: await bundleWorker(join(import.meta.dirname, 'worker.ts')),
    compatibilityDate: '2026-07-30',
    cf: false,
    host: '127.0.0.1',
    port: 0,
    kvNamespaces: ['KV'],
    durableObjects: {
      OBJECT: { className: 'HinobanObject', useSQLite: true },
      IDLE: { className: 'IdleObject', useSQLite: true },
    },
  })
  try {
    await miniflare.ready
    const run = async (task: Task): Promise<{ ms: number }> => {
      const response = await miniflare.dispatchFetch('http://worker/', { method: 'POST', body: JSON.stringify(task) })
      if (!response.ok) throw new Error(`${task.name}: ${await response.text()}`)
      return (await response.json()) as { ms: number }
    }
    const measures = (candidates: typeof OBJECT_CANDIDATES): readonly Measure[] =>
      candidates.flatMap(([name, floor]) =>
        [1, MANY].map((concurrency) => ({
          name,
          floor,
          concurrency,
          run: (calls: number) => run({ name, calls, concurrency }),
        })),
      )
    // Their clock counts whole ms.
    const longer = { ...effort, roundMs: Math.max(effort.roundMs, 50) }
    return [
      { engine: 'Durable Objects', rows: await inRounds(measures(OBJECT_CANDIDATES), longer) },
      { engine: 'Cloudflare KV', rows: await inRounds(measures(KV_CANDIDATES), longer) },
    ]
  } finally {
    await miniflare.dispose()
  }
}
