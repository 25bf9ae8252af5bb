import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Effort, immediate, inRounds } from '../rounds.ts'
import type { Group } from './group.ts'
import { ADDRESSES, addressOf, consumes, fill, JSON_VALUE, records } from './work.ts'

/** The SQLite store against single statements on a file of the same kind, with the same pragmas. */
export async function sqliteGroups(effort: Effort, runtime: string): Promise<readonly Group[]> {
  const { sqliteStore } = (await import(`hinoban/${runtime}`)) as typeof import('hinoban/node')
  const folder = mkdtempSync(join(tmpdir(), 'hinoban-bench-'))
  const store = sqliteStore({ path: join(folder, 'store.sqlite') })
  const raw = new DatabaseSync(join(folder, 'raw.sqlite'))
  try {
    raw.exec('pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 50')
    raw.exec('create table counts (address text primary key, value integer not null) without rowid')
    raw.exec('create table texts (address text primary key, value text not null) without rowid')
    const upsert = raw.prepare('insert into counts values (?, 1) on conflict do update set value = value + 1')
    const put = raw.prepare('insert or replace into texts values (?, ?)')
    const read = raw.prepare('select value from texts where address = ?')
    for (const address of ADDRESSES) put.run(address, JSON_VALUE)
    await fill(store)
    const measures = immediate([
      { name: 'one upsert', call: (i) => upsert.run(addressOf(i)) },
      consumes(store, 'consume', 'one upsert'),
      { name: 'one replace', call: (i) => put.run(addressOf(i), JSON_VALUE) },
      { name: 'one select', call: (i) => read.all(addressOf(i)), ok: (rows) => (rows as unknown[]).length === 1 },
      ...records(store, { get: 'one select', set: 'one replace' }),
    ])
    return [{ engine: 'SQLite', rows: await inRounds(measures, effort) }]
  } finally {
    store.close()
    raw.close()
    rmSync(folder, { recursive: true })
  }
}
