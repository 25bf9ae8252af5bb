/** `npm run bench [-- --quick]`: runs the benchmarks on each runtime and writes results.json and RESULTS.md beside this file. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

interface Run {
  readonly runtime: string
  readonly rounds: number
  readonly iterations: number
  readonly microseconds: Record<string, number[]>
}

const script = join(import.meta.dirname, 'guarded.ts')
const commands = [
  ['node', script],
  ['bun', script],
  ['deno', 'run', '--no-remote', '--node-modules-dir=manual', '-A', script],
]
const quick = process.argv.includes('--quick') ? ['--quick'] : []
const runs = commands.map(([command, ...args]): Run => {
  const output = execFileSync(command!, [...args, ...quick], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  return JSON.parse(output.trim().split('\n').at(-1)!)
})

const rows = runs.flatMap((run) =>
  ['GET', 'POST'].map((method) => {
    const bare = run.microseconds[`bare ${method}`]!
    const guarded = run.microseconds[`guarded ${method}`]!
    // Ratios of one round: whatever slowed the machine slowed both.
    const ratios = guarded.map((time, round) => time / bare[round]!)
    return `| ${run.runtime} | ${method} | ${fixed(median(bare))} | ${fixed(median(guarded))} | ${fixed(median(ratios))} | ${fixed(quantile(ratios, 0.25))}–${fixed(quantile(ratios, 0.75))} |`
  }),
)
const date = new Date().toISOString().slice(0, 10)
const report = `# Results

${date}, ${cpus()[0]!.model}, ${cpus().length} cores, ${runs[0]!.rounds} interleaved rounds of ${runs[0]!.iterations} requests in process (app.fetch, body not read).
Guarded is security(), rateLimit(), authenticate() and, on POST, validate(), with the memory store; bare is Hono with the same
handlers. Trust the ratio; the machine is shared.

| runtime | request | bare µs | guarded µs | guarded ÷ bare, median | middle half |
|---|---|---|---|---|---|
${rows.join('\n')}

Nothing here has been tuned yet.
`
writeFileSync(join(import.meta.dirname, 'results.json'), `${JSON.stringify(runs, null, 1)}\n`)
writeFileSync(join(import.meta.dirname, 'RESULTS.md'), report)
console.log(report)

function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.round((sorted.length - 1) * share)]!
}

function fixed(value: number): string {
  return value.toFixed(2)
}
