import type { AtomicStore } from '../../src/store/contract.ts'

/**
 * Opens the store that a text names, `kind:where`, so that child programs can be told which: the one place where another
 * kind is added. Each adapter is loaded only when it is asked for, as some run on one runtime alone.
 *
 * - `sqlite:<path>`: the file at that path, by the host's clock
 *
 * @throws {RangeError} for a kind that is not listed here
 */
export async function openStore(spec: string): Promise<AtomicStore> {
  const [kind, where] = [spec.slice(0, spec.indexOf(':')), spec.slice(spec.indexOf(':') + 1)]
  switch (kind) {
    case 'sqlite':
      return (await import('../../adapters/sqlite.ts')).sqliteStore({ path: where })
    default:
      throw new RangeError(`No store is called '${kind}'.`)
  }
}
