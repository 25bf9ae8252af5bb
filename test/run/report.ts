import type { Case } from '../cases.ts'

/** How one case ended. */
export interface Result {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  /** What it threw. */
  readonly error?: string
}

/** Runs the cases that wait all at once, then the others one after the other; their results as they came. Never throws. */
export async function report(cases: readonly Case[]): Promise<readonly Result[]> {
  const waited = new Map<Case, Result>()
  await Promise.all(cases.filter(({ waits }) => waits).map(async (one) => waited.set(one, await resultOf(one))))
  const results: Result[] = []
  for (const one of cases) results.push(waited.get(one) ?? (await resultOf(one)))
  return results
}

async function resultOf({ name, run }: Case): Promise<Result> {
  const began = performance.now()
  const error = await failure(run)
  const ms = Math.round(performance.now() - began)
  return error === null ? { name, ok: true, ms } : { name, ok: false, ms, error }
}

async function failure(run: Case['run']): Promise<string | null> {
  try {
    await run()
    return null
  } catch (error) {
    return error instanceof Error ? (error.stack ?? String(error)) : String(error)
  }
}
