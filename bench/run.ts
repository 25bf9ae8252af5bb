/**
 * `npm run bench [-- --quick] [-- --only=http,bundle]`: measures, and writes results.json, RESULTS.md and ratios.svg beside
 * this file. `--only` measures some parts anew and keeps what stands of the others; `--only=` measures none.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundlePart } from './bundle/report.ts'
import { httpPart } from './http/report.ts'
import { machine } from './machine.ts'
import { memoryPart } from './memory/report.ts'
import { overloadPart } from './overload.ts'
import type { Part } from './part.ts'
import { primitivesPart } from './primitives/report.ts'
import { render } from './render.ts'
import { requestsPart } from './requests/report.ts'
import { type Measured, readParts, writeResults } from './results.ts'
import { scalingPart } from './scaling/report.ts'
import { storesPart } from './stores.ts'
import { timingPart } from './timing/report.ts'

const PARTS: readonly Part<unknown>[] = [
  requestsPart,
  httpPart,
  scalingPart,
  primitivesPart,
  bundlePart,
  timingPart,
  memoryPart,
  overloadPart,
  storesPart,
]

const resultsPath = join(import.meta.dirname, 'results.json')
const quick = process.argv.includes('--quick')
const only = process.argv
  .find((argument) => argument.startsWith('--only='))
  ?.slice('--only='.length)
  .split(',')
const unknown = only?.filter((name) => name !== '' && !PARTS.some((part) => part.name === name)) ?? []
if (unknown.length > 0) {
  throw new RangeError(`--only: no part ${unknown.join(', ')}; there are ${PARTS.map(({ name }) => name).join(', ')}.`)
}

const parts: Record<string, Measured> = only ? { ...readParts(resultsPath) } : {}
const leftOut: string[] = []
for (const part of PARTS) {
  if (only && !only.includes(part.name)) continue
  if (quick && part.leftOutOfQuick !== null) {
    leftOut.push(`${part.name} (${part.leftOutOfQuick})`)
    continue
  }
  console.error(`bench: ${part.name}`)
  const start = performance.now()
  const results = await part.measure(quick)
  const seconds = Math.round((performance.now() - start) / 100) / 10
  console.error(`bench: ${part.name} took ${seconds} s`)
  parts[part.name] = { at: new Date().toISOString(), quick, seconds, results }
}
if (leftOut.length > 0) console.error(`bench: left out of a quick run: ${leftOut.join('; ')}`)

const found = { machine: machine(), parts }
writeResults(resultsPath, found)
const { report, plot } = render(PARTS, found)
writeFileSync(join(import.meta.dirname, 'RESULTS.md'), report)
writeFileSync(join(import.meta.dirname, 'ratios.svg'), plot)
console.log(report)
