import { randomBytes } from '../bytes.ts'
import { BucketQueue } from './bucket-queue.ts'
import { type BucketState, type Rate, weigh } from './gcra.ts'
import { KeyHash } from './key-hash.ts'
import { KeyIndex } from './key-index.ts'
import { Pages, rowInPage } from './pages.ts'

/**
 * Bytes that a bucket is counted with, whatever its key: its row (24), its place in a queue (16), its share of the index
 * (24 at most) and of the objects around them.
 */
export const BUCKET_BYTES = 64

/** A row: second half of the hash (4), class and place in the queue (4), TAT (8), rest (8). */
const ROW_BYTES = 24
const INTS = 6
const HIGH = 0
const PLACE = 1
const FLOATS = 3
const TAT = 1
const REST = 2

const PLACE_BITS = 24
const PLACES = (1 << PLACE_BITS) - 1
/** Some 0.3 ms. */
const MAX_LIFTS = 1024
const MAX_CLASSES = 64
const CLASS_UNITS = 64
/** No longer text is held, not even one. */
const REMEMBERED_UNITS = 64

/**
 * GCRA buckets that may be evicted, by class: idle ones first (TAT passed), then the one nearest to idle within the
 * class that holds most. So a flood of one class never evicts another's, and an active offender outlives idle keys.
 * A class is the partition's text before its first ':'; from the 64th class on, and over 64 units, they share one.
 *
 * Kept of a key is its {@link KeyHash} alone, so that a bucket takes the same bytes whatever the key and leaves the
 * garbage collector nothing to do. Buckets lie in slots 0 to size - 1: a drop moves the last one into the gap.
 */
export class BucketTable {
  readonly #rows = new Pages(ROW_BYTES)
  readonly #classes = new Map<string, number>()
  readonly #queues: BucketQueue[] = []
  readonly #index: KeyIndex = new KeyIndex((slot) => this.#int(slot, HIGH))
  #hash: KeyHash | null = null
  /** The key that was looked for last, null where none is remembered, and its slot. */
  #partition: string | null = null
  #name = ''
  #found = -1
  #size = 0
  /** The class of whoever came last, and what its partitions begin with: most come in crowds. */
  #lastClass = 0
  #lastHead = ':'

  constructor() {
    this.#addClass('')
  }

  /** Buckets held. */
  get size(): number {
    return this.#size
  }

  /** Bytes held, 64 a bucket: no less than what they take in memory. */
  get bytes(): number {
    return this.#size * BUCKET_BYTES
  }

  /**
   * The slot of a key, -1 when it has no bucket. It holds until the next drop.
   *
   * @throws {RangeError} for a lone surrogate, which has no UTF-8.
   */
  find(partition: string, name: string): number {
    // Who came last comes again, an attacker above all: comparing is cheaper than hashing.
    if (partition !== this.#partition || name !== this.#name) this.#search(partition, name)
    return this.#found
  }

  /** TAT of the bucket in a slot, µs since the epoch. */
  tatUs(slot: number): number {
    return this.#rows.floats(slot)[rowInPage(slot) * FLOATS + TAT]!
  }

  /** Rest of the bucket in a slot. */
  rest(slot: number): number {
    return this.#rows.floats(slot)[rowInPage(slot) * FLOATS + REST]!
  }

  /** Decides a charge of the bucket in a slot, and makes it if it fits: see {@link weigh}. */
  charge(slot: number, rate: Rate, cost: number, nowMs: number): BucketState {
    const floats = this.#rows.floats(slot)
    const at = rowInPage(slot) * FLOATS + TAT
    const beforeUs = floats[at]!
    const state = weigh(floats, at, rate, cost, nowMs)
    if (floats[at]! < beforeUs) this.#hasten(slot, floats[at]!)
    return state
  }

  /** Changes the bucket in a slot. The queue holds a lower bound of the TAT, so that a charge need not touch it. */
  change(slot: number, tatUs: number, rest: number): void {
    const floats = this.#rows.floats(slot)
    const row = rowInPage(slot) * FLOATS
    const earlier = tatUs < floats[row + TAT]!
    floats[row + TAT] = tatUs
    floats[row + REST] = rest
    if (earlier) this.#hasten(slot, tatUs)
  }

  /** Keeps a bucket under a key that has none. */
  add(partition: string, name: string, tatUs: number, rest: number): void {
    this.find(partition, name)
    const { low, high } = this.#hash!
    const slot = this.#size++
    this.#found = slot
    this.#rows.resize(this.#size)
    const ints = this.#rows.ints(slot)
    const floats = this.#rows.floats(slot)
    const row = rowInPage(slot)
    const index = this.#classOf(partition)
    ints[row * INTS + HIGH] = high
    ints[row * INTS + PLACE] = index << PLACE_BITS
    floats[row * FLOATS + TAT] = tatUs
    floats[row * FLOATS + REST] = rest
    this.#queues[index]!.add(slot, low, tatUs)
    this.#index.add(low, slot)
  }

  /** Drops one bucket whose TAT is `beforeUs` or earlier; false when there is none. */
  dropIdle(beforeUs: number): boolean {
    for (const queue of this.#queues) {
      if (queue.size === 0 || queue.dueAt(0) > beforeUs) continue
      const slot = this.#nearest(queue)
      if (this.tatUs(slot) > beforeUs) continue
      this.#drop(queue, slot)
      return true
    }
    return false
  }

  /** Drops the bucket nearest to idle of the biggest class; false when none is held. */
  dropNearest(): boolean {
    let biggest = this.#queues[0]!
    for (const queue of this.#queues) if (queue.size > biggest.size) biggest = queue
    if (biggest.size === 0) return false
    this.#drop(biggest, this.#nearest(biggest))
    return true
  }

  #search(partition: string, name: string): void {
    this.#partition = null
    // Not in the constructor: Workers refuses randomness outside of a request, and a store may be made there.
    this.#hash ??= new KeyHash(randomBytes(8))
    this.#hash.of(partition, name)
    this.#found = this.#index.find(this.#hash.low, this.#hash.high)
    this.#partition = partition.length <= REMEMBERED_UNITS ? partition : null
    this.#name = name
  }

  #classOf(partition: string): number {
    if (partition.startsWith(this.#lastHead)) return this.#lastClass
    const end = partition.indexOf(':')
    if (end < 0 || end > CLASS_UNITS) return 0
    const className = partition.slice(0, end)
    this.#lastClass = this.#classes.get(className) ?? this.#addClass(className)
    this.#lastHead = `${className}:`
    return this.#lastClass
  }

  #addClass(className: string): number {
    if (this.#queues.length === MAX_CLASSES) return 0
    const index = this.#queues.length
    this.#classes.set(className, index)
    this.#queues.push(new BucketQueue((slot, place) => this.#setInt(slot, PLACE, (index << PLACE_BITS) | place)))
    return index
  }

  /**
   * The slot of the least TAT of a class that holds one: lifts lower bounds until the first is exact. After {@link MAX_LIFTS},
   * which only a crowd that all came back costs, it is the least of those that were looked at.
   */
  #nearest(queue: BucketQueue): number {
    let least = queue.slotAt(0)
    for (let lifts = 0; lifts < MAX_LIFTS; lifts++) {
      const slot = queue.slotAt(0)
      const tatUs = this.tatUs(slot)
      if (tatUs <= this.tatUs(least)) least = slot
      if (tatUs <= queue.dueAt(0)) return slot
      queue.move(0, tatUs)
    }
    return least
  }

  #drop(queue: BucketQueue, slot: number): void {
    const place = this.#placeOf(slot)
    this.#index.remove(queue.markAt(place), slot)
    queue.remove(place)
    const last = --this.#size
    if (this.#found === slot) this.#found = -1
    else if (this.#found === last) this.#found = slot
    if (slot !== last) this.#fill(slot, last)
    this.#rows.resize(last)
  }

  /** Moves the last bucket into a free slot. */
  #fill(slot: number, last: number): void {
    const from = this.#rows.ints(last)
    const to = this.#rows.ints(slot)
    const fromRow = rowInPage(last) * INTS
    const toRow = rowInPage(slot) * INTS
    for (let i = 0; i < INTS; i++) to[toRow + i] = from[fromRow + i]!
    const queue = this.#queueOf(slot)
    const place = this.#placeOf(slot)
    this.#index.rename(queue.markAt(place), last, slot)
    queue.rename(place, slot)
  }

  /** Keeps the queue's lower bound true. */
  #hasten(slot: number, tatUs: number): void {
    const queue = this.#queueOf(slot)
    const place = this.#placeOf(slot)
    if (tatUs < queue.dueAt(place)) queue.move(place, tatUs)
  }

  #queueOf(slot: number): BucketQueue {
    return this.#queues[this.#int(slot, PLACE) >>> PLACE_BITS]!
  }

  #placeOf(slot: number): number {
    return this.#int(slot, PLACE) & PLACES
  }

  #int(slot: number, column: number): number {
    return this.#rows.ints(slot)[rowInPage(slot) * INTS + column]!
  }

  #setInt(slot: number, column: number, value: number): void {
    this.#rows.ints(slot)[rowInPage(slot) * INTS + column] = value
  }
}
