import { durableObjectStore, HinobanObject } from '../../adapters/cloudflare/durable-object.ts'
import { type ConsumeTask, consumeAll } from './tasks.ts'

export { HinobanObject }

/** Makes the calls of the task that it is sent, all at once, against Durable Objects. */
export default {
  async fetch(request, { OBJECT }) {
    return Response.json(await consumeAll(durableObjectStore(OBJECT), (await request.json()) as ConsumeTask))
  },
} satisfies ExportedHandler<{ readonly OBJECT: DurableObjectNamespace<HinobanObject> }>
