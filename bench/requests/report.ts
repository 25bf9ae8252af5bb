import { join } from 'node:path'
import type { Goal } from '../goals.ts'
import { type Part, type Report, RUNTIMES, runScript } from '../part.ts'
import type { Bar } from '../plot.ts'
import { costs, type Row } from '../rounds.ts'
import { type Estimate, estimate, fixed, median, ratios, shown } from '../statistics.ts'
import { appsOf, oursOf, shownOf } from './candidates.ts'
import { requestEffort, workerdEffort } from './effort.ts'
import { workerdRows } from './workerd.ts'

interface Run {
  readonly runtime: string
  readonly rows: readonly Row[]
}

interface Results {
  readonly rounds: number
  readonly roundMs: number
  readonly runs: readonly Run[]
  /** The fields of an answer, by candidate. */
  readonly headers: Readonly<Record<string, readonly string[]>>
}

const LAYERS_TAX = 1.15
/** Of speed.md: bounds by runtime. */
const GET: Record<string, Bounds> = { node: [2.0, 1.5], bun: [2.6, 1.7], deno: [2.3, 1.7], workerd: [2.1, 1.7] }
const POST: Record<string, Bounds> = { node: [1.8, 1.4], bun: [2.6, 1.9], deno: [3.0, 2.4] }
const SPARED: Record<string, Bounds> = { node: [12, 22], bun: [5, 9], deno: [15, 30] }
const LOOK_UP: Record<string, Bounds> = { node: [1 / 15, 1 / 40], bun: [1 / 6, 1 / 20], deno: [1 / 20, 1 / 60] }
type Bounds = readonly [least: number, wished: number]

/** What the layers cost a request, in process, on each runtime. */
export const requestsPart: Part<Results> = {
  name: 'requests',
  leftOutOfQuick: null,
  async measure(quick) {
    const script = join(import.meta.dirname, 'child.ts')
    const effort = requestEffort(quick)
    const runs: Run[] = []
    let headers: Results['headers'] = {}
    for (const runtime of RUNTIMES) {
      console.error(`bench: requests on ${runtime}`)
      const run = runScript(runtime, script, quick ? ['--quick'] : []) as Run & Pick<Results, 'headers'>
      runs.push({ runtime, rows: run.rows })
      headers = run.headers
    }
    console.error('bench: requests in workerd')
    runs.push({ runtime: 'workerd', rows: await workerdRows(workerdEffort(quick)) })
    return { rounds: effort.rounds, roundMs: effort.roundMs, runs, headers }
  },
  report(results): Report {
    const noise = results.runs.map((run) => {
      const again = ratios(microseconds(run, 'bare again GET'), microseconds(run, 'bare GET'))
      return `${run.runtime}, in process, ${shown(again)}`
    })
    const bars = results.runs.flatMap(barsOf)
    return { section: sectionOf(results), goals: results.runs.flatMap(goalsOf), noise, bars }
  },
}

function microseconds({ rows }: Run, name: string): readonly number[] {
  const row = rows.find((other) => other.name === name)
  if (!row) throw new Error(`There is no ${name} in what was measured: measure the requests anew.`)
  return costs(row)
}

/** What one adds to the other in each round, µs. */
function added(run: Run, name: string, to: string): readonly number[] {
  const base = microseconds(run, to)
  return microseconds(run, name).map((cost, round) => cost - base[round]!)
}

function goalsOf(run: Run): readonly Goal[] {
  const { runtime: on } = run
  const ours = oursOf(run.rows)
  const against = (name: string, other: string): Estimate => ratios(microseconds(run, name), microseconds(run, other))
  const goal = (what: string, wants: Goal['wants'], bounds: Bounds | undefined, seen: () => Estimate): Goal[] =>
    bounds ? [{ what, on, wants, least: digits(bounds[0]), wished: digits(bounds[1]), seen: seen() }] : []
  const alone = (what: string, least: number, seen: Estimate): Goal => {
    return { what, on, wants: 'at most', least, wished: null, seen }
  }
  return [
    ...goal(`GET in process: ${ours} ÷ bare`, 'at most', GET[on], () => against(`${ours} GET`, 'bare GET')),
    ...goal(`GET in process: peers' added cost ÷ ${ours}'`, 'at least', SPARED[on], () =>
      ratios(added(run, 'peers GET', 'bare GET'), added(run, `${ours} GET`, 'bare GET')),
    ),
    ...goal(`POST in process: ${ours} ÷ bare`, 'at most', POST[on], () => against(`${ours} POST`, 'bare POST')),
    ...goal("key look-up behind security() ÷ bearerAuth's, added", 'at most', LOOK_UP[on], () =>
      ratios(added(run, 'security, authenticate GET', 'security GET'), added(run, 'bearerAuth GET', 'bare GET')),
    ),
    ...(ours === 'layers' ? [] : [alone(`layers ÷ ${ours}, GET`, LAYERS_TAX, against('layers GET', `${ours} GET`))]),
    alone('denied GET ÷ admitted, defaults', 1, against('denied by defaults GET', 'defaults GET')),
    alone('denied GET ÷ admitted, layers', 1, against('denied by layers GET', 'layers GET')),
  ]
}

function digits(bound: number): number {
  return Number(bound.toPrecision(3))
}

function barsOf(run: Run): readonly Bar[] {
  return ['GET', 'POST'].flatMap((method) =>
    shownOf(run.rows).map((name) => {
      const { median, low, high } = ratios(microseconds(run, `${name} ${method}`), microseconds(run, `bare ${method}`))
      const group = `${run.runtime}, in process`
      return { group, name: `${method}, ${name}`, ratio: median, low, high, ours: name !== 'peers' }
    }),
  )
}

/** How many fields the answers of the apps carry besides their type. */
function headerCounts(headers: Results['headers']): string {
  const apps = ['peers', 'defaults', 'guard', 'guard, X-RateLimit']
  return apps.map((app) => `${headers[`${app} GET`]!.length - 1} (${app})`).join(', ')
}

function sectionOf({ rounds, roundMs, runs, headers }: Results): string {
  const names = runs[0]!.rows.map(({ name }) => name)
  const table = (chosen: readonly string[], base: string): string => {
    const rows = chosen.map((name) => {
      const cells = runs.map((run) => {
        const cost = fixed(median(microseconds(run, name)))
        return name === base ? cost : `${cost}: ${shown(ratios(microseconds(run, name), microseconds(run, base)))}`
      })
      return `| ${name} | ${cells.join(' | ')} |`
    })
    return `| µs: ÷ ${base} (95%) | ${runs.map(({ runtime }) => runtime).join(' | ')} |
|---|${'---|'.repeat(runs.length)}
${rows.join('\n')}`
  }
  const parts = [
    ['bearerAuth GET', 'authenticate GET'],
    ['bearerAuth GET', 'security, authenticate GET', 'security GET'],
    ['secureHeaders, cors, bodyLimit GET', 'security GET'],
    ['hono-rate-limiter GET', 'rateLimit GET'],
  ] as const
  const comparisons = parts.map(([peer, ours, base]) => {
    const cells = runs.map((run) => {
      const [theirs, our] = [added(run, peer, 'bare GET'), added(run, ours, base ?? 'bare GET')]
      return `${fixed(estimate(theirs).median)} : ${fixed(estimate(our).median)} = ${shown(ratios(our, theirs))}`
    })
    const what = base === undefined ? ours : `${ours}, less ${base}`
    return `| ${`${peer} : ${what}`.replaceAll(' GET', '')} | ${cells.join(' | ')} |`
  })
  return `## Requests in process

${rounds} rounds of about ${roundMs} ms for each candidate (app.fetch, one after the other, body not read). Peers are secureHeaders, cors('*'),
bodyLimit, hono-rate-limiter (draft-7, memory), bearerAuth (one token) and, on POST, @hono/zod-validator; defaults are security(),
rateLimit(), authenticate() and, on POST, validate(), with the memory store and every option as it is unless told; layers are the same
with \`headers: { legacy: false }\`, \`legacyFields: false\` and \`keepKeysInMemory\`, and guard those in one guard(); "guard, X-RateLimit"
is guard with these fields. "floor" guards nothing: it asks a runtime what guard asks, and says of an answer what guard says, as constants and
in the cheapest way that even a handler has; on POST Hono reads the body and the schema checks it. Answers carry a type and ${headerCounts(headers)}.
All check a body by one zod/mini schema. A denied GET is one that rateLimit() refuses, with the event. "bare again" is the same app a
second time: what it differs from 1 is noise.
workerd is timed from outside, less an empty call, in fewer and longer rounds.

${table(
  names.filter((name) => name.endsWith('GET')),
  'bare GET',
)}

${table(
  names.filter((name) => name.endsWith('POST')),
  'bare POST',
)}

One part alone over bare Hono, a peer's and ours: µs added by each, and ours by theirs.

| | ${runs.map(({ runtime }) => runtime).join(' | ')} |
|---|${'---|'.repeat(runs.length)}
${comparisons.join('\n')}

In process, headers go through \`c.res.headers\`. An answer carries, besides \`content-type\`:

${appsOf(runs[0]!.rows)
  .filter((name) => name !== 'bare')
  .map((name) => {
    const fields = headers[`${name} GET`]!.filter((field) => field !== 'content-type')
    return `- ${name}, ${fields.length}: ${fields.join(', ')}`
  })
  .join('\n')}
`
}
