export { type DurableObjectStoreOptions, durableObjectStore, HinobanObject } from './durable-object.ts'
export { type KvStoreOptions, kvStore } from './kv.ts'
export { platform } from './platform.ts'
