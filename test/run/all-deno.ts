import { denoEqualCases } from '../adapters/deno-equal.cases.ts'
import { denoHeadersCases } from '../adapters/deno-headers.cases.ts'
import { denoKvCases } from '../adapters/deno-kv.cases.ts'
import { denoServerCases } from '../adapters/deno-server.cases.ts'
import { sqliteCases } from '../adapters/sqlite.cases.ts'
import type { Case } from '../cases.ts'
import { portableCases } from './all.ts'

/** What runs in Deno. */
export const denoCases: readonly Case[] = [
  ...portableCases,
  ...sqliteCases,
  ...denoKvCases,
  ...denoEqualCases,
  ...denoHeadersCases,
  ...denoServerCases,
]
