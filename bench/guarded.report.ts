import { join } from 'node:path'
import { type Part, RUNTIMES, runScript } from './part.ts'
import { fixed, median, ratios } from './statistics.ts'

interface Run {
  readonly runtime: string
  readonly rounds: number
  readonly iterations: number
  readonly microseconds: Record<string, number[]>
}

/** What the layers cost a request: guarded.ts on each runtime. */
export function guardedPart(quick: boolean): Part {
  const script = join(import.meta.dirname, 'guarded.ts')
  const runs = RUNTIMES.map((runtime) => runScript(runtime, script, quick ? ['--quick'] : []) as Run)
  const rows = runs.flatMap((run) =>
    ['GET', 'POST'].map((method) => {
      const bare = run.microseconds[`bare ${method}`]!
      const guarded = run.microseconds[`guarded ${method}`]!
      const ratio = ratios(guarded, bare)
      const half = `${fixed(ratio.low)}–${fixed(ratio.high)}`
      return `| ${run.runtime} | ${method} | ${fixed(median(bare))} | ${fixed(median(guarded))} | ${fixed(ratio.median)} | ${half} |`
    }),
  )
  const denials = runs.map((run) => {
    const ratio = ratios(run.microseconds['denied GET']!, run.microseconds['guarded GET']!)
    const half = `${fixed(ratio.low)}–${fixed(ratio.high)}`
    return `| ${run.runtime} | ${fixed(median(run.microseconds['denied GET']!))} | ${fixed(ratio.median)} | ${half} |`
  })
  const section = `## Requests

${runs[0]!.rounds} rounds of ${runs[0]!.iterations} requests in process (app.fetch, body not read). Guarded is security(), rateLimit(),
authenticate() and, on POST, validate(), with the memory store; bare is Hono with the same handlers.

| runtime | request | bare µs | guarded µs | guarded ÷ bare, median | middle half |
|---|---|---|---|---|---|
${rows.join('\n')}

Nothing here has been tuned yet.

A denied GET is one that rateLimit() refuses, with the event, against the guarded GET that it lets through. Goal: below 1.

| runtime | denied µs | denied ÷ admitted, median | middle half |
|---|---|---|---|
${denials.join('\n')}
`
  return { name: 'guarded', results: runs, section }
}
