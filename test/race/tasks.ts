import { type AtomicStore, isPending, StoreOutage } from '../../src/store/contract.ts'
import { makeRate } from '../../src/store/gcra.ts'
import { Random } from '../torture/random.ts'
import type { Operation } from './history.ts'
import { PERIOD_SECONDS, Script } from './script.ts'

/** Calls against one bucket: `calls` of cost 1, each made again after an outage until it is decided. */
export interface ConsumeTask {
  readonly type: 'consume'
  readonly partition: string
  readonly burst: number
  readonly calls: number
}

/** How a {@link ConsumeTask} ended. Outages were made again, so they count beside the calls. */
export interface ConsumeReport {
  readonly admitted: number
  readonly refused: number
  readonly outages: number
}

/**
 * A short history on two records and two buckets of one partition, which must be new: `callers` at a time, each making
 * `operations` calls one after the other. Callers of a store that answers at once take turns.
 */
export interface HistoryTask {
  readonly type: 'history'
  readonly partition: string
  readonly member: string
  readonly seed: number
  readonly callers: number
  readonly operations: number
}

/** What a child program can be told to do. */
export type Task = ConsumeTask | HistoryTask

/** Does a task and gives its report. `now` is the machine's clock, ns. */
export function perform(
  store: AtomicStore,
  task: Task,
  now: () => number,
): Promise<ConsumeReport | readonly Operation[]> {
  switch (task.type) {
    case 'consume':
      return consumeAll(store, task)
    case 'history':
      return recordHistory(store, task, now)
  }
}

/**
 * Makes the calls in parallel where the store is asynchronous, else in a loop.
 *
 * Exact only where an outage means that nothing was charged, as a busy SQLite file does; else judge by `outages` = 0.
 */
export async function consumeAll(store: AtomicStore, task: ConsumeTask): Promise<ConsumeReport> {
  const rate = makeRate(task.burst, PERIOD_SECONDS)
  const report = { admitted: 0, refused: 0, outages: 0 }
  const call = async (): Promise<void> => {
    for (;;) {
      try {
        const answer = store.consume(task.partition, [{ name: 'raced', rate, cost: 1 }])
        const { admitted } = isPending(answer) ? await answer : answer
        report[admitted === true ? 'admitted' : 'refused'] += 1
        return
      } catch (error) {
        if (!(error instanceof StoreOutage)) throw error
        report.outages += 1
      }
    }
  }
  await Promise.all(Array.from({ length: task.calls }, call))
  return report
}

/** Makes and records a history. Now and then a caller waits, so that others come in between. */
export async function recordHistory(
  store: AtomicStore,
  task: HistoryTask,
  now: () => number,
): Promise<readonly Operation[]> {
  const callers = Array.from({ length: task.callers }, async (_, caller) => {
    const random = new Random(task.seed + caller)
    const script = new Script(`${task.member}.${caller}`, task.partition, random)
    const made: Operation[] = []
    for (let i = 0; i < task.operations; i++) {
      if (random.below(3) === 0) await new Promise((resolve) => setTimeout(resolve, 0))
      made.push(await script.next(store, now))
    }
    return made
  })
  return (await Promise.all(callers)).flat()
}
