import { randomBytes } from '../bytes.ts'
import { BucketQueue } from './bucket-queue.ts'
import { KeyHash } from './key-hash.ts'
import { Pages, rowInPage } from './pages.ts'

/**
 * Bytes that a bucket is counted with, whatever its key: its row (32), its place in a queue (16), its share of the chains
 * (12 at most, while those double) and of the objects around them.
 */
export const BUCKET_BYTES = 64

/** A row: hash (8), next slot of its chain plus one (4), class and place in the queue (4), TAT (8), rest (8). */
const ROW_BYTES = 32
const INTS = 8
const LOW = 0
const HIGH = 1
const NEXT = 2
const PLACE = 3
const FLOATS = 4
const TAT = 2
const REST = 3

const PLACE_BITS = 24
const PLACES = (1 << PLACE_BITS) - 1
const FIRST_CHAINS = 16
/** Some 0.3 ms. */
const MAX_LIFTS = 1024
const MAX_CLASSES = 64
const CLASS_UNITS = 64

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
  #hash: KeyHash | null = null
  /** First slot of each chain plus one, 0 for none. A power of two many. */
  #chains = new Int32Array(FIRST_CHAINS)
  #size = 0

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
    const { low, high } = this.#hashOf(partition, name)
    let link = this.#chains[low & (this.#chains.length - 1)]!
    while (link !== 0) {
      const { ints } = this.#rows.of(link - 1)
      const row = rowInPage(link - 1) * INTS
      if (ints[row + LOW] === low && ints[row + HIGH] === high) break
      link = ints[row + NEXT]!
    }
    return link - 1
  }

  /** TAT of the bucket in a slot, µs since the epoch. */
  tatUs(slot: number): number {
    return this.#rows.of(slot).floats[rowInPage(slot) * FLOATS + TAT]!
  }

  /** Rest of the bucket in a slot. */
  rest(slot: number): number {
    return this.#rows.of(slot).floats[rowInPage(slot) * FLOATS + REST]!
  }

  /** Changes the bucket in a slot. The queue holds a lower bound of the TAT, so that a charge need not touch it. */
  change(slot: number, tatUs: number, rest: number): void {
    const { floats } = this.#rows.of(slot)
    const row = rowInPage(slot) * FLOATS
    const earlier = tatUs < floats[row + TAT]!
    floats[row + TAT] = tatUs
    floats[row + REST] = rest
    if (!earlier) return
    const queue = this.#queueOf(slot)
    const place = this.#placeOf(slot)
    if (tatUs < queue.dueAt(place)) queue.move(place, tatUs)
  }

  /** Keeps a bucket under a key that has none. */
  add(partition: string, name: string, tatUs: number, rest: number): void {
    const { low, high } = this.#hashOf(partition, name)
    const slot = this.#size++
    this.#rows.resize(this.#size)
    const { ints, floats } = this.#rows.of(slot)
    const row = rowInPage(slot)
    const index = this.#classOf(partition)
    ints[row * INTS + LOW] = low
    ints[row * INTS + HIGH] = high
    ints[row * INTS + PLACE] = index << PLACE_BITS
    floats[row * FLOATS + TAT] = tatUs
    floats[row * FLOATS + REST] = rest
    this.#queues[index]!.add(slot, tatUs)
    if (this.#size > this.#chains.length) this.#rechain(2 * this.#chains.length)
    else this.#link(slot)
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

  #hashOf(partition: string, name: string): KeyHash {
    // Not in the constructor: Workers refuses randomness outside of a request, and a store may be made there.
    this.#hash ??= new KeyHash(randomBytes(8))
    this.#hash.of(partition, name)
    return this.#hash
  }

  #classOf(partition: string): number {
    const end = partition.indexOf(':')
    const className = end < 0 || end > CLASS_UNITS ? '' : partition.slice(0, end)
    return this.#classes.get(className) ?? this.#addClass(className)
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
    queue.remove(this.#placeOf(slot))
    this.#relink(slot, this.#int(slot, NEXT))
    const last = --this.#size
    if (slot !== last) this.#fill(slot, last)
    this.#rows.resize(last)
    if (this.#chains.length > FIRST_CHAINS && 3 * last < this.#chains.length) this.#rechain(this.#chains.length / 2)
  }

  /** Moves the last bucket into a free slot. */
  #fill(slot: number, last: number): void {
    this.#relink(last, slot + 1)
    const from = this.#rows.of(last)
    const to = this.#rows.of(slot)
    const fromRow = rowInPage(last) * INTS
    const toRow = rowInPage(slot) * INTS
    for (let i = 0; i < INTS; i++) to.ints[toRow + i] = from.ints[fromRow + i]!
    this.#queueOf(slot).rename(this.#placeOf(slot), slot)
  }

  /** Adds a slot to its chain, as the first. */
  #link(slot: number): void {
    const chain = this.#int(slot, LOW) & (this.#chains.length - 1)
    this.#setInt(slot, NEXT, this.#chains[chain]!)
    this.#chains[chain] = slot + 1
  }

  /** Lets what points at a slot point elsewhere. */
  #relink(slot: number, link: number): void {
    const chain = this.#int(slot, LOW) & (this.#chains.length - 1)
    let at = this.#chains[chain]! - 1
    if (at === slot) {
      this.#chains[chain] = link
      return
    }
    for (let next = this.#int(at, NEXT) - 1; next !== slot; next = this.#int(at, NEXT) - 1) at = next
    this.#setInt(at, NEXT, link)
  }

  #rechain(length: number): void {
    this.#chains = new Int32Array(length)
    for (let slot = 0; slot < this.#size; slot++) this.#link(slot)
  }

  #queueOf(slot: number): BucketQueue {
    return this.#queues[this.#int(slot, PLACE) >>> PLACE_BITS]!
  }

  #placeOf(slot: number): number {
    return this.#int(slot, PLACE) & PLACES
  }

  #int(slot: number, column: number): number {
    return this.#rows.of(slot).ints[rowInPage(slot) * INTS + column]!
  }

  #setInt(slot: number, column: number, value: number): void {
    this.#rows.of(slot).ints[rowInPage(slot) * INTS + column] = value
  }
}
