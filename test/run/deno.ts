import { denoCases } from './all-deno.ts'
import { report } from './report.ts'

console.log(JSON.stringify(await report(denoCases)))
