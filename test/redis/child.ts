/** Runs the conformance suite on Bun or Deno: `child.ts <library> <port>`. The last line is JSON. */
import { report } from '../run/report.ts'
import { conformanceOf } from '../store/conformance.cases.ts'
import { connect } from './clients.ts'
import { redisHarness } from './conformance.ts'

const [library, port] = process.argv.slice(2)
const client = await connect(library as Parameters<typeof connect>[0], Number(port))
const results = await report(conformanceOf(`redis via ${library}`, redisHarness(client)))
client.close()
console.log(JSON.stringify(results))
