/** Runs the cases of every store on Bun or Deno: `child.ts <library> <port>`. The last line is JSON. */
import { report } from '../run/report.ts'
import { connect } from './clients.ts'
import { redisCases, redisHarness } from './conformance.ts'

const [library, port] = process.argv.slice(2)
const client = await connect(library as Parameters<typeof connect>[0], Number(port))
const results = await report(redisCases(`redis via ${library}`, redisHarness(client)))
client.close()
console.log(JSON.stringify(results))
