import { durableObjectStore, HinobanObject } from '../../adapters/cloudflare/durable-object.ts'
import { perform, type Task } from './tasks.ts'

export { HinobanObject }

/**
 * Does the task that it is sent against Durable Objects. Its clock stands still between one answer and the next and
 * counts whole milliseconds: an instant may be told too early, by as much for every call, so that no order is invented.
 */
export default {
  async fetch(request, { OBJECT }) {
    const task = (await request.json()) as Task
    return Response.json(
      await perform(durableObjectStore(OBJECT, { deadlineMs: 30_000 }), task, () => Date.now() * 1e6),
    )
  },
} satisfies ExportedHandler<{ readonly OBJECT: DurableObjectNamespace<HinobanObject> }>
