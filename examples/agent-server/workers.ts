/** Runs worker.ts on this machine under miniflare, with a Durable Object, as `wrangler deploy` would on Cloudflare. */

import { join } from 'node:path'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'
import { firstStart } from './first-start.ts'

process.umask(0o077)
const { env, port, dataFolder, announce } = firstStart(process.env)
const bundle = await build({
  entryPoints: [join(import.meta.dirname, 'worker.ts')],
  bundle: true,
  format: 'esm',
  target: 'es2024',
  conditions: ['workerd', 'worker', 'browser'],
  external: ['cloudflare:*'],
  write: false,
})
const names = [
  'HINOBAN_API_KEY_DIGEST',
  'HINOBAN_CREDENTIAL_SECRET',
  'HINOBAN_CREDENTIAL_SALT',
  'NODE_ENV',
  'MODEL_URL',
  'API_RATE_LIMIT',
  'CHAT_RATE_LIMIT',
  'CORS_ORIGIN',
]
const server = new Miniflare({
  modules: [{ type: 'ESModule', path: 'worker.mjs', contents: bundle.outputFiles[0]!.text }],
  compatibilityDate: '2026-07-30',
  compatibilityFlags: ['enable_request_signal'],
  bindings: Object.fromEntries(names.flatMap((name) => (typeof env[name] === 'string' ? [[name, env[name]]] : []))),
  durableObjects: { HINOBAN: { className: 'HinobanObject', useSQLite: true } },
  durableObjectsPersist: join(dataFolder, 'durable-objects'),
  cf: false,
  host: '127.0.0.1',
  port,
})
// A closed terminal must not leave workerd serving; against kill -9 of this process alone there is no remedy here.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => server.dispose().finally(() => process.exit(0)))
}
await server.ready
announce({ localOnlyWorks: false })
