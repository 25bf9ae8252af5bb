import { join } from 'node:path'
import { Miniflare } from 'miniflare'
import { bundleWorker } from '../support/bundle-worker.ts'
import type { Operation } from './history.ts'
import type { ConsumeReport, HistoryTask, Task } from './tasks.ts'

/** A Worker in workerd that calls one Durable Object from many requests at once. */
export interface RaceWorker {
  /** Sends `requests` at once, each making `calls` at once against one new bucket; what they were answered in all. */
  consume(task: { readonly burst: number; readonly requests: number; readonly calls: number }): Promise<ConsumeReport>
  /** Has one request take a short history. `partition` must be new. */
  history(task: Omit<HistoryTask, 'type' | 'member'>): Promise<readonly Operation[]>
  stop(): Promise<void>
}

export async function startRaceWorker(): Promise<RaceWorker> {
  const miniflare = new Miniflare({
    modules: await bundleWorker(join(import.meta.dirname, 'worker.ts')),
    compatibilityDate: '2026-07-30',
    cf: false,
    host: '127.0.0.1',
    port: 0,
    durableObjects: { OBJECT: { className: 'HinobanObject', useSQLite: true } },
  })
  await miniflare.ready
  const send = async <T>(task: Task): Promise<T> => {
    const response = await miniflare.dispatchFetch('http://worker/', { method: 'POST', body: JSON.stringify(task) })
    return (await response.json()) as T
  }
  return {
    async consume({ burst, requests, calls }) {
      const partition = crypto.randomUUID()
      const reports = await Promise.all(
        Array.from({ length: requests }, () => send<ConsumeReport>({ type: 'consume', partition, burst, calls })),
      )
      const sum = (field: keyof ConsumeReport): number => reports.reduce((total, report) => total + report[field], 0)
      return { admitted: sum('admitted'), refused: sum('refused'), outages: sum('outages') }
    },
    history: (task) => send({ type: 'history', member: 'worker', ...task }),
    stop: () => miniflare.dispose(),
  }
}
