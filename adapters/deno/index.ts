export { type SqliteStoreOptions, sqliteStore } from '../sqlite.ts'
export { type DenoKvStoreOptions, denoKvStore } from './kv.ts'
export type { DenoKv, DenoKvAtomic, DenoKvEntry, DenoKvKey, DenoKvSelector } from './kv-engine.ts'
export { platform } from './platform.ts'
