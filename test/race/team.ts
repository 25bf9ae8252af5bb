import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Operation } from './history.ts'
import type { ConsumeReport, ConsumeTask, HistoryTask, Task } from './tasks.ts'

/** Processes over one store that start each task together, and live until `stop`. */
export interface Team {
  readonly size: number
  /** Has every process make these calls against one bucket; what they were answered in all. */
  consume(task: Omit<ConsumeTask, 'type'>): Promise<ConsumeReport>
  /** Has every process take part in one short history. `partition` must be new. */
  history(task: Omit<HistoryTask, 'type' | 'member'>): Promise<readonly Operation[]>
  stop(): Promise<void>
}

/** Runtimes that a process of a team can run on. */
export type Member = 'node' | 'bun' | 'deno'

const COMMANDS = {
  node: ['node'],
  bun: ['bun'],
  deno: ['deno', 'run', '--no-remote', '--node-modules-dir=manual', '--unstable-kv', '-A'],
} as const satisfies Record<Member, readonly string[]>

/** The processes need this long to read their task, ns. */
const LEAD_NS = 4_000_000
const TIMEOUT_MS = 60_000
const SEED_STEP = 7919

/**
 * Starts one process for each member, all over the store that `spec` names (see `openStore`), or each by its own spec of
 * one store.
 */
export async function startTeam(members: readonly Member[], spec: string | readonly string[]): Promise<Team> {
  const specOf = (i: number): string => (typeof spec === 'string' ? spec : spec[i]!)
  const racers = await Promise.all(members.map((member, i) => startRacer(member, specOf(i))))
  const all = <T>(taskOf: (index: number) => Task): Promise<readonly T[]> => {
    const startAt = Number(process.hrtime.bigint()) + LEAD_NS
    return Promise.all(racers.map((racer, i) => racer.ask(JSON.stringify({ ...taskOf(i), startAt })) as Promise<T>))
  }
  return {
    size: racers.length,
    async consume(task) {
      const reports = await all<ConsumeReport>(() => ({ type: 'consume', ...task }))
      const sum = (field: keyof ConsumeReport): number => reports.reduce((total, report) => total + report[field], 0)
      return { admitted: sum('admitted'), refused: sum('refused'), outages: sum('outages') }
    },
    async history(task) {
      const parts = await all<readonly Operation[]>((i) => ({
        type: 'history',
        ...task,
        member: `${members[i]}${i}`,
        seed: task.seed + i * SEED_STEP,
      }))
      return parts.flat()
    },
    async stop() {
      await Promise.all(racers.map((racer) => racer.stop()))
    },
  }
}

interface Racer {
  ask(line: string): Promise<unknown>
  stop(): Promise<void>
}

async function startRacer(member: Member, spec: string): Promise<Racer> {
  const [command, ...args] = COMMANDS[member]
  const child = spawn(command, [...args, join(import.meta.dirname, 'child.ts'), spec], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let complaints = ''
  child.stderr.on('data', (chunk) => {
    complaints += chunk
  })
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const answer = async (): Promise<unknown> => {
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
    try {
      const line = await lines.next()
      if (line.done !== true) return JSON.parse(line.value)
      await gone
      throw new Error(`A racer on ${member} ended with ${endOf(child)}:\n${complaints}`)
    } finally {
      clearTimeout(timer)
    }
  }
  await answer()
  return {
    ask(line) {
      child.stdin.write(`${line}\n`)
      return answer()
    },
    async stop() {
      child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
      await gone
      clearTimeout(timer)
    },
  }
}

function endOf({ exitCode, signalCode }: ChildProcess): string {
  return signalCode ?? String(exitCode)
}
