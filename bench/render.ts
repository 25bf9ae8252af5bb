import { goalsTable } from './goals.ts'
import type { Part } from './part.ts'
import { plot } from './plot.ts'
import type { Results } from './results.ts'

/** RESULTS.md and the plot, of what results.json holds. */
export function render(
  parts: readonly Part<unknown>[],
  { machine, parts: measured }: Results,
): { report: string; plot: string } {
  const reports = parts
    .filter(({ name }) => measured[name])
    .map((part) => ({ name: part.name, ...part.report(measured[part.name]!.results) }))
  const { cpu, cores, system, load, versions } = machine
  const times = Object.entries(measured).map(
    ([name, { at, quick, seconds }]) =>
      `| ${name} | ${at.slice(0, 16).replace('T', ' ')} | ${seconds} s | ${quick ? 'quick: noisier' : 'whole'} |`,
  )
  const seconds = Object.values(measured).reduce((sum, part) => sum + part.seconds, 0)
  const noise = reports.flatMap(({ noise = [] }) => noise)
  const missing = parts.filter(({ name }) => !measured[name]).map(({ name }) => name)
  const report = `# Results

![Cost of a request by that of bare Hono](ratios.svg)

${cpu}, ${cores} cores, ${system}; the machine is shared, its load was ${load.toFixed(2)} at the end. Trust the ratios.
${Object.entries(versions)
  .map(([name, version]) => `${name} ${version}`)
  .join(', ')}.

Candidates of a table take turns, round by round, in another order each time; a figure is the median over rounds, a ratio is
taken within each round. The interval beside it is the order-statistic 95% interval of the median (binomial, no distribution
assumed). It tells how far a median of this run may be off, not how another hour on this machine would differ.

${noise.length > 0 ? `Noise, a bare GET by the same app made a second time, in the same rounds: ${noise.join('; ')}.\n` : ''}
${goalsTable(reports.flatMap(({ goals }) => goals))}
| part | ended (UTC) | took | run |
|---|---|---|---|
${times.join('\n')}
| all | | ${Math.round(seconds)} s | |
${missing.length > 0 ? `\nNot measured: ${missing.join(', ')}.\n` : ''}
${reports.map(({ section }) => section).join('\n')}`
  return {
    report,
    plot: plot(
      'Cost of a request ÷ bare Hono',
      reports.flatMap(({ bars = [] }) => bars),
    ),
  }
}
