import { decodeName, isHashed, type Json, type Listed, PAGE_SIZE, type Page, type Stored } from './contract.ts'
import { DueHeap } from './due-heap.ts'

/** A record as it is kept: JSON text, so that no caller shares an object with the store. */
export interface KeptRecord {
  readonly json: string
  readonly version: string
  readonly expiresAt: number | null
}

interface Slotted extends KeptRecord {
  readonly partition: string
  readonly name: string
  readonly slot: number
}

const RECORD_BYTES = 320
const LATIN1 = /^[\0-\xff]*$/

/** Bytes that a record is counted with: 320, its key twice (it may stand in a map of its own), and its JSON. */
export function recordBytes(partition: string, name: string, json: string): number {
  return RECORD_BYTES + 2 * (partition.length + name.length) + textBytes(json)
}

/** Bytes of a text in memory: one a unit while every unit is Latin-1, else two. */
function textBytes(text: string): number {
  return LATIN1.test(text) ? text.length : 2 * text.length
}

/** Records by encoded partition and name, and in the order in which they expire. Expired ones go when touched. */
export class RecordTable {
  readonly #partitions = new Map<string, Map<string, Slotted>>()
  readonly #expiries = new DueHeap()
  readonly #bySlot: (Slotted | null)[] = []
  #bytes = 0

  /** Records held, expired ones that nobody touched included. */
  get size(): number {
    return this.#expiries.size
  }

  /** Bytes held, by {@link recordBytes}. */
  get bytes(): number {
    return this.#bytes
  }

  /** The live record, null when there is none. */
  read(partition: string, name: string, now: number): Stored | null {
    const record = this.#live(partition, name, now)
    return record === null ? null : stored(record)
  }

  /** The version of the live record, null when there is none. */
  version(partition: string, name: string, now: number): string | null {
    return this.#live(partition, name, now)?.version ?? null
  }

  /** Bytes of the live record, 0 when there is none. */
  bytesOf(partition: string, name: string, now: number): number {
    const record = this.#live(partition, name, now)
    return record === null ? 0 : recordBytes(partition, name, record.json)
  }

  /** Writes a record where none stands. */
  write(partition: string, name: string, { json, version, expiresAt }: KeptRecord): void {
    const slot = this.#expiries.add(expiresAt ?? Number.POSITIVE_INFINITY)
    const record = { partition, name, json, version, expiresAt, slot }
    this.#bySlot[slot] = record
    const records = this.#partitions.get(partition)
    if (records === undefined) this.#partitions.set(partition, new Map([[name, record]]))
    else records.set(name, record)
    this.#bytes += recordBytes(partition, name, json)
  }

  /** Removes a record, if there is one. */
  remove(partition: string, name: string): void {
    const records = this.#partitions.get(partition)
    const record = records?.get(name)
    if (records === undefined || record === undefined) return
    records.delete(name)
    if (records.size === 0) this.#partitions.delete(partition)
    this.#expiries.remove(record.slot)
    this.#bySlot[record.slot] = null
    this.#bytes -= recordBytes(partition, name, record.json)
  }

  /** Drops one record that expired at `now` or before; false when there is none. */
  dropEnded(now: number): boolean {
    const slot = this.#expiries.first()
    if (slot < 0 || this.#expiries.dueOf(slot) > now) return false
    const { partition, name } = this.#bySlot[slot]!
    this.remove(partition, name)
    return true
  }

  /** A page of live records in the order of the encoded names. */
  list(partition: string, prefix: string, cursor: string | null, now: number): Page {
    const records = this.#partitions.get(partition) ?? new Map<string, Slotted>()
    const names = [...records.keys()].filter(
      (name) => name.startsWith(prefix) && (cursor === null || name > cursor) && !isHashed(name),
    )
    const entries: Listed[] = []
    for (const name of names.sort()) {
      const record = this.#live(partition, name, now)
      if (record === null) continue
      if (entries.length === PAGE_SIZE) return { entries, cursor: encodedLast(entries) }
      entries.push({ name: decodeName(name), ...stored(record) })
    }
    return { entries, cursor: null }
  }

  /** Drops everything. */
  clear(): void {
    this.#partitions.clear()
    this.#bySlot.length = 0
    while (this.#expiries.size > 0) this.#expiries.remove(this.#expiries.first())
    this.#bytes = 0
  }

  #live(partition: string, name: string, now: number): Slotted | null {
    const record = this.#partitions.get(partition)?.get(name)
    if (record === undefined) return null
    if (record.expiresAt === null || now < record.expiresAt) return record
    this.remove(partition, name)
    return null
  }
}

function encodedLast(entries: readonly Listed[]): string {
  return encodeURIComponent(entries.at(-1)!.name)
}

function stored({ json, version, expiresAt }: KeptRecord): Stored {
  return { value: JSON.parse(json) as Json, version, expiresAt }
}
