import { execFileSync } from 'node:child_process'
import type { Goal } from './goals.ts'
import type { Bar } from './plot.ts'

/** One part of the benchmarks. What it measures goes into results.json under its name, as JSON; its report comes of that alone. */
export interface Part<Results> {
  readonly name: string
  /** Why a quick run leaves it out; null where it does not. */
  readonly leftOutOfQuick: string | null
  measure(quick: boolean): Results | Promise<Results>
  report(results: Results): Report
}

export interface Report {
  /** Of RESULTS.md. */
  readonly section: string
  readonly goals: readonly Goal[]
  /** What one app seems to cost by itself, made twice: `node, in process: 1.02 (0.97–1.05)`. */
  readonly noise?: readonly string[]
  /** What the plot shows of it. */
  readonly bars?: readonly Bar[]
}

export type RuntimeName = 'node' | 'bun' | 'deno'
export const RUNTIMES: readonly RuntimeName[] = ['node', 'bun', 'deno']

const COMMANDS: Record<RuntimeName, readonly [string, ...string[]]> = {
  node: ['node'],
  bun: ['bun'],
  deno: ['deno', 'run', '--no-remote', '--node-modules-dir=manual', '--unstable-kv', '-A'],
}

/** How a runtime is started; the script and its arguments follow. */
export function commandOf(runtime: RuntimeName): readonly [string, ...string[]] {
  return COMMANDS[runtime]
}

/** Runs a script in a runtime of its own, and gives what it printed in its last line as JSON. */
export function runScript(
  runtime: RuntimeName,
  script: string,
  args: readonly string[],
  flags: readonly string[] = [],
): unknown {
  const [command, ...before] = COMMANDS[runtime]
  const output = execFileSync(command, [...before, ...flags, script, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(output.trim().split('\n').at(-1)!)
}
