import { test } from 'vitest'
import { sqliteCases } from '../adapters/sqlite.cases.ts'
import { portableCases } from './all.ts'

for (const { name, run } of [...portableCases, ...sqliteCases]) test(name, () => run())
