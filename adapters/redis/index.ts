export type { RedisCommand, RedisSend } from './commands.ts'
export { type RedisStore, type RedisStoreOptions, redisStore } from './store.ts'
