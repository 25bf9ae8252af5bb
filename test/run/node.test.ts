import { test } from 'vitest'
import { sqliteCases } from '../adapters/sqlite.cases.ts'
import { portableCases } from './all.ts'

const cases = [...portableCases, ...sqliteCases]
for (const { name, run } of cases.filter(({ waits }) => waits)) test.concurrent(name, () => run())
for (const { name, run } of cases.filter(({ waits }) => !waits)) test(name, () => run())
