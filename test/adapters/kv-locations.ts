import type { Clock } from '../../src/clock.ts'

/** How long a location trusts what it read, ms: KV's `cacheTtl` unless told. */
const CACHED_MS = 60_000
/** KV takes one write to a key in this time, ms. */
const WRITE_INTERVAL_MS = 1_000

/**
 * Two locations over one real KV namespace, with what KV does between locations and miniflare, being one, does not: a
 * location remembers what it read for 60 s, absences too; it sees its own writes at once, and those of others only when
 * it forgets; and a second write to one key within a second is refused in KV's own words. `list` is passed through.
 *
 * Developers.cloudflare.com, "How KV works" (consistency) and "Limits" (writes to the same key).
 */
export function kvLocations(namespace: KVNamespace, clock: Clock): { here: KVNamespace; elsewhere: KVNamespace } {
  const writtenAt = new Map<string, number>()
  const write = (verb: 'PUT' | 'DELETE', key: string): void => {
    if (clock.now() - (writtenAt.get(key) ?? Number.NEGATIVE_INFINITY) < WRITE_INTERVAL_MS) {
      throw new Error(`KV ${verb} failed: 429 Too Many Requests`)
    }
    writtenAt.set(key, clock.now())
  }
  return { here: location(namespace, clock, write), elsewhere: location(namespace, clock, write) }
}

function location(
  namespace: KVNamespace,
  clock: Clock,
  write: (verb: 'PUT' | 'DELETE', key: string) => void,
): KVNamespace {
  const cache = new Map<string, { readonly text: string | null; readonly until: number }>()
  const remember = (key: string, text: string | null): void => {
    cache.set(key, { text, until: clock.now() + CACHED_MS })
  }
  const read = async (key: string): Promise<string | null> => {
    const cached = cache.get(key)
    if (cached === undefined || clock.now() >= cached.until) remember(key, await namespace.get(key))
    return cache.get(key)!.text
  }
  const own = {
    async get(key: string | readonly string[]) {
      if (typeof key === 'string') return read(key)
      return new Map(await Promise.all(key.map(async (one) => [one, await read(one)] as const)))
    },
    async put(key: string, text: string, options: KVNamespacePutOptions) {
      write('PUT', key)
      await namespace.put(key, text, options)
      remember(key, text)
    },
    async delete(key: string) {
      write('DELETE', key)
      await namespace.delete(key)
      remember(key, null)
    },
    list: (options: KVNamespaceListOptions) => namespace.list(options),
  }
  return own as unknown as KVNamespace
}
