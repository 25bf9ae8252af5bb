import { utf8 } from '../../src/bytes.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import {
  type AtomicStore,
  checkExpiry,
  decodeName,
  encodeListedName,
  encodePart,
  encodeValue,
  isHashed,
  type Json,
  type Listed,
  PAGE_SIZE,
  type Page,
  type Stored,
  type StoreKey,
} from '../../src/store/contract.ts'
import { withDeadline } from '../../src/store/deadline.ts'
import { type Charge, checkCharges, type Decision } from '../../src/store/gcra.ts'
import { KvBuckets } from './kv-buckets.ts'
import { type DenoKv, type DenoKvEntry, type DenoKvKey, jsonOf, KvEngine, MAX_CHECKS } from './kv-engine.ts'

/** Settings of a {@link denoKvStore}. */
export interface DenoKvStoreOptions {
  /** Decides expiry and refill; the runtime's own unless told. Every process on the file must use the same. */
  readonly clock?: Clock
  /** Longest that a call may take, ms, 1 to 60,000; then it is a StoreOutage. 250 unless told. */
  readonly deadlineMs?: number
}

/**
 * State in Deno KV: `denoKvStore(await Deno.openKv(path))`, exact among all processes of one host that open the file.
 * `close()` closes the database too; Deno then stops the whole process until a lock that it waits for is gone.
 *
 * Deno KV is unstable: a program must be started with `--unstable-kv`, and its format and errors may change with any release
 * of Deno. All this was seen on a local file of Deno 2.9 alone, not on Deno Deploy nor on a remote database. The deciding
 * clock is that of each process, which agree on one host and nowhere else. What was acknowledged survives a killed process.
 *
 * Connections to one file often meet, and SQLite then sends one of them back: the verb decides again from what stands then.
 * It throws {@link StoreOutage} for every error of the engine, when its deadline is over, and for a moment after 5 outages in a
 * row; a write that ended in an outage may have been made, or be made for another 2 s. Calls of `consume` that meet inside
 * this process share a commit; 16,384 may wait, the next throws StoreOutage. One call makes at most 100 charges, more is a
 * RangeError.
 *
 * A record is `{ value, expiresAt }` as JSON in UTF-8 under `['hinoban', 'record', partition, name]`, both encoded, in the
 * clear; a bucket lies under `['hinoban', 'bucket', …]`. Deno makes the file with the mode that the umask leaves, often
 * readable by all: keep it in a folder that is not. Expiry is decided by the instant inside; Deno KV's own `expireIn`
 * only collects the garbage, an hour late. A page of `list` may hold fewer than 100 records though more follow: go on
 * until the cursor is null.
 */
export function denoKvStore(kv: DenoKv, options: DenoKvStoreOptions = {}): AtomicStore {
  const { clock = systemClock, deadlineMs = 250 } = options
  return withDeadline(new DenoKvStore(kv, clock), { deadlineMs })
}

class DenoKvStore implements AtomicStore {
  readonly name = 'deno-kv'
  readonly consistency = 'atomic'
  readonly #engine: KvEngine
  readonly #buckets: KvBuckets

  constructor(kv: DenoKv, clock: Clock) {
    this.#engine = new KvEngine(kv, clock)
    this.#buckets = new KvBuckets(this.#engine)
  }

  async get(key: StoreKey): Promise<Stored | null> {
    return (await this.#read(recordKey(key.partition, encodePart(key.name)))).live
  }

  async set(key: StoreKey, value: Json, expiresAt: number | null): Promise<void> {
    checkExpiry(expiresAt)
    const path = recordKey(key.partition, encodeListedName(key.name))
    const bytes = recordBytes(encodeValue(value), expiresAt)
    await this.#engine.overwrite((operation) => operation.set(path, bytes, this.#engine.garbageAfter(expiresAt)))
  }

  async delete(key: StoreKey): Promise<void> {
    const path = recordKey(key.partition, encodePart(key.name))
    await this.#engine.overwrite((operation) => operation.delete(path))
  }

  async list(partition: string, prefix: string, cursor: string | null): Promise<Page> {
    const begin = encodeListedName(prefix)
    const from = cursor === null || cursor < begin ? begin : `${cursor}\0`
    const end = `${begin}\u007f` // Above every character of an encoded name.
    if (from >= end) return { entries: [], cursor: null }
    const start = recordKey(partition, from)
    const found = await this.#engine.list(start, recordKey(partition, end), PAGE_SIZE + 1)
    const page = found.slice(0, PAGE_SIZE)
    const now = this.#engine.now()
    const entries: Listed[] = []
    for (const entry of page) {
      const name = nameOf(entry)
      const record = isHashed(name) ? null : liveOf(entry, now)
      if (record !== null) entries.push({ name: decodeName(name), ...record })
    }
    return { entries, cursor: found.length > PAGE_SIZE ? nameOf(page.at(-1)!) : null }
  }

  async claim(key: StoreKey, expiresAt: number): Promise<boolean> {
    checkExpiry(expiresAt)
    const path = recordKey(key.partition, encodePart(key.name))
    return (await this.#swap(path, null, 'true', expiresAt)) !== null
  }

  async take(key: StoreKey): Promise<Stored | null> {
    const path = recordKey(key.partition, encodePart(key.name))
    return this.#engine.attempt(async () => {
      const { entry, live } = await this.#read(path)
      if (live === null) return { answer: null }
      const version = await this.#engine.commit((operation) => {
        operation.check({ key: path, versionstamp: entry.versionstamp })
        operation.delete(path)
      })
      return version === null ? null : { answer: live }
    })
  }

  async swap(key: StoreKey, version: string | null, value: Json, expiresAt: number | null): Promise<string | null> {
    checkExpiry(expiresAt)
    const path = recordKey(key.partition, encodeListedName(key.name))
    return this.#swap(path, version, encodeValue(value), expiresAt)
  }

  async consume(partition: string, charges: readonly Charge[]): Promise<Decision> {
    checkCharges(charges)
    if (charges.length > MAX_CHECKS) throw new RangeError(`consume() takes at most ${MAX_CHECKS} charges on Deno KV.`)
    const encoded = charges.map(({ name, rate, cost }) => ({ name: encodePart(name), rate, cost }))
    return this.#buckets.consume(encodePart(partition), encoded)
  }

  async close(): Promise<void> {
    await this.#engine.close()
  }

  /** Writes where the live record has that version (null: where none is live): the new version, or null. */
  async #swap(path: DenoKvKey, version: string | null, json: string, expiresAt: number | null): Promise<string | null> {
    const bytes = recordBytes(json, expiresAt)
    return this.#engine.attempt(async () => {
      const { entry, live } = await this.#read(path)
      if ((live?.version ?? null) !== version) return { answer: null }
      const written = await this.#engine.commit((operation) => {
        operation.check({ key: path, versionstamp: entry.versionstamp })
        operation.set(path, bytes, this.#engine.garbageAfter(expiresAt))
      })
      return written === null ? null : { answer: written }
    })
  }

  async #read(path: DenoKvKey): Promise<{ readonly entry: DenoKvEntry; readonly live: Stored | null }> {
    const [entry] = await this.#engine.read([path])
    return { entry: entry!, live: liveOf(entry!, this.#engine.now()) }
  }
}

function recordBytes(json: string, expiresAt: number | null): Uint8Array {
  return utf8(`{"value":${json},"expiresAt":${expiresAt}}`)
}

function liveOf(entry: DenoKvEntry, now: number): Stored | null {
  if (entry.versionstamp === null) return null
  const { value, expiresAt } = jsonOf(entry) as unknown as { value: Json; expiresAt: number | null }
  return expiresAt === null || now < expiresAt ? { value, version: entry.versionstamp, expiresAt } : null
}

function nameOf(entry: DenoKvEntry): string {
  return entry.key.at(-1) as string
}

function recordKey(partition: string, encodedName: string): DenoKvKey {
  return ['hinoban', 'record', encodePart(partition), encodedName]
}
