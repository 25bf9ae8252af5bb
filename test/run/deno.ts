import { denoEqualCases } from '../adapters/deno-equal.cases.ts'
import { denoHeadersCases } from '../adapters/deno-headers.cases.ts'
import { denoKvCases } from '../adapters/deno-kv.cases.ts'
import { denoServerCases } from '../adapters/deno-server.cases.ts'
import { sqliteCases } from '../adapters/sqlite.cases.ts'
import { portableCases } from './all.ts'
import { report } from './report.ts'

console.log(
  JSON.stringify(
    await report([
      ...portableCases,
      ...sqliteCases,
      ...denoKvCases,
      ...denoEqualCases,
      ...denoHeadersCases,
      ...denoServerCases,
    ]),
  ),
)
