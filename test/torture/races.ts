import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Operation } from '../race/history.ts'
import { anomalies } from '../race/linearizable.ts'
import { startTeam, type Team } from '../race/team.ts'
import { type RaceWorker, startRaceWorker } from '../race/worker-host.ts'
import { startRedis } from '../redis/server.ts'
import type { Job } from './job.ts'
import { killRound } from './kill.ts'

const PROCESSES = 8
/** Callers in one history: processes, or callers within one Worker. */
const CALLERS = PROCESSES
const HISTORIES = 16
const OPERATIONS = 10

/** What many processes do to one store at once. */
export const raceJobs: readonly Job[] = [
  ...[100, 10, 1].map(
    (burst): Job => ({
      name: `sqlite > 8 processes on one file admit exactly ${burst} of 10,000 calls`,
      rounds: 100,
      volume: '10,000 calls',
      start: () => onOneFile((team) => expectExact(team, burst)),
    }),
  ),
  {
    name: 'sqlite > 8 processes on one file: one order explains every answer of mixed calls',
    rounds: 100,
    volume: `${HISTORIES} histories of ${CALLERS * OPERATIONS} calls`,
    start: () => onOneFile((team, seed) => expectExplained((task) => team.history({ ...task, callers: 1 }), seed)),
  },
  {
    name: 'sqlite > kill -9 at a random moment of writing by every verb: what was acknowledged holds',
    rounds: 200,
    volume: '1 kill',
    async start() {
      const folder = mkdtempSync(join(tmpdir(), 'hinoban-'))
      return {
        round: (random, index) => killRound(`sqlite:${join(folder, `${index}.db`)}`, random),
        stop: () => rmSync(folder, { recursive: true, force: true }),
      }
    },
  },
  ...[100, 10, 1].map(
    (burst): Job => ({
      name: `redis > 4 processes on one server, each by its own client, admit exactly ${burst} of 10,000 calls`,
      rounds: 100,
      volume: '10,000 calls',
      start: () => onOneServer((team) => expectExact(team, burst)),
    }),
  ),
  {
    name: 'redis > 4 processes on one server: one order explains every answer of mixed calls',
    rounds: 100,
    volume: `${HISTORIES} histories of ${CALLERS * OPERATIONS} calls`,
    start: () => onOneServer((team, seed) => expectExplained((task) => team.history({ ...task, callers: 2 }), seed)),
  },
  {
    name: 'deno kv > 4 processes on one file admit exactly 100 of 1,000 calls',
    rounds: 100,
    volume: '1,000 calls',
    start: () => onOneKv((team) => expectExact(team, 100, 1_000)),
  },
  {
    name: 'deno kv > 4 processes on one file: one order explains every answer of mixed calls',
    rounds: 20,
    volume: `${HISTORIES} histories of ${CALLERS * OPERATIONS} calls`,
    start: () => onOneKv((team, seed) => expectExplained((task) => team.history({ ...task, callers: 2 }), seed)),
  },
  {
    name: 'durable object > one object admits exactly 100 of 1,000 parallel calls',
    rounds: 100,
    volume: '1,000 calls',
    start: () =>
      onOneWorker(async (worker) => {
        const { admitted, refused } = await worker.consume({ burst: 100, requests: 10, calls: 100 })
        if (admitted !== 100 || refused !== 900) throw new Error(`${admitted} were admitted, ${refused} refused`)
      }),
  },
  {
    name: 'durable object > one order explains every answer of mixed calls by 8 callers',
    rounds: 100,
    volume: `${HISTORIES} histories of ${CALLERS * OPERATIONS} calls`,
    start: () =>
      onOneWorker((worker, seed) => expectExplained((task) => worker.history({ ...task, callers: CALLERS }), seed)),
  },
]

/** A job's rounds by processes that live through all of them, over one file. */
async function onOneFile(round: (team: Team, seed: number) => Promise<void>): ReturnType<Job['start']> {
  const folder = mkdtempSync(join(tmpdir(), 'hinoban-'))
  const team = await startTeam(
    Array.from({ length: PROCESSES }, () => 'node' as const),
    `sqlite:${join(folder, 'raced.db')}`,
  )
  return {
    round: (random) => round(team, random.below(1e9)),
    async stop() {
      await team.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A job's rounds by four processes over one Redis, each by another client or runtime. */
async function onOneServer(round: (team: Team, seed: number) => Promise<void>): ReturnType<Job['start']> {
  const server = await startRedis()
  const libraries = ['redis', 'ioredis', 'bun', 'redis']
  const team = await startTeam(
    ['node', 'node', 'bun', 'deno'],
    libraries.map((library) => `redis:${library}:${server.port}`),
  )
  return {
    round: (random) => round(team, random.below(1e9)),
    async stop() {
      await team.stop()
      await server.stop()
    },
  }
}

/** A job's rounds by four processes of Deno over one file of Deno KV. */
async function onOneKv(round: (team: Team, seed: number) => Promise<void>): ReturnType<Job['start']> {
  const folder = mkdtempSync(join(tmpdir(), 'hinoban-'))
  const team = await startTeam(
    Array.from({ length: 4 }, () => 'deno' as const),
    `deno-kv:${join(folder, 'state.kv')}`,
  )
  return {
    round: (random) => round(team, random.below(1e9)),
    async stop() {
      await team.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function expectExact(team: Team, burst: number, calls = 10_000): Promise<void> {
  const task = { partition: crypto.randomUUID(), burst, calls: calls / team.size }
  const { admitted, refused } = await team.consume(task)
  if (admitted === burst && refused === calls - burst) return
  throw new Error(`${admitted} were admitted, ${refused} refused, of a burst of ${burst}`)
}

/** A job's rounds by one Worker over Durable Objects. */
async function onOneWorker(round: (worker: RaceWorker, seed: number) => Promise<void>): ReturnType<Job['start']> {
  const worker = await startRaceWorker()
  return { round: (random) => round(worker, random.below(1e9)), stop: () => worker.stop() }
}

async function expectExplained(
  record: (task: { partition: string; seed: number; operations: number }) => Promise<readonly Operation[]>,
  seed: number,
): Promise<void> {
  for (let i = 0; i < HISTORIES; i++) {
    const history = await record({ partition: crypto.randomUUID(), seed: seed + i, operations: OPERATIONS })
    if (history.length !== CALLERS * OPERATIONS) throw new Error(`${history.length} calls were recorded`)
    const found = anomalies(history)
    if (found.length > 0) throw new Error(found.join('\n'))
  }
}
