/** One check of the package. It fails by throwing. */
export interface Check {
  readonly name: string
  run(): Promise<void>
}

/** Runs checks one after the other, prints each, and at the end `N passed, N failed`. True when all of them passed. */
export async function runChecks(checks: readonly Check[]): Promise<boolean> {
  let passed = 0
  let failed = 0
  for (const { name, run } of checks) {
    const start = performance.now()
    try {
      await run()
      passed++
      console.log(`ok      ${name} (${Math.round(performance.now() - start)} ms)`)
    } catch (error) {
      failed++
      console.log(`FAILED  ${name}\n${indent(error instanceof Error ? error.message : String(error))}`)
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 && passed > 0
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '        ')
}
