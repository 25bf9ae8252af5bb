import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { root } from './files.ts'

// .ci/run with an npm of ours: it answers each step with a code, and leaves the counts that the real one would leave.
const folder = mkdtempSync(join(tmpdir(), 'hinoban-ci-'))
afterAll(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, '.ci'))
mkdirSync(join(folder, 'bin'))
cpSync(join(root, '.ci/run'), join(folder, '.ci/run'))
writeFileSync(
  join(folder, 'bin/npm'),
  `#!/bin/sh
case "$1" in
  ci) exit $CI_CODE ;;
  test) for word in "$@"; do case "$word" in --outputFile.json=*) [ -z "$REPORT" ] || echo "$REPORT" > "\${word#*=}" ;; esac; done
    exit $TEST_CODE ;;
  *) echo "$PACKAGE"; exit $PACKAGE_CODE ;;
esac
`,
)
chmodSync(join(folder, 'bin/npm'), 0o755)
// What is there need not be installed.
writeFileSync(join(folder, 'bin/redis-server'), '#!/bin/sh\n')
chmodSync(join(folder, 'bin/redis-server'), 0o755)

interface Steps {
  readonly ci?: number
  readonly test?: number
  readonly report?: object | null
  readonly package?: string
  readonly packageCode?: number
  readonly underCi?: boolean
}

const suite = { status: 'passed', assertionResults: [{}] }
const report = { numPassedTests: 7, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [suite] }

function ci(steps: Steps): { readonly last: string; readonly code: number | null } {
  const { stdout, status } = spawnSync('bash', [join(folder, '.ci/run')], {
    encoding: 'utf8',
    env: {
      PATH: [join(folder, 'bin'), dirname(process.execPath), process.env.PATH].join(delimiter),
      CI_CODE: String(steps.ci ?? 0),
      TEST_CODE: String(steps.test ?? 0),
      REPORT: steps.report === null ? '' : JSON.stringify(steps.report ?? report),
      PACKAGE: steps.package ?? 'ok one\n5 passed, 0 failed',
      PACKAGE_CODE: String(steps.packageCode ?? 0),
      ...(steps.underCi ? { CI: 'true' } : {}),
    } as unknown as NodeJS.ProcessEnv,
  })
  return { last: stdout.trimEnd().split('\n').at(-1) ?? '', code: status }
}

describe('.ci/run', () => {
  test('sums tests and package checks', () => {
    expect(ci({})).toEqual({ last: '12 passed, 0 failed', code: 0 })
  })

  const failures: Record<string, [Steps, string]> = {
    'npm ci fails': [{ ci: 1 }, '0 passed, 1 failed'],
    'a test fails': [{ test: 1, report: { ...report, numPassedTests: 6, numFailedTests: 1 } }, '11 passed, 1 failed'],
    'npm test fails before its tests': [{ test: 1, report: null }, '5 passed, 1 failed'],
    'npm test fails with no failed test': [{ test: 1 }, '12 passed, 1 failed'],
    'there are no tests': [{ report: { ...report, numPassedTests: 0, testResults: [] } }, '5 passed, 1 failed'],
    'npm test leaves no report': [{ report: null }, '5 passed, 1 failed'],
    'a test file cannot be loaded': [
      { test: 1, report: { ...report, testResults: [suite, { status: 'failed', assertionResults: [] }] } },
      '12 passed, 1 failed',
    ],
    'a test is left out under CI': [
      { underCi: true, report: { ...report, numPendingTests: 2 } },
      '12 passed, 2 failed',
    ],
    'a package check fails': [{ packageCode: 1, package: '4 passed, 1 failed' }, '11 passed, 1 failed'],
    'the package checks end without a count': [{ packageCode: 1, package: 'broken' }, '7 passed, 1 failed'],
    'the package checks say nothing': [{ package: '' }, '7 passed, 1 failed'],
  }
  test.each(Object.entries(failures))('fails when %s', (_name, [steps, last]) => {
    const answer = ci(steps)
    expect(answer.last).toBe(last)
    expect(answer.code).not.toBe(0)
  })
})
