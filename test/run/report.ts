import type { Case } from '../cases.ts'

/** How one case ended. */
export interface Result {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  /** What it threw. */
  readonly error?: string
}

/** Runs cases one after the other. Never throws. */
export async function report(cases: readonly Case[]): Promise<readonly Result[]> {
  const results: Result[] = []
  for (const { name, run } of cases) {
    const began = performance.now()
    const error = await failure(run)
    const ms = Math.round(performance.now() - began)
    results.push(error === null ? { name, ok: true, ms } : { name, ok: false, ms, error })
  }
  return results
}

async function failure(run: Case['run']): Promise<string | null> {
  try {
    await run()
    return null
  } catch (error) {
    return error instanceof Error ? (error.stack ?? String(error)) : String(error)
  }
}
