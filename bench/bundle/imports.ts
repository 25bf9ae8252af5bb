import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandOf, type RuntimeName } from '../part.ts'

const ROOT = join(import.meta.dirname, '../..')
const TIMER = `const start = performance.now()
await import(process.argv[2])
console.log(performance.now() - start)
`

/** Milliseconds that each module takes to be imported, round by round, each time in a process of its own. */
export function importTimes(
  runtime: RuntimeName,
  modules: Readonly<Record<string, string | Uint8Array>>,
  rounds: number,
): Record<string, number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hinoban-bench-'))
  try {
    install(folder)
    writeFileSync(join(folder, 'timer.mjs'), TIMER)
    const files = Object.entries(modules).map(([name, source], i) => {
      const file = join(folder, `${i}.mjs`)
      writeFileSync(file, source)
      return { name, file }
    })
    const times: Record<string, number[]> = Object.fromEntries(files.map(({ name }) => [name, []]))
    // The first round fills the system's file cache.
    for (let round = -1; round < rounds; round++) {
      for (const { name, file } of round % 2 === 0 ? files : files.toReversed()) {
        const [command, ...before] = commandOf(runtime)
        const output = execFileSync(command, [...before, join(folder, 'timer.mjs'), file], { encoding: 'utf8' })
        if (round >= 0) times[name]!.push(Number(output))
      }
    }
    return times
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The packages where a user would have them. */
function install(folder: string): void {
  const modules = join(folder, 'node_modules')
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  mkdirSync(join(modules, '@hono'), { recursive: true })
  symlinkSync(ROOT, join(modules, 'hinoban'))
  for (const name of ['hono', 'hono-rate-limiter', 'zod', '@hono/zod-validator']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
}
