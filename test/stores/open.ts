import type { DenoKv } from '../../adapters/deno/kv-engine.ts'
import type { AtomicStore } from '../../src/store/contract.ts'
import { connect } from '../redis/clients.ts'

const DEADLINE_MS = 30_000

/**
 * Opens the store that a text names, `kind:where`, so that child programs can be told which: the one place where another
 * kind is added. Each adapter is loaded only when it is asked for, as some run on one runtime alone.
 *
 * - `sqlite:<path>`: the file at that path, by the host's clock
 * - `redis:<library>:<port>`: the server on that port, by its own clock
 * - `deno-kv:<path>`: the file at that path, on Deno alone, by the host's clock
 *
 * Stores that come with a deadline get a long one: a race is no outage.
 *
 * @throws {RangeError} for a kind that is not listed here
 */
export async function openStore(spec: string): Promise<AtomicStore> {
  const [kind, where] = [spec.slice(0, spec.indexOf(':')), spec.slice(spec.indexOf(':') + 1)]
  switch (kind) {
    case 'sqlite':
      return (await import('../../adapters/sqlite.ts')).sqliteStore({ path: where })
    case 'redis': {
      const [library, port] = where.split(':') as [Parameters<typeof connect>[0], string]
      const { send } = await connect(library, Number(port))
      return (await import('../../adapters/redis/index.ts')).redisStore({ send, deadlineMs: DEADLINE_MS })
    }
    case 'deno-kv': {
      const { Deno } = globalThis as unknown as { Deno: { openKv(path: string): Promise<DenoKv> } }
      const { denoKvStore } = await import('../../adapters/deno/kv.ts')
      return denoKvStore(await Deno.openKv(where), { deadlineMs: DEADLINE_MS })
    }
    default:
      throw new RangeError(`No store is called '${kind}'.`)
  }
}
