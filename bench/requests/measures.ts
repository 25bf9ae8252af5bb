import type { Measure } from '../rounds.ts'
import { type RequestCandidate, requestCandidates } from './candidates.ts'
import { environmentOf, type Host } from './host.ts'

/** Asks so often, one after the other, and makes sure of each answer: a wrong one that comes fast is no result. */
export async function askOften(
  { name, app, ask, status }: RequestCandidate,
  calls: number,
  env: object,
): Promise<void> {
  const { url, init } = ask
  for (let i = 0; i < calls; i++) {
    const answer = await app.fetch(new Request(url, init), env)
    if (answer.status !== status) throw new Error(`${name} answered ${answer.status}: ${await answer.text()}`)
  }
}

/** Each candidate in this process, its body not read. */
export async function requestMeasures(host: Host): Promise<{ measures: Measure[]; headers: Record<string, string[]> }> {
  const env = environmentOf('203.0.113.7')
  const candidates = requestCandidates(host)
  const headers: Record<string, string[]> = {}
  for (const { name, app, ask } of candidates) {
    // The first one takes what the denying apps have to give.
    const answer = await app.fetch(new Request(ask.url, ask.init), env)
    headers[name] = [...answer.headers.keys()]
  }
  const measures = candidates.map((candidate) => ({
    name: candidate.name,
    floor: null,
    concurrency: 1,
    async run(calls: number) {
      const start = performance.now()
      await askOften(candidate, calls, env)
      return { ms: performance.now() - start }
    },
  }))
  return { measures, headers }
}
