/** `npm run bench [-- --quick]`: runs the benchmarks on each runtime and writes results.json and RESULTS.md beside this file. */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { guardedPart } from './guarded.report.ts'
import { memoryPart } from './memory.report.ts'
import { overloadPart } from './overload.ts'
import { storesPart } from './stores.ts'

const quick = process.argv.includes('--quick')
console.error('bench: requests')
const parts = [guardedPart(quick), memoryPart(quick), await overloadPart(quick), await storesPart(quick)]

const date = new Date().toISOString().slice(0, 10)
const report = `# Results

${date}, ${cpus()[0]!.model}, ${cpus().length} cores${quick ? ', a quick run: noisier than a whole one' : ''}. Candidates of a table take turns, round by round,
in one process; a figure is the median over rounds, a ratio is taken within each round, and the middle half of the rounds
stands beside it. Trust the ratios; the machine is shared.

${parts.map(({ section }) => section).join('\n')}`
const results = Object.fromEntries(parts.map(({ name, results }) => [name, results]))
writeFileSync(join(import.meta.dirname, 'results.json'), `${JSON.stringify({ date, quick, ...results }, null, 1)}\n`)
writeFileSync(join(import.meta.dirname, 'RESULTS.md'), report)
console.log(report)
