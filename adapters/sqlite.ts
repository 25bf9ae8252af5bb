import { closeSync, openSync } from 'node:fs'
// biome-ignore lint/correctness/noUnresolvedImports: Biome 2.5 does not know this module of Node 22.
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type Clock, systemClock } from '../src/clock.ts'
import {
  checkExpiry,
  decodeName,
  decodeValue,
  encodeListedName,
  encodePart,
  encodeValue,
  type ImmediateStore,
  type Json,
  type Page,
  type Stored,
  type StoreKey,
  StoreOutage,
} from '../src/store/contract.ts'
import { type Charge, checkCharges, type Decision } from '../src/store/gcra.ts'
import { type SqlEngine, type SqlRecord, type SqlValue, SqlVerbs } from './sql.ts'

/** Where a {@link sqliteStore} lives, and its clock. */
export interface SqliteStoreOptions {
  /** Path of the database file on a local disk (write-ahead logs do not work over a network). Its folder must exist. */
  readonly path: string
  /** Decides expiry and refill; the host's own unless told. Every process on the file must use the same. */
  readonly clock?: Clock
}

const BUSY_TIMEOUT_MS = 50
/** Processes that start together wait for the one that makes the file. */
const OPEN_TIMEOUT_MS = 2_000

/**
 * State in a SQLite file, exact among all processes of one host that open it, on Node 22.13 and later, Bun and Deno.
 *
 * What was acknowledged survives a killed process. After a power cut the last moments may be missing, never half of a
 * write (`synchronous = normal`). The file is made with mode 0600, its `-wal` and `-shm` likewise; a file that exists
 * keeps its mode. Values lie in it in the clear.
 *
 * A verb waits at most 50 ms for another process's write, then throws {@link StoreOutage}, as it does for every error of
 * the engine. Opening waits up to 2 s.
 *
 * @throws {RangeError} when `path` is no plain path: `:memory:` is {@link memoryStore}'s business
 * @throws {StoreOutage} when the file cannot be opened, or is no database of this release
 */
export function sqliteStore({ path, clock = systemClock }: SqliteStoreOptions): ImmediateStore {
  if (path === '' || path.startsWith(':') || path.startsWith('file:')) {
    throw new RangeError('path must be the plain path of a file.')
  }
  return new Sqlite(path, clock)
}

class Sqlite implements ImmediateStore {
  readonly name = 'sqlite'
  readonly consistency = 'atomic'
  readonly deadlineMs = 0
  readonly #engine: FileEngine
  readonly #verbs: SqlVerbs

  constructor(path: string, clock: Clock) {
    this.#engine = new FileEngine(path, clock)
    try {
      this.#verbs = new SqlVerbs(this.#engine)
      this.#engine.rows(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`)
    } catch (error) {
      this.#engine.close()
      throw error
    }
  }

  get(key: StoreKey): Stored | null {
    return stored(this.#verbs.get(encodePart(key.partition), encodePart(key.name)))
  }

  set(key: StoreKey, value: Json, expiresAt: number | null): void {
    checkExpiry(expiresAt)
    this.#verbs.set(encodePart(key.partition), encodeListedName(key.name), encodeValue(value), expiresAt)
  }

  delete(key: StoreKey): void {
    this.#verbs.delete(encodePart(key.partition), encodePart(key.name))
  }

  list(partition: string, prefix: string, cursor: string | null): Page {
    const page = this.#verbs.list(encodePart(partition), encodeListedName(prefix), cursor)
    const entries = page.records.map((record) => ({ name: decodeName(record.name), ...stored(record) }))
    return { entries, cursor: page.cursor }
  }

  claim(key: StoreKey, expiresAt: number): boolean {
    checkExpiry(expiresAt)
    return this.#verbs.create(encodePart(key.partition), encodePart(key.name), 'true', expiresAt) !== null
  }

  take(key: StoreKey): Stored | null {
    return stored(this.#verbs.take(encodePart(key.partition), encodePart(key.name)))
  }

  swap(key: StoreKey, version: string | null, value: Json, expiresAt: number | null): string | null {
    checkExpiry(expiresAt)
    const partition = encodePart(key.partition)
    const name = encodeListedName(key.name)
    const json = encodeValue(value)
    return version === null
      ? this.#verbs.create(partition, name, json, expiresAt)
      : this.#verbs.replace(partition, name, version, json, expiresAt)
  }

  consume(partition: string, charges: readonly Charge[]): Decision {
    checkCharges(charges)
    const encoded = charges.map((charge) => ({ ...charge, name: encodePart(charge.name) }))
    return this.#verbs.consume(encodePart(partition), encoded)
  }

  close(): void {
    this.#engine.close()
  }
}

class FileEngine implements SqlEngine {
  readonly #clock: Clock
  readonly #statements = new Map<string, { readonly statement: StatementSync; readonly order: readonly number[] }>()
  #database: DatabaseSync | null

  constructor(path: string, clock: Clock) {
    this.#clock = clock
    this.#database = answered(() => {
      closeSync(openSync(path, 'a', 0o600)) // SQLite gives -wal and -shm the mode of the file it finds.
      return new DatabaseSync(path)
    })
    try {
      this.rows(`pragma busy_timeout = ${OPEN_TIMEOUT_MS}`)
      this.rows('pragma journal_mode = wal')
      this.rows('pragma synchronous = normal')
    } catch (error) {
      this.close()
      throw error
    }
  }

  rows(sql: string, ...params: readonly SqlValue[]): readonly Record<string, unknown>[] {
    return answered(() => {
      const database = this.#open()
      let prepared = this.#statements.get(sql)
      if (prepared === undefined) {
        // Node before 22.20 and 24.8 takes no positional values for numbered places: give each place its own.
        const order = [...sql.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number) - 1)
        prepared = { statement: database.prepare(sql.replace(/\?\d+/g, '?')), order }
        this.#statements.set(sql, prepared)
      }
      return prepared.statement.all(...prepared.order.map((place) => params[place]!)) as Record<string, unknown>[]
    })
  }

  transaction<T>(body: () => T): T {
    this.rows('begin immediate')
    try {
      const result = body()
      this.rows('commit')
      return result
    } catch (error) {
      this.#rollback()
      throw error
    }
  }

  now(): number {
    return this.#clock.now()
  }

  close(): void {
    const database = this.#database
    this.#database = null
    this.#statements.clear()
    if (database !== null) answered(() => database.close())
  }

  #open(): DatabaseSync {
    if (this.#database === null) throw new Error('The store is closed.')
    return this.#database
  }

  /** SQLite may have rolled back by itself; that it has nothing to undo is no news. */
  #rollback(): void {
    try {
      this.rows('rollback')
    } catch {}
  }
}

/** Turns every error of the engine into an outage; what it says stays in the cause. */
function answered<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw new StoreOutage('SQLite could not answer.', { cause: error })
  }
}

function stored(record: SqlRecord): Stored
function stored(record: SqlRecord | null): Stored | null
function stored(record: SqlRecord | null): Stored | null {
  if (record === null) return null
  return { value: decodeValue(record.json), version: record.version, expiresAt: record.expiresAt }
}
