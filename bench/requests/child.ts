/** One process: every app, in rounds that take turns. Prints one line of JSON. */
import { inRounds } from '../rounds.ts'
import { requestEffort } from './effort.ts'
import { ownHost } from './host.ts'
import { requestMeasures } from './measures.ts'

const host = await ownHost()
const { measures, headers } = await requestMeasures(host)
const rows = await inRounds(measures, requestEffort(process.argv.includes('--quick')))
console.log(JSON.stringify({ runtime: host.name, rows, headers }))
process.exit(0)
