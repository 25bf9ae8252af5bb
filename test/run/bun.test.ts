import { sqliteCases } from '../adapters/sqlite.cases.ts'
import { portableCases } from './all.ts'
import { resultsOf, testsOf } from './child.ts'

testsOf('bun', await resultsOf('bun', 'test/run/bun.ts'), [...portableCases, ...sqliteCases])
