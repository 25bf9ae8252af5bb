import { fileURLToPath } from 'node:url'
import { Miniflare } from 'miniflare'
import { cloudflareNames } from '../adapters/cloudflare.names.ts'
import { bundleWorker } from '../support/bundle-worker.ts'
import { portableCases } from './all.ts'
import { testsOf } from './child.ts'
import type { Result } from './report.ts'

const miniflare = new Miniflare({
  modules: await bundleWorker(fileURLToPath(new URL('worker.ts', import.meta.url))),
  compatibilityDate: '2026-07-30',
  compatibilityFlags: ['nodejs_compat'],
  cf: false,
  host: '127.0.0.1',
  port: 0,
  kvNamespaces: ['KV'],
  ratelimits: { LIMITER: { namespace_id: '1', simple: { limit: 5, period: 60 } } },
  durableObjects: { OBJECT: { className: 'TestObject', useSQLite: true } },
})
try {
  const response = await miniflare.dispatchFetch('http://worker/')
  testsOf('workerd', (await response.json()) as Result[], [...portableCases, ...cloudflareNames])
} finally {
  await miniflare.dispose()
}
