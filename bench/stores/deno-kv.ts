import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DenoKv, denoKvStore } from 'hinoban/deno'
import { type Effort, inRounds, pending } from '../rounds.ts'
import type { Group } from './group.ts'
import { ADDRESSES, addressOf, consumes, fill, JSON_VALUE, records } from './work.ts'

interface RawAtomic {
  set(key: readonly string[], value: unknown): unknown
  commit(): Promise<unknown>
}

interface RawKv extends Omit<DenoKv, 'atomic'> {
  atomic(): RawAtomic & ReturnType<DenoKv['atomic']>
  get(key: readonly string[]): Promise<{ readonly value: unknown }>
  set(key: readonly string[], value: unknown): Promise<unknown>
}

/** The Deno KV store against single calls of Deno KV on a file of its own. */
export async function denoKvGroups(effort: Effort): Promise<readonly Group[]> {
  const { Deno } = globalThis as unknown as { Deno: { openKv(path: string): Promise<RawKv> } }
  const folder = mkdtempSync(join(tmpdir(), 'hinoban-bench-'))
  const store = denoKvStore(await Deno.openKv(join(folder, 'store.kv')))
  const raw = await Deno.openKv(join(folder, 'raw.kv'))
  try {
    for (let i = 0; i < ADDRESSES.length; i += 64) {
      const filling = raw.atomic()
      for (const address of ADDRESSES.slice(i, i + 64)) filling.set(['text', address], JSON_VALUE)
      await filling.commit()
    }
    await fill(store)
    const measures = pending([
      { name: 'kv.set', call: (i) => raw.set(['text', addressOf(i)], JSON_VALUE) },
      consumes(store, 'consume', 'kv.set'),
      {
        name: 'kv.get',
        call: (i) => raw.get(['text', addressOf(i)]),
        ok: (entry) => (entry as { value: unknown }).value !== null,
      },
      ...records(store, { get: 'kv.get', set: 'kv.set' }),
    ])
    return [{ engine: 'Deno KV', rows: await inRounds(measures, effort) }]
  } finally {
    await store.close()
    raw.close()
    rmSync(folder, { recursive: true })
  }
}
