import { type RedisStoreOptions, redisStore } from '../../adapters/redis/index.ts'
import type { Clock } from '../../src/clock.ts'
import type { StoreHarness } from '../../src/store/conformance.ts'
import type { AtomicStore, Store } from '../../src/store/contract.ts'
import type { Case } from '../cases.ts'
import { limiterCasesOf } from '../limit/every-store.ts'
import { conformanceOf } from '../store/conformance.cases.ts'

/** What holds on every store, through one client. */
export function redisCases(subject: string, harness: StoreHarness): readonly Case[] {
  return [...conformanceOf(subject, harness), ...limiterCasesOf(subject, harness)]
}

/** Stores of one server, each under a prefix of its own. Racers must not meet the deadline: the machine is shared. */
export function redisHarness(options: Pick<RedisStoreOptions, 'send' | 'cluster'>): StoreHarness {
  const prefixes = new WeakMap<Store, string>()
  const open = (prefix: string, clock: Clock): AtomicStore => {
    const store = redisStore({ ...options, prefix, clock, deadlineMs: 30_000 })
    prefixes.set(store, prefix)
    return store
  }
  const again = (store: Store, clock: Clock): AtomicStore => open(prefixes.get(store)!, clock)
  return {
    consistency: 'atomic',
    open: (clock) => open(crypto.randomUUID(), clock),
    another: again,
    reopen: again,
  }
}
