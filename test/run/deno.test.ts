import { sqliteCases } from '../adapters/sqlite.cases.ts'
import { portableCases } from './all.ts'
import { resultsOf, testsOf } from './child.ts'

const results = await resultsOf('deno', 'run', '--no-remote', '--node-modules-dir=manual', '-A', 'test/run/deno.ts')
testsOf('deno', results, [...portableCases, ...sqliteCases])
