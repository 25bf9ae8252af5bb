import type { Goal } from '../goals.ts'
import { type Part, RUNTIMES } from '../part.ts'
import { APPS, oursOf, shownOf } from '../requests/candidates.ts'
import { type Estimate, median, ratios, rounded, shown } from '../statistics.ts'
import { ceiling, type HttpEffort, type HttpRow, httpRows } from './measure.ts'

interface Results {
  readonly effort: HttpEffort
  readonly runs: readonly { readonly runtime: string; readonly rows: readonly HttpRow[] }[]
  readonly ceiling: readonly number[]
}
type Run = Results['runs'][number]

/** What `defaults` cost, and layers with a body, is told in process. */
const ASKED = Object.keys(APPS).filter((app) => app !== 'defaults')
const ASKED_FOR_POST = ['bare', 'peers', 'guard']

const EFFORT: HttpEffort = { rounds: 31, ms: 80, warmMs: 1_000 }
/** Of speed.md: bounds by runtime. */
const BY_BARE: Record<string, readonly [number, number]> = { node: [0.58, 0.7], bun: [0.5, 0.6], deno: [0.36, 0.45] }
const BY_PEERS: Record<string, readonly [number, number]> = { node: [5, 6.5], bun: [2.2, 2.9], deno: [3.2, 3.8] }

/** The same apps behind real servers: Node's headers go another way there than in process. */
export const httpPart: Part<Results> = {
  name: 'http',
  leftOutOfQuick: 'servers and their clients take seconds each to warm up',
  async measure() {
    const runs: Run[] = []
    const apps = ['bare', 'bare again', ...ASKED.filter((app) => app !== 'bare')]
    const asks = [
      ...apps.map((app) => ({ app, method: 'GET' as const })),
      ...ASKED_FOR_POST.map((app) => ({ app, method: 'POST' as const })),
    ]
    for (const runtime of RUNTIMES) {
      console.error(`bench: http on ${runtime}`)
      runs.push({ runtime, rows: await httpRows(runtime, apps, asks, EFFORT) })
    }
    return { effort: EFFORT, runs, ceiling: await ceiling(EFFORT) }
  },
  report(results) {
    const bars = results.runs.flatMap((run) =>
      shownOf(run.rows).map((app) => {
        const { median: ratio, low, high } = against(run, 'bare GET', `${app} GET`)
        return { group: `${run.runtime}, HTTP`, name: `GET, ${app}`, ratio, low, high, ours: app !== 'peers' }
      }),
    )
    const noise = results.runs.map((run) => {
      return `${run.runtime}, HTTP, ${shown(against(run, 'bare again GET', 'bare GET'))}`
    })
    return { section: sectionOf(results), goals: results.runs.flatMap(goalsOf), noise, bars }
  },
}

function rowOf({ rows }: Run, name: string): HttpRow {
  const row = rows.find((other) => other.name === name)
  if (!row) throw new Error(`There is no ${name} in what was measured: measure http anew.`)
  return row
}

function against(run: Run, name: string, other: string): Estimate {
  return ratios(rowOf(run, name).perSecond, rowOf(run, other).perSecond)
}

function goalsOf(run: Run): readonly Goal[] {
  const ours = oursOf(run.rows)
  const goal = (what: string, other: string, [least, wished]: readonly [number, number]): Goal => {
    return { what, on: run.runtime, wants: 'at least', least, wished, seen: against(run, `${ours} GET`, other) }
  }
  return [
    goal(`GET over HTTP: requests a second, ${ours} ÷ bare`, 'bare GET', BY_BARE[run.runtime]!),
    goal(`GET over HTTP: requests a second, ${ours} ÷ peers`, 'peers GET', BY_PEERS[run.runtime]!),
  ]
}

function sectionOf({ effort, runs, ceiling: most }: Results): string {
  const share = (values: readonly number[]): string =>
    values.length === 0 ? '–' : `${Math.round(100 * median(values))}%`
  const rows = runs.flatMap((run) =>
    run.rows.map((row) => {
      const base = row.name.endsWith('GET') ? 'bare GET' : 'bare POST'
      const ratio = row.name === base ? '1' : shown(against(run, row.name, base))
      const shares = [share(row.serverShare), share(row.clientShare)]
      return `| ${[run.runtime, row.name, rounded(median(row.perSecond)), ratio, ...shares].join(' | ')} |`
    }),
  )
  return `## Requests over HTTP

${effort.rounds} rounds of ${effort.ms} ms for each, in turns; 32 kept connections with one request at a time on each. Each server is a process of its own
(@hono/node-server, Bun.serve, Deno.serve), the client another one, on Bun; both share the cores of this machine. The share of a core that each took
tells which one was waited for: the client alone is the bound where it has nearly all of a core and the server has not. A server on Bun's
sockets that answers without reading gave the client ${rounded(Math.max(...most))} answers a second at best. "floor" guards nothing: see above.

| runtime | app | requests a second | ÷ bare (95%) | server's core | client's core |
|---|---|---|---|---|---|
${rows.join('\n')}
`
}
