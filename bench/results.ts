import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Machine } from './machine.ts'

/** What one part measured. */
export interface Measured {
  /** When it ended, ISO 8601. */
  readonly at: string
  readonly quick: boolean
  readonly seconds: number
  readonly results: unknown
}

/** results.json: all that RESULTS.md and the plot are made of. */
export interface Results {
  readonly machine: Machine
  readonly parts: Readonly<Record<string, Measured>>
}

export function readParts(path: string): Results['parts'] {
  return existsSync(path) ? ((JSON.parse(readFileSync(path, 'utf8')) as Partial<Results>).parts ?? {}) : {}
}

/** Numbers to five digits, and lists of numbers on a line: the rest is noise. */
export function writeResults(path: string, results: Results): void {
  const digits = (_: string, value: unknown): unknown =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
  const text = JSON.stringify(results, digits, 1)
  writeFileSync(path, `${text.replace(/\[[\d\s.,e+-]*\]/g, (list) => list.replaceAll(/\s+/g, ' '))}\n`)
}
