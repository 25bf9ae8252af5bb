/** The same for Workers, with `@cloudflare/workers-types`. */
import { security } from 'hinoban'
import { durableObjectStore, type HinobanObject, kvStore, platform } from 'hinoban/cloudflare'

export function onWorkers(objects: DurableObjectNamespace<HinobanObject>, namespace: KVNamespace) {
  const exact = security({ platform, store: durableObjectStore(objects) })
  // @ts-expect-error: KV is eventually consistent, so nothing that counts may stand on it
  const stale = security({ platform, store: kvStore(namespace) })
  return [exact, stale]
}
