export { type DurableObjectStoreOptions, durableObjectStore, HinobanObject } from './durable-object.ts'
export { type KvStoreOptions, kvStore } from './kv.ts'
export { platform } from './platform.ts'
export { type RateLimitBindingOptions, rateLimitBinding } from './rate-limit-binding.ts'
export {
  type HibernatingSockets,
  type HibernatingSocketsOptions,
  hibernatingSockets,
  type SocketQuota,
} from './sockets.ts'
