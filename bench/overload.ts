import { execFile } from 'node:child_process'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Answers, Measured } from './overload/client.ts'
import { type Part, RUNTIMES, type RuntimeName } from './part.ts'
import { startServer } from './server-process.ts'
import { median, quantile } from './statistics.ts'

/** What a request costs the server: its event loop, or a place in a pool. */
const KINDS = {
  compute: { title: '3 ms of computing', connections: 4 },
  wait: { title: '20 ms in a pool of 10', connections: 12 },
} as const
type Kind = keyof typeof KINDS

const TIMES = 3
const GOALS = { share: 0.8, refusalMs: 50 }

/** One round: a server at its capacity, then at three times that, and a server without the layer at that as well. */
interface Round {
  readonly runtime: RuntimeName
  readonly kind: Kind
  /** Answers 200 a second, of as many connections as keep it busy. */
  readonly capacity: number
  readonly offered: number
  readonly served: number
  /** By capacity. */
  readonly share: number
  readonly refused: number
  /** Requests that were neither served nor refused within a second. */
  readonly lost: number
  readonly refusalP99Ms: number
  readonly health: Side
  readonly privileged: Side
  readonly bare: { readonly share: number; readonly health: Side }
  /** How late the client sent, ms, 99th of a hundred. */
  readonly sentLateMs: number
  /** Of the machine before the round: processes that run, or would. */
  readonly loadBefore: number
}

/** Requests beside the load. */
interface Side {
  readonly asked: number
  readonly served: number
  readonly p99Ms: number | null
}

const folder = join(import.meta.dirname, 'overload')
const server = join(folder, 'server.ts')

/** What a server keeps up under three times its capacity, with shedLoad() and without, over sockets. */
export const overloadPart: Part<readonly Round[]> = {
  name: 'overload',
  leftOutOfQuick: 'a server takes seconds to be seen at its capacity',
  async measure() {
    const rounds: Round[] = []
    for (const runtime of RUNTIMES) {
      for (const kind of Object.keys(KINDS) as Kind[]) {
        console.error(`bench: overload, ${runtime}, ${kind}`)
        rounds.push(await measure(runtime, kind))
      }
    }
    return rounds
  },
  report(rounds) {
    return { section: sectionOf(rounds), goals: [] }
  },
}

async function measure(runtime: RuntimeName, kind: Kind): Promise<Round> {
  const loadBefore = loadavg()[0]!
  const { connections } = KINDS[kind]
  const [seconds, warmSeconds] = ['2', '3']
  const guarded = await startServer(runtime, server, kind, 'guarded')
  let capacity: number
  let over: Measured
  try {
    await client(guarded.port, 'closed', `${connections}`, '1')
    const closed = await client(guarded.port, 'closed', `${connections}`, '2')
    capacity = count(closed.work, '200') / closed.seconds
    over = await client(guarded.port, 'open', `${TIMES * capacity}`, seconds, warmSeconds)
  } finally {
    guarded.stop()
  }
  const bare = await startServer(runtime, server, kind, 'bare')
  let without: Measured
  try {
    await client(bare.port, 'closed', `${connections}`, '1')
    without = await client(bare.port, 'open', `${TIMES * capacity}`, '2', '2')
  } finally {
    bare.stop()
  }
  const served = servedOf(over) / over.seconds
  return {
    runtime,
    kind,
    capacity,
    offered: over.work.asked / over.seconds,
    served,
    share: served / capacity,
    refused: count(over.work, '503') / over.seconds,
    lost: over.work.asked - count(over.work, '200') - count(over.work, '503'),
    refusalP99Ms: p99(over.work.latencies['503']) ?? Number.POSITIVE_INFINITY,
    health: side(over.health),
    privileged: side(over.privileged),
    bare: { share: servedOf(without) / without.seconds / capacity, health: side(without.health) },
    sentLateMs: over.sentLateMs,
    loadBefore,
  }
}

async function client(...args: readonly string[]): Promise<Measured> {
  const { stdout } = await promisify(execFile)('node', [join(folder, 'client.ts'), ...args], { maxBuffer: 2 ** 27 })
  return JSON.parse(stdout) as Measured
}

function count(answers: Answers, status: string): number {
  return answers.statuses[status] ?? 0
}

function servedOf({ work, privileged }: Measured): number {
  return count(work, '200') + count(privileged, '200')
}

function p99(values: readonly number[] | undefined): number | null {
  return values === undefined ? null : quantile(values, 0.99)
}

function side(answers: Answers): Side {
  return { asked: answers.asked, served: count(answers, '200'), p99Ms: p99(answers.latencies['200']) }
}

function sectionOf(rounds: readonly Round[]): string {
  const groups = Map.groupBy(rounds, ({ runtime, kind }) => `${runtime} ${kind}`)
  const rows = [...groups.values()].map((group) => {
    const { runtime, kind } = group[0]!
    const of = (read: (round: Round) => number): string => spread(group.map(read))
    const sum = (read: (round: Round) => Side): string => {
      const sides = group.map(read)
      const total = (part: 'asked' | 'served'): number => sides.reduce((all, one) => all + one[part], 0)
      return `${total('served')} of ${total('asked')}, ${spread(sides.map(({ p99Ms }) => p99Ms ?? Number.NaN))}`
    }
    const met =
      median(group.map(({ share }) => share)) >= GOALS.share &&
      median(group.map(({ refusalP99Ms }) => refusalP99Ms)) <= GOALS.refusalMs &&
      group.every(({ health, privileged }) => health.served === health.asked && privileged.served === privileged.asked)
    const cells = [
      runtime,
      KINDS[kind].title,
      of(({ capacity }) => capacity),
      of(({ offered }) => offered),
      of(({ served }) => served),
      of(({ share }) => 100 * share),
      of(({ refusalP99Ms }) => refusalP99Ms),
      sum(({ health }) => health),
      sum(({ privileged }) => privileged),
      of(({ lost }) => lost),
      of(({ bare }) => 100 * bare.share),
      sum(({ bare }) => bare.health),
      met ? 'met' : 'missed',
    ]
    return `| ${cells.join(' | ')} |`
  })
  const load = spread(rounds.map(({ loadBefore }) => loadBefore))
  const late = spread(rounds.map(({ sentLateMs }) => sentLateMs))
  return `## Overload

A server over real sockets, its client in another process on the same cores. Capacity is what a few connections get that ask again as soon as
they are answered; then three times that is asked at fixed instants, whatever is answered, over kept connections, and /health and a
privileged request 20 times a second each. Served counts answers within a second, after which the client gives up. The goal: at least
${GOALS.share * 100}% of the capacity, refusals within ${GOALS.refusalMs} ms (99 of 100), and every /health and privileged request served.

Before the rounds the machine's load was ${load}, which the server shares; the client sent 99 of 100 requests within ${late} ms of their instant.
Medians over rounds, with the least and the most where there are several; requests a second, and ms.

| runtime | a request takes | capacity | asked | served | % of capacity | refused within | /health served, within | privileged served, within | lost | without: % of capacity | without: /health served, within | goal |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
${rows.join('\n')}
`
}

/** The median, with the least and the most where there are several. */
function spread(values: readonly number[]): string {
  const shown = (value: number): string => (Number.isNaN(value) ? 'never' : `${Number(value.toPrecision(3))}`)
  if (values.length === 1) return shown(values[0]!)
  return `${shown(median(values))} (${shown(Math.min(...values))}–${shown(Math.max(...values))})`
}
