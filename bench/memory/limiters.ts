import { MemoryStore } from 'hono-rate-limiter'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { makeRate } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'

/** One that decides, with nothing in it yet. */
export interface Limiter {
  /** A promise where the limiter gives one: whoever asks has to wait for it. */
  decide(partition: string): unknown
  /** Forgets everything, timers too. */
  clear(keys: Iterable<string>): unknown
}

export type LimiterName = 'ours' | 'hono' | 'flexible' | 'map'

const QUOTA = 100
const PERIOD_SECONDS = 60
const MIB = 2 ** 20
/** The peers count on without refusing, so ours must not refuse either: a refusal writes nothing. */
const BURST = 10_000_000
const rate = makeRate(QUOTA, PERIOD_SECONDS, BURST)
const charges = [{ name: 'limit:100-per-60s:100/60000000us/10000000', rate, cost: 1 }]
type HonoOptions = Parameters<MemoryStore['init']>[0]

/**
 * `hono` is hono-rate-limiter's MemoryStore.increment, `flexible` RateLimiterMemory.consume of rate-limiter-flexible,
 * `map` the floor: one look-up and one counter. None of the three has a bound.
 *
 * @param keys the most that `ours` will be asked to hold
 */
export function limiters(keys: number): Record<LimiterName, () => Limiter> {
  return {
    ours() {
      const store = memoryStore({ maxEntries: 2 * keys, maxBytes: 128 * MIB })
      return { decide: (partition) => store.consume(partition, charges), clear: () => store.close() }
    },
    hono() {
      const store = new MemoryStore()
      store.init({ windowMs: PERIOD_SECONDS * 1000 } as HonoOptions)
      return { decide: (partition) => store.increment(partition), clear: () => store.shutdown() }
    },
    flexible() {
      // One that refuses rejects, which costs much more: none does here.
      const limiter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: PERIOD_SECONDS })
      return {
        decide: (partition) => limiter.consume(partition),
        async clear(keys) {
          for (const key of keys) await limiter.delete(key)
        },
      }
    },
    map() {
      const map = new Map<string, number>()
      return { decide: (partition) => map.set(partition, (map.get(partition) ?? 0) + 1), clear: () => map.clear() }
    },
  }
}
