import { type Clock, systemClock } from '../clock.ts'
import { BUCKET_BYTES, BucketTable } from './bucket-table.ts'
import {
  checkExpiry,
  encodeListedName,
  encodePart,
  encodeValue,
  type ImmediateStore,
  type Json,
  type Page,
  type Stored,
  type StoreKey,
  StoreOutage,
  SWEEP_DELAY_MS,
} from './contract.ts'
import { type Bucket, type BucketState, type Charge, type Decision, decide, UNCHARGED_US, weigh } from './gcra.ts'
import { RecordTable, recordBytes } from './record-table.ts'

/** How much a {@link memoryStore} may hold, and its clock. */
export interface MemoryStoreOptions {
  /** Decides expiry and refill; the runtime's own unless told. */
  readonly clock?: Clock
  /** Most records and buckets together, 4 to 16,000,000; 1,000,000 unless told. */
  readonly maxEntries?: number
  /** Most bytes by the store's own estimate, at least 4,096; 64 MiB (67,108,864) unless told. */
  readonly maxBytes?: number
}

const MAX_ENTRIES = 16_000_000
const MIN_BYTES = 4096
const RECORD_SHARE = 3 / 4

/**
 * State of one process: exact inside it, gone with it, shared with nobody.
 *
 * Memory is bounded by an estimate: a bucket counts 64 bytes, whatever its key, a record 320 bytes, its key twice and its
 * JSON; a text counts one byte a unit, two once any unit is beyond Latin-1. At the bound:
 * - a new bucket evicts one: an idle one first, else the one nearest to idle within the class that takes most bytes. A
 *   class is the partition's text before its first ':', so a flood of addresses cannot evict principals. 63 classes stand apart,
 *   later ones share one: let nobody choose that text;
 * - `set`, `claim` and `swap` evict buckets likewise, but records never: once live records fill three quarters of
 *   either bound these verbs throw {@link StoreOutage}. So a flood of records cannot switch the limiters off.
 *
 * A bucket's 64 bytes are never less than what it takes on Node, Bun and Deno (53 to 64 seen, 66 while it shrinks). Beside them stand at most
 * 32 KiB and 16 KiB a class. Of its key a bucket keeps 64 bits, hashed under a random key of this store: nobody can aim
 * two keys at one bucket, and among a million the chance that any two share one is below 1e-7.
 *
 * There is no timer. Expired records go when they are touched; each write also drops a few that ended an hour ago,
 * and memory that no bucket needs any more goes with them.
 *
 * @throws {RangeError} naming the option, for a bound out of range
 */
export function memoryStore(options: MemoryStoreOptions = {}): ImmediateStore {
  const { clock = systemClock, maxEntries = 1_000_000, maxBytes = 67_108_864 } = options
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 4 || maxEntries > MAX_ENTRIES) {
    throw new RangeError(`maxEntries must be a whole number from 4 to ${MAX_ENTRIES}.`)
  }
  if (!Number.isSafeInteger(maxBytes) || maxBytes < MIN_BYTES) {
    throw new RangeError(`maxBytes must be a whole number of at least ${MIN_BYTES}.`)
  }
  return new Memory(clock, maxEntries, maxBytes)
}

class Memory implements ImmediateStore {
  readonly name = 'memory'
  readonly consistency = 'atomic'
  readonly deadlineMs = 0
  readonly #clock: Clock
  readonly #maxEntries: number
  readonly #maxBytes: number
  readonly #records = new RecordTable()
  /** Where a bucket is weighed before it is kept. */
  readonly #cells = new Float64Array(2)
  #buckets = new BucketTable()
  #versions = 0
  #closed = false

  constructor(clock: Clock, maxEntries: number, maxBytes: number) {
    this.#clock = clock
    this.#maxEntries = maxEntries
    this.#maxBytes = maxBytes
  }

  get(key: StoreKey): Stored | null {
    return this.#records.read(encodePart(key.partition), encodePart(key.name), this.#now())
  }

  set(key: StoreKey, value: Json, expiresAt: number | null): void {
    checkExpiry(expiresAt)
    this.#write(encodePart(key.partition), encodeListedName(key.name), encodeValue(value), expiresAt, this.#now())
  }

  delete(key: StoreKey): void {
    this.#now()
    this.#records.remove(encodePart(key.partition), encodePart(key.name))
  }

  list(partition: string, prefix: string, cursor: string | null): Page {
    return this.#records.list(encodePart(partition), encodeListedName(prefix), cursor, this.#now())
  }

  claim(key: StoreKey, expiresAt: number): boolean {
    checkExpiry(expiresAt)
    const partition = encodePart(key.partition)
    const name = encodePart(key.name)
    const now = this.#now()
    if (this.#records.version(partition, name, now) !== null) return false
    this.#write(partition, name, 'true', expiresAt, now)
    return true
  }

  take(key: StoreKey): Stored | null {
    const partition = encodePart(key.partition)
    const name = encodePart(key.name)
    const found = this.#records.read(partition, name, this.#now())
    if (found !== null) this.#records.remove(partition, name)
    return found
  }

  swap(key: StoreKey, version: string | null, value: Json, expiresAt: number | null): string | null {
    checkExpiry(expiresAt)
    const partition = encodePart(key.partition)
    const name = encodeListedName(key.name)
    const json = encodeValue(value)
    const now = this.#now()
    if (this.#records.version(partition, name, now) !== version) return null
    return this.#write(partition, name, json, expiresAt, now)
  }

  consume(partition: string, charges: readonly Charge[]): Decision {
    const now = this.#now()
    if (charges.length !== 1) return this.#consumeAll(partition, charges, now)
    // decide() for one charge, on the bucket where it lies: most decisions are of this kind.
    const { name, rate, cost } = charges[0]!
    const slot = this.#buckets.find(partition, name)
    const state = slot < 0 ? this.#chargeNew(partition, charges[0]!, now) : this.#buckets.charge(slot, rate, cost, now)
    return { admitted: state.retryAfterMs === 0, states: [state] }
  }

  close(): void {
    this.#closed = true
    this.#records.clear()
    this.#buckets = new BucketTable()
  }

  #consumeAll(partition: string, charges: readonly Charge[], now: number): Decision {
    const { decision, buckets } = decide(charges, now, (name) => this.#bucketOf(partition, name))
    for (const [i, bucket] of buckets.entries()) {
      if (bucket === null) continue
      const { name } = charges[i]!
      const slot = this.#buckets.find(partition, name)
      if (slot < 0) this.#add(partition, name, bucket.tatUs, bucket.rest, now)
      else this.#buckets.change(slot, bucket.tatUs, bucket.rest)
    }
    return decision
  }

  #bucketOf(partition: string, name: string): Bucket | null {
    const slot = this.#buckets.find(partition, name)
    return slot < 0 ? null : { tatUs: this.#buckets.tatUs(slot), rest: this.#buckets.rest(slot) }
  }

  /** Charges a key that has no bucket. */
  #chargeNew(partition: string, { name, rate, cost }: Charge, now: number): BucketState {
    const cells = this.#cells
    cells[0] = UNCHARGED_US
    cells[1] = 0
    const state = weigh(cells, 0, rate, cost, now)
    if (state.retryAfterMs === 0) this.#add(partition, name, cells[0]!, cells[1]!, now)
    return state
  }

  /** Keeps a new bucket, unless it is idle: an idle bucket says nothing. */
  #add(partition: string, name: string, tatUs: number, rest: number, now: number): void {
    if (tatUs <= now * 1000 && rest === 0) return
    this.#sweep(now)
    this.#evictFor(1, BUCKET_BYTES, now)
    this.#buckets.add(partition, name, tatUs, rest)
  }

  #write(partition: string, name: string, json: string, expiresAt: number | null, now: number): string {
    this.#sweep(now)
    const heldBytes = this.#records.bytesOf(partition, name, now)
    const entries = heldBytes === 0 ? 1 : 0
    const bytes = recordBytes(partition, name, json) - heldBytes
    while (this.#isFullOfRecords(entries, bytes)) {
      if (!this.#records.dropEnded(now)) throw new StoreOutage('The memory store is full of live records.')
    }
    this.#evictFor(entries, bytes, now)
    const version = String(++this.#versions)
    this.#records.remove(partition, name)
    this.#records.write(partition, name, { json, version, expiresAt })
    return version
  }

  #isFullOfRecords(entries: number, bytes: number): boolean {
    return (
      this.#records.size + entries > this.#maxEntries * RECORD_SHARE ||
      this.#records.bytes + bytes > this.#maxBytes * RECORD_SHARE
    )
  }

  #evictFor(entries: number, bytes: number, now: number): void {
    while (
      this.#records.size + this.#buckets.size + entries > this.#maxEntries ||
      this.#records.bytes + this.#buckets.bytes + bytes > this.#maxBytes
    ) {
      if (!this.#buckets.dropIdle(now * 1000) && !this.#buckets.dropNearest()) {
        throw new StoreOutage('The memory store is full.')
      }
    }
  }

  /** Two for one: what ended long ago goes faster than anything new can come. */
  #sweep(now: number): void {
    const before = now - SWEEP_DELAY_MS
    if (this.#records.dropEnded(before)) this.#records.dropEnded(before)
    if (this.#buckets.dropIdle(before * 1000)) this.#buckets.dropIdle(before * 1000)
  }

  #now(): number {
    if (this.#closed) throw new StoreOutage('The memory store is closed.')
    return this.#clock.now()
  }
}
