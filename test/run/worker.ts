import { type Bindings, cloudflareCases, TestObject } from '../adapters/cloudflare.cases.ts'
import { cloudflareBodiesCases } from '../adapters/cloudflare-bodies.cases.ts'
import { portableCases } from './all.ts'
import { report } from './report.ts'

export { TestObject }

export default {
  async fetch(_request, bindings) {
    return Response.json(await report([...portableCases, ...cloudflareBodiesCases, ...cloudflareCases(bindings)]))
  },
} satisfies ExportedHandler<Bindings>
