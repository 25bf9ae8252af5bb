/**
 * `npm run torture [-- --seed=N]`: the acceptance lists at their full volume. A run that was broken off goes on where it
 * stopped, on the same commit and seed; a finished one writes docs/proof/<date>.md.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { jobs } from './jobs.ts'
import { Random } from './random.ts'

const root = join(import.meta.dirname, '../..')
const stateFile = join(root, '.hinoban', 'torture.json')
const seed = Number(process.argv.find((argument) => argument.startsWith('--seed='))?.slice(7) ?? 20261121)
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
const state = readState() ?? { seed, commit, done: {} as Record<string, { rounds: number; ms: number }> }
mkdirSync(join(root, '.hinoban'), { recursive: true })

for (const [number, job] of jobs.entries()) {
  const progress = state.done[job.name] ?? { rounds: 0, ms: 0 }
  state.done[job.name] = progress
  if (progress.rounds >= job.rounds) continue
  const running = await job.start()
  try {
    while (progress.rounds < job.rounds) {
      const start = performance.now()
      await running.round(new Random(state.seed * 100_003 + number * 1009 + progress.rounds), progress.rounds)
      progress.rounds += 1
      progress.ms += performance.now() - start
      if (progress.rounds % 10 === 0) writeFileSync(stateFile, JSON.stringify(state))
    }
  } catch (error) {
    console.error(`FAILED: ${job.name}, round ${progress.rounds}, seed ${state.seed}`)
    throw error
  } finally {
    await running.stop()
  }
  console.log(`passed: ${job.name} (${job.rounds} rounds of ${job.volume}, ${Math.round(progress.ms / 1000)} s)`)
}

function readState(): { seed: number; commit: string; done: Record<string, { rounds: number; ms: number }> } | null {
  const kept = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, 'utf8')) : null
  // Rounds of another tree or seed prove nothing for this one.
  return kept?.seed === seed && kept.commit === commit ? kept : null
}

const date = new Date().toISOString().slice(0, 10)
const rows = jobs.map(
  (job) =>
    `| ${job.name} | ${job.rounds} × ${job.volume} | ${Math.round(state.done[job.name]!.ms / 1000)} s | passed |`,
)
writeFileSync(
  join(root, 'docs/proof', `${date}.md`),
  `# Torture, ${date}\n\nCommit ${state.commit}, seed ${state.seed}, ${cpus()[0]!.model}, ${cpus().length} cores. \`npm run torture\` runs it again.\n\n| what | volume | time | result |\n|---|---|---|---|\n${rows.join('\n')}\n`,
)
rmSync(stateFile)
console.log(`${jobs.length} passed, 0 failed`)
