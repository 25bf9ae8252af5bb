export { type LocalOnlyOptions, localOnly, type RequireScopeOptions, requireScope } from './access/middleware.ts'
export type { Address, AddressSource, TrustedProxies } from './address.ts'
export { type ApiKeyRecord, type ApiKeysOptions, apiKeys } from './auth/api-keys.ts'
export { API_KEY_PREFIX, checkApiKey, digestApiKey, makeApiKey } from './auth/key-format.ts'
export {
  type AuthenticateOptions,
  authenticate,
  identify,
  type PrincipalEnv,
  type PublicPathsOptions,
} from './auth/middleware.ts'
export type { Outcome, Refused, Scheme } from './auth/scheme.ts'
export { type Clock, systemClock } from './clock.ts'
export { type EventLevel, type EventType, eventLine, lineSink, type SecurityEvent, type Sink } from './event.ts'
export type { Exchange } from './exchange.ts'
export type { FirstTier } from './first-tier.ts'
export { type EnvOfAll, guard } from './guard.ts'
export { type CorsOptions, TAURI_ORIGINS } from './http/cors.ts'
export { API_CSP, type HeaderOptions, OPENMOTOKO_CSP } from './http/headers.ts'
export type { EventInput, Kit, KitEnv, LimitState } from './kit.ts'
export type { KitOptions, Mode } from './kit-base.ts'
export { emit } from './layer.ts'
export { foldAccount } from './limit/account.ts'
export { type ConcurrencyOptions, concurrency } from './limit/concurrency-middleware.ts'
export {
  type Attempt,
  type Lockout,
  type LockoutOptions,
  type LockoutState,
  type LockoutSubject,
  lockout,
} from './limit/lockout-middleware.ts'
export { type RateLimiter, type RateLimitOptions, rateLimit } from './limit/middleware.ts'
export type { Counted, LimitPeek } from './limit/peek.ts'
export { QUOTAS } from './limit/presets.ts'
export { type QueueOptions, queue } from './limit/queue-middleware.ts'
export type { Cost, QuotaOptions } from './limit/quota.ts'
export { meter, settle } from './limit/settle.ts'
export { type ShedLoadOptions, shedLoad } from './limit/shedding-middleware.ts'
export type { SlotOptions } from './limit/slot-options.ts'
export type { CountedBy, CountFunction } from './limit/subject.ts'
export type { Platform } from './platform.ts'
export { makePrincipal, type Principal } from './principal.ts'
export {
  type FieldError,
  PROBLEM_TYPE_PREFIX,
  PROBLEMS,
  Problem,
  type ProblemCode,
  type ProblemDetails,
  type ProblemFormat,
  type Refusal,
  type Refusals,
} from './problem.ts'
export { type SecurityOptions, security } from './security.ts'
export { type Environment, readLimit, readMode, readOrigins, requireSettings } from './settings.ts'
export { SetupError } from './setup-error.ts'
export {
  type AtomicStore,
  type Awaitable,
  type ImmediateStore,
  type Json,
  type Listed,
  type Page,
  type Store,
  type Stored,
  type StoreKey,
  type StoreNotice,
  StoreOutage,
} from './store/contract.ts'
export type { BucketState, Charge, Decision, Rate } from './store/gcra.ts'
export { type MemoryStoreOptions, memoryStore } from './store/memory.ts'
