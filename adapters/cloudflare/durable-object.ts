// biome-ignore lint/correctness/noUnresolvedImports: a module of the Workers runtime.
import { DurableObject } from 'cloudflare:workers'
import {
  type AtomicStore,
  checkExpiry,
  decodeName,
  decodeValue,
  encodeListedName,
  encodePart,
  encodeValue,
  type Json,
  type Page,
  type Stored,
  type StoreKey,
  StoreOutage,
  SWEEP_DELAY_MS,
} from '../../src/store/contract.ts'
import { withDeadline } from '../../src/store/deadline.ts'
import { type Charge, checkCharges, type Decision } from '../../src/store/gcra.ts'
import { type SqlEngine, type SqlPage, type SqlRecord, type SqlValue, SqlVerbs } from '../sql.ts'

/**
 * The Durable Object behind {@link durableObjectStore}: one for each partition, in its own SQLite. Export it from the
 * Worker's entry and name it under `new_sqlite_classes` in a migration.
 *
 * Its clock is the object's, so that all callers agree. An alarm drops what ended an hour ago; when nothing is left the
 * object deletes its storage and costs nothing. Its methods take what `durableObjectStore` has checked and encoded.
 */
export class HinobanObject extends DurableObject<unknown> {
  #verbs: SqlVerbs | null = null
  #armed = false

  /** As `SqlVerbs.get`. */
  get(partition: string, name: string): SqlRecord | null {
    return this.#existing()?.get(partition, name) ?? null
  }

  /** As `SqlVerbs.set`. */
  async set(partition: string, name: string, json: string, expiresAt: number | null): Promise<void> {
    this.#open().set(partition, name, json, expiresAt)
    if (expiresAt !== null) await this.#arm()
  }

  /** As `SqlVerbs.delete`. */
  delete(partition: string, name: string): void {
    this.#existing()?.delete(partition, name)
  }

  /** As `SqlVerbs.list`. */
  list(partition: string, prefix: string, cursor: string | null): SqlPage {
    return this.#existing()?.list(partition, prefix, cursor) ?? { records: [], cursor: null }
  }

  /** As `SqlVerbs.take`. */
  take(partition: string, name: string): SqlRecord | null {
    return this.#existing()?.take(partition, name) ?? null
  }

  /** `SqlVerbs.create` when `version` is null, else `SqlVerbs.replace`. */
  async swap(
    partition: string,
    name: string,
    version: string | null,
    json: string,
    expiresAt: number | null,
  ): Promise<string | null> {
    const verbs = this.#open()
    const made =
      version === null
        ? verbs.create(partition, name, json, expiresAt)
        : verbs.replace(partition, name, version, json, expiresAt)
    if (made !== null && expiresAt !== null) await this.#arm()
    return made
  }

  /** As `SqlVerbs.consume`. */
  async consume(partition: string, charges: readonly Charge[]): Promise<Decision> {
    const decision = this.#open().consume(partition, charges)
    await this.#arm()
    return decision
  }

  /** Sweeps, and comes again as long as something is left that will end. */
  override async alarm(): Promise<void> {
    const left = this.#open().sweep()
    this.#armed = false
    if (left === 'ending') return this.#arm()
    if (left === 'lasting') return
    this.#verbs = null
    await this.ctx.storage.deleteAll()
  }

  /** The deciding clock, ms since the epoch. Tests override it. */
  protected now(): number {
    return Date.now()
  }

  /** Null while nothing was ever written: asking about names at random must not fill objects with tables. */
  #existing(): SqlVerbs | null {
    if (this.#verbs !== null) return this.#verbs
    const tables = this.ctx.storage.sql.exec("select 1 from sqlite_master where name = 'hinoban_meta'").toArray()
    return tables.length === 0 ? null : this.#open()
  }

  #open(): SqlVerbs {
    this.#verbs ??= new SqlVerbs(this.#engine())
    return this.#verbs
  }

  #engine(): SqlEngine {
    const { storage } = this.ctx
    return {
      rows: (sql: string, ...params: readonly SqlValue[]) => storage.sql.exec(sql, ...params).toArray(),
      transaction: (body) => storage.transactionSync(body),
      now: () => this.now(),
    }
  }

  async #arm(): Promise<void> {
    if (this.#armed) return
    const { storage } = this.ctx
    if ((await storage.getAlarm()) === null) await storage.setAlarm(Date.now() + SWEEP_DELAY_MS)
    this.#armed = true
  }
}

/** Settings of a {@link durableObjectStore}. */
export interface DurableObjectStoreOptions {
  /** Longest that a call may take, ms, 1 to 60,000; then it is a StoreOutage. 250 unless told: far regions may need more. */
  readonly deadlineMs?: number
}

/**
 * State in Durable Objects, exact among all Workers everywhere: one object for each partition, which is the unit of scale
 * (an object answers about a thousand calls a second). Every verb is one call to the object.
 *
 * A wrong argument is a TypeError or RangeError before any call. Everything else that fails is a {@link StoreOutage}, and so
 * is what takes longer than its deadline, which the object may carry out all the same.
 * Stubs are made for each call, as one made in a request breaks with it. `close()` ends this store, not the objects.
 */
export function durableObjectStore(
  namespace: DurableObjectNamespace<HinobanObject>,
  { deadlineMs = 250 }: DurableObjectStoreOptions = {},
): AtomicStore {
  return withDeadline(new ObjectStore(namespace), { deadlineMs })
}

class ObjectStore implements AtomicStore {
  readonly name = 'durable-object'
  readonly consistency = 'atomic'
  readonly #namespace: DurableObjectNamespace<HinobanObject>
  #closed = false

  constructor(namespace: DurableObjectNamespace<HinobanObject>) {
    this.#namespace = namespace
  }

  async get(key: StoreKey): Promise<Stored | null> {
    const name = encodePart(key.name)
    return this.#call(key.partition, async (object, partition) => stored(await object.get(partition, name)))
  }

  async set(key: StoreKey, value: Json, expiresAt: number | null): Promise<void> {
    checkExpiry(expiresAt)
    const name = encodeListedName(key.name)
    const json = encodeValue(value)
    await this.#call(key.partition, (object, partition) => object.set(partition, name, json, expiresAt))
  }

  async delete(key: StoreKey): Promise<void> {
    const name = encodePart(key.name)
    await this.#call(key.partition, (object, partition) => object.delete(partition, name))
  }

  async list(partition: string, prefix: string, cursor: string | null): Promise<Page> {
    const begin = encodeListedName(prefix)
    return this.#call(partition, async (object, encoded) => {
      const page = await object.list(encoded, begin, cursor)
      const entries = page.records.map((record) => ({ name: decodeName(record.name), ...storedOf(record) }))
      return { entries, cursor: page.cursor }
    })
  }

  async claim(key: StoreKey, expiresAt: number): Promise<boolean> {
    checkExpiry(expiresAt)
    const name = encodePart(key.name)
    const made = await this.#call(key.partition, async (object, partition) =>
      object.swap(partition, name, null, 'true', expiresAt),
    )
    return made !== null
  }

  async take(key: StoreKey): Promise<Stored | null> {
    const name = encodePart(key.name)
    return this.#call(key.partition, async (object, partition) => stored(await object.take(partition, name)))
  }

  async swap(key: StoreKey, version: string | null, value: Json, expiresAt: number | null): Promise<string | null> {
    checkExpiry(expiresAt)
    const name = encodeListedName(key.name)
    const json = encodeValue(value)
    return this.#call(key.partition, async (object, partition) =>
      object.swap(partition, name, version, json, expiresAt),
    )
  }

  async consume(partition: string, charges: readonly Charge[]): Promise<Decision> {
    checkCharges(charges)
    const sent = charges.map(({ name, rate, cost }) => ({ name: encodePart(name), rate, cost }))
    return this.#call(partition, async (object, encoded) => {
      const { admitted, states } = await object.consume(encoded, sent)
      return { admitted: admitted === true, states }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  async #call<T>(
    partition: string,
    body: (object: DurableObjectStub<HinobanObject>, partition: string) => Promise<T>,
  ): Promise<T> {
    const encoded = encodePart(partition)
    if (this.#closed) throw new StoreOutage('The Durable Object store is closed.')
    try {
      return await body(this.#namespace.get(this.#namespace.idFromName(encoded)), encoded)
    } catch (error) {
      throw new StoreOutage('The Durable Object could not answer.', { cause: error })
    }
  }
}

function stored(record: SqlRecord | null): Stored | null {
  return record === null ? null : storedOf(record)
}

function storedOf({ json, version, expiresAt }: SqlRecord): Stored {
  return { value: decodeValue(json), version, expiresAt }
}
