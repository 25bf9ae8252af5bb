import { join } from 'node:path'
import type { Goal } from '../goals.ts'
import { type Part, RUNTIMES, runScript } from '../part.ts'
import { costs, type Row } from '../rounds.ts'
import { type Estimate, estimate, fixed, median, ratios, shown } from '../statistics.ts'
import { ADDRESSES, CLIENTS, EFFORT, KEYS, QUOTAS } from './sizes.ts'

interface Run {
  readonly runtime: string
  readonly rows: readonly Row[]
}

const AXES = [
  ['keys', KEYS],
  ['quotas', QUOTAS],
  ['clients', CLIENTS],
] as const
/** What still counts as flat, and as a line: noise of two rows, and no more. */
const FLAT = 1.1
const LINEAR = 1.25
const CLIENTS_COST = 1.2

/** Whether the cost of a request stays what it is as an app grows. */
export const scalingPart: Part<readonly Run[]> = {
  name: 'scaling',
  leftOutOfQuick: 'ratios near 1 need many rounds',
  measure() {
    return RUNTIMES.map((runtime) => {
      console.error(`bench: scaling on ${runtime}`)
      return { runtime, rows: runScript(runtime, join(import.meta.dirname, 'child.ts'), []) as readonly Row[] }
    })
  },
  report(runs) {
    return { section: sectionOf(runs), goals: runs.flatMap(goalsOf) }
  },
}

function costsOf({ rows }: Run, axis: string, count: number | string): readonly number[] {
  return costs(rows.find(({ name }) => name === `${axis} ${count}`)!)
}

/** What a quota more costs from 10 to 20 of them, by what it costs from 1 to 10. */
function bend(run: Run): Estimate {
  const [one, ten, twenty] = [1, 10, 20].map((count) => costsOf(run, 'quotas', count))
  return estimate(one!.map((first, round) => (twenty![round]! - ten![round]!) / 10 / ((ten![round]! - first) / 9)))
}

/** A request with so many keys by one with the fewest, less what bare Hono pays for being sent so many texts. */
function keysRatio(run: Run, count: number): Estimate {
  const few = KEYS[0]!
  const [cost, base] = [count, few].map((each) => costsOf(run, 'keys', each))
  const [sent, sentFew] = [count, few].map((each) => costsOf(run, 'bare, keys', each))
  return estimate(cost!.map((each, round) => (each - sent![round]! + sentFew![round]!) / base![round]!))
}

function goalsOf(run: Run): readonly Goal[] {
  const goal = (what: string, least: number, seen: Estimate): Goal => {
    return { what, on: run.runtime, wants: 'at most', least, wished: null, seen }
  }
  const against = (axis: string, count: number, base: number): Estimate =>
    ratios(costsOf(run, axis, count), costsOf(run, axis, base))
  return [
    goal('a request with 10,000 keys configured ÷ with 10 (flat)', FLAT, keysRatio(run, 10_000)),
    goal('a quota more, from 10 to 20 ÷ from 1 to 10 (linear)', LINEAR, bend(run)),
    goal('a request with 1,000,000 clients limited ÷ with 1', CLIENTS_COST, against('clients', 1_000_000, 1)),
  ]
}

function sectionOf(runs: readonly Run[]): string {
  const rows = AXES.flatMap(([axis, counts]) =>
    counts.map((count) => {
      const cells = runs.map((run) => {
        const cost = fixed(median(costsOf(run, axis, count)))
        if (count === counts[0]) return cost
        const ratio =
          axis === 'keys' ? keysRatio(run, count) : ratios(costsOf(run, axis, count), costsOf(run, axis, counts[0]!))
        return `${cost}: ${shown(ratio)}`
      })
      return `| ${count.toLocaleString('en')} ${axis} | ${cells.join(' | ')} |`
    }),
  )
  const kinds = Object.keys(ADDRESSES)
  for (const kind of kinds) {
    const cells = runs.map((run) => {
      const own = costsOf(run, 'address', kind)
      const cost = fixed(median(own))
      return kind === kinds[0] ? cost : `${cost}: ${shown(ratios(own, costsOf(run, 'address', kinds[0]!)))}`
    })
    rows.push(`| a client by ${kind} | ${cells.join(' | ')} |`)
  }
  return `## As an app grows

${EFFORT.rounds} rounds of about ${EFFORT.roundMs} ms for each: a guarded GET in process, with so many API keys configured and sent at random, quotas in one
rateLimit(), clients whose buckets the memory store holds, asking at random, or a client by another kind of address. By the first row of its kind;
for keys less what bare Hono pays more when it is sent so many texts.

| µs: ratio (95%) | ${runs.map(({ runtime }) => runtime).join(' | ')} |
|---|${'---|'.repeat(runs.length)}
${rows.join('\n')}
`
}
