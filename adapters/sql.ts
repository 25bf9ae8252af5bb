import { PAGE_SIZE, StoreOutage, SWEEP_DELAY_MS } from '../src/store/contract.ts'
import { type Bucket, type Charge, type Decision, decide } from '../src/store/gcra.ts'

/** What SQLite takes as a parameter and gives in a column, as far as this file needs it. */
export type SqlValue = string | number | null

/** A synchronous SQLite. Its failures are thrown as StoreOutage. */
export interface SqlEngine {
  /** Runs one statement and gives its rows. */
  rows(sql: string, ...params: readonly SqlValue[]): readonly Record<string, unknown>[]
  /** Runs `body` with nobody else writing: all of it lasts, or nothing when it throws. */
  transaction<T>(body: () => T): T
  /** The deciding clock, ms since the epoch. */
  now(): number
}

/** A live record as SQLite keeps it: encoded name, JSON text, `expiresAt` in ms since the epoch or null. */
export interface SqlRecord {
  readonly name: string
  readonly json: string
  readonly version: string
  readonly expiresAt: number | null
}

/** One page of {@link SqlVerbs.list}; `cursor` is the last encoded name, null on the last page. */
export interface SqlPage {
  readonly records: readonly SqlRecord[]
  readonly cursor: string | null
}

/** What a sweep left: rows that will end, only such as never do, or none at all. */
export type Remainder = 'ending' | 'lasting' | 'nothing'

const SCHEMA_VERSION = 1
const SCHEMA = [
  'create table if not exists hinoban_meta (key text primary key, value integer not null) without rowid',
  `create table if not exists hinoban_record (
    partition text not null, name text not null, json text not null, version text not null, expires_at integer,
    primary key (partition, name)
  ) without rowid`,
  `create table if not exists hinoban_bucket (
    partition text not null, name text not null, tat_us integer not null, rest integer not null,
    primary key (partition, name)
  ) without rowid`,
  `insert or ignore into hinoban_meta values ('schema', ${SCHEMA_VERSION})`,
] as const

/** 96 random bits: a version never comes back, not even after a delete or from a backup. */
const NEW_VERSION = 'lower(hex(randomblob(12)))'
const RECORD = 'name, json, version, expires_at as expiresAt'
const LIVE = '(expires_at is null or expires_at > ?3)'
const WRITES_PER_SWEEP = 64
const ROWS_PER_SWEEP = 256

/**
 * The verbs of a store over SQLite, written once for the file store and the Durable Object. Partitions and names come
 * encoded, values as JSON text, all checked by the caller.
 *
 * Rows that ended {@link SWEEP_DELAY_MS} ago are dropped a few at a time, one look at four rows for each write.
 */
export class SqlVerbs {
  readonly #engine: SqlEngine
  readonly #sweeps: readonly [Sweep, Sweep]
  #writes = 0

  /** Makes the tables. @throws {StoreOutage} when another release made them in another shape. */
  constructor(engine: SqlEngine) {
    this.#engine = engine
    this.#sweeps = [
      new Sweep(engine, 'hinoban_record', 'expires_at'),
      new Sweep(engine, 'hinoban_bucket', 'tat_us / 1000'),
    ]
    engine.transaction(() => {
      for (const sql of SCHEMA) engine.rows(sql)
    })
    const [schema] = engine.rows("select value from hinoban_meta where key = 'schema'")
    if (schema?.value !== SCHEMA_VERSION) {
      throw new StoreOutage(`The database has schema ${schema?.value}; this release reads ${SCHEMA_VERSION}.`)
    }
  }

  /** The live record, null when there is none. */
  get(partition: string, name: string): SqlRecord | null {
    return this.#one(
      `select ${RECORD} from hinoban_record where partition = ?1 and name = ?2 and ${LIVE}`,
      partition,
      name,
    )
  }

  /** Writes a record over whatever stands. */
  set(partition: string, name: string, json: string, expiresAt: number | null): void {
    this.#engine.rows(
      `insert or replace into hinoban_record values (?1, ?2, ?3, ${NEW_VERSION}, ?4)`,
      partition,
      name,
      json,
      expiresAt,
    )
    this.#wrote()
  }

  /** Removes a record, if there is one. */
  delete(partition: string, name: string): void {
    this.#engine.rows('delete from hinoban_record where partition = ?1 and name = ?2', partition, name)
  }

  /** A page of live records whose encoded names begin with `prefix`; hashed names are left out. */
  list(partition: string, prefix: string, cursor: string | null): SqlPage {
    const found = this.#engine.rows(
      `select ${RECORD} from hinoban_record where partition = ?1 and name >= ?2 and name < ?4 and (?5 is null or name > ?5) and ${LIVE}
        and instr(name, '%~') = 0 order by name limit ${PAGE_SIZE + 1}`,
      partition,
      prefix,
      this.#engine.now(),
      `${prefix}\u007f`, // Above every character of an encoded name.
      cursor,
    ) as unknown as SqlRecord[]
    const records = found.slice(0, PAGE_SIZE).map(plain)
    return { records, cursor: found.length > PAGE_SIZE ? records.at(-1)!.name : null }
  }

  /** Writes a record where nothing live stands: its version, or null. */
  create(partition: string, name: string, json: string, expiresAt: number | null): string | null {
    const [made] = this.#engine.rows(
      `insert into hinoban_record values (?1, ?2, ?4, ${NEW_VERSION}, ?5)
        on conflict do update set json = excluded.json, version = excluded.version, expires_at = excluded.expires_at
        where hinoban_record.expires_at <= ?3
        returning version`,
      partition,
      name,
      this.#engine.now(),
      json,
      expiresAt,
    )
    this.#wrote()
    return made === undefined ? null : (made.version as string)
  }

  /** Writes a record over a live one of that version: the new version, or null. */
  replace(partition: string, name: string, version: string, json: string, expiresAt: number | null): string | null {
    const [made] = this.#engine.rows(
      `update hinoban_record set json = ?5, version = ${NEW_VERSION}, expires_at = ?6
        where partition = ?1 and name = ?2 and version = ?4 and ${LIVE} returning version`,
      partition,
      name,
      this.#engine.now(),
      version,
      json,
      expiresAt,
    )
    this.#wrote()
    return made === undefined ? null : (made.version as string)
  }

  /** Deletes and gives the live record, null when there is none. */
  take(partition: string, name: string): SqlRecord | null {
    return this.#one(
      `delete from hinoban_record where partition = ?1 and name = ?2 and ${LIVE} returning ${RECORD}`,
      partition,
      name,
    )
  }

  /** Charges buckets of one partition, all or nothing. */
  consume(partition: string, charges: readonly Charge[]): Decision {
    const decided = this.#engine.transaction(() => {
      const { decision, buckets } = decide(charges, this.#engine.now(), (name) => this.#bucket(partition, name))
      for (const [i, bucket] of buckets.entries()) {
        if (bucket === null) continue
        const { tatUs, rest } = bucket
        this.#engine.rows(
          'insert or replace into hinoban_bucket values (?1, ?2, ?3, ?4)',
          partition,
          charges[i]!.name,
          tatUs,
          rest,
        )
      }
      return decision
    })
    this.#wrote()
    return decided
  }

  /** Drops everything that ended {@link SWEEP_DELAY_MS} ago or earlier, and tells what is left. */
  sweep(): Remainder {
    const before = this.#engine.now() - SWEEP_DELAY_MS
    this.#engine.rows('delete from hinoban_record where expires_at <= ?1', before)
    this.#engine.rows('delete from hinoban_bucket where tat_us <= ?1', before * 1000)
    const [left] = this.#engine.rows(
      `select exists (select 1 from hinoban_bucket) or exists (select 1 from hinoban_record where expires_at is not null)
        as ending, exists (select 1 from hinoban_record) as lasting`,
    )
    if (left?.ending === 1) return 'ending'
    return left?.lasting === 1 ? 'lasting' : 'nothing'
  }

  #one(sql: string, partition: string, name: string): SqlRecord | null {
    const [found] = this.#engine.rows(sql, partition, name, this.#engine.now()) as unknown as SqlRecord[]
    return found === undefined ? null : plain(found)
  }

  #bucket(partition: string, name: string): Bucket | null {
    const [found] = this.#engine.rows(
      'select tat_us as tatUs, rest from hinoban_bucket where partition = ?1 and name = ?2',
      partition,
      name,
    )
    return found === undefined ? null : { tatUs: found.tatUs as number, rest: found.rest as number }
  }

  #wrote(): void {
    if (++this.#writes % WRITES_PER_SWEEP !== 0) return
    const before = this.#engine.now() - SWEEP_DELAY_MS
    try {
      for (const sweep of this.#sweeps) sweep.next(before)
    } catch {
      // The write itself is made and must be acknowledged; the next sweep looks at the same rows.
    }
  }
}

/** Walks one table round and round in the order of its key, some rows at a time. */
class Sweep {
  readonly #engine: SqlEngine
  readonly #findEnd: string
  readonly #drop: string
  #from: readonly [string, string] = ['', '']

  constructor(engine: SqlEngine, table: string, endedAt: string) {
    const after = '(partition, name) > (?1, ?2)'
    this.#engine = engine
    this.#findEnd = `select partition, name from ${table} where ${after} order by partition, name limit 1 offset ${ROWS_PER_SWEEP}`
    this.#drop = `delete from ${table} where ${after} and (?3 is null or (partition, name) <= (?3, ?4)) and ${endedAt} <= ?5`
  }

  /** Drops what ended at `before` or earlier among the next rows. */
  next(before: number): void {
    const [end] = this.#engine.rows(this.#findEnd, ...this.#from) as unknown as { partition: string; name: string }[]
    this.#engine.rows(this.#drop, ...this.#from, end?.partition ?? null, end?.name ?? null, before)
    this.#from = end === undefined ? ['', ''] : [end.partition, end.name]
  }
}

/** Engines differ in the prototype of a row. */
function plain({ name, json, version, expiresAt }: SqlRecord): SqlRecord {
  return { name, json, version, expiresAt }
}
