import { join } from 'node:path'
import { type Part, RUNTIMES, runScript } from '../part.ts'
import { costs, type Row } from '../rounds.ts'
import { estimate } from '../statistics.ts'
import { EFFORT } from './effort.ts'

interface Run {
  readonly runtime: string
  readonly rows: readonly Row[]
}

/** What the pieces of a request cost by themselves. */
export const primitivesPart: Part<readonly Run[]> = {
  name: 'primitives',
  leftOutOfQuick: null,
  measure() {
    return RUNTIMES.map((runtime) => {
      console.error(`bench: primitives on ${runtime}`)
      return { runtime, rows: runScript(runtime, join(import.meta.dirname, 'child.ts'), []) as readonly Row[] }
    })
  },
  report(runs) {
    const rows = runs[0]!.rows.map(({ name }) => {
      const cells = runs.map(({ rows }) => nanoseconds(rows.find((row) => row.name === name)!))
      return `| ${name} | ${cells.join(' | ')} |`
    })
    const section = `## Primitives

${EFFORT.rounds} rounds of about ${EFFORT.roundMs} ms for each; ns a call, the loop around it included. Promises are awaited one after the other, each timed, which
adds two readings of the clock. A key has 53 characters, a digest 64; limiters are asked by 4,096 addresses in turn.

| ns (95%) | ${runs.map(({ runtime }) => runtime).join(' | ')} |
|---|${'---|'.repeat(runs.length)}
${rows.join('\n')}
`
    return { section, goals: [] }
  },
}

function nanoseconds(row: Row): string {
  const { median, low, high } = estimate(costs(row).map((microseconds) => microseconds * 1000))
  const [middle, least, most] = [median, low, high].map((value) => Math.round(value).toLocaleString('en'))
  return `${middle} (${least}–${most})`
}
