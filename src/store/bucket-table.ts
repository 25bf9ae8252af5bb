import { DueHeap, widened } from './due-heap.ts'
import type { Bucket } from './gcra.ts'

/** Bytes that a bucket is counted with beside its key: its numbers, its place in the heap and its entry in the map. */
const BUCKET_BYTES = 112
const MAX_CLASSES = 64

/**
 * Buckets of one class, in numbered slots. `due` in the heap is a lower bound of the TAT, so that a charge need not touch
 * the heap.
 */
export interface BucketClass {
  readonly heap: DueHeap
  readonly slots: Map<string, number>
  readonly keys: string[]
  tatUs: Float64Array
  rest: Float64Array
  bytes: number
}

/**
 * GCRA buckets that may be evicted, by class: idle ones first (TAT passed), then the one nearest to idle within the
 * class that takes most bytes. So a flood of one class never evicts another's, and an active offender outlives idle keys.
 * A class is a text of the caller; from the 64th on they share one.
 */
export class BucketTable {
  readonly #classes = new Map<string, BucketClass>([['', emptyClass()]])
  #size = 0
  #bytes = 0

  /** Buckets held. */
  get size(): number {
    return this.#size
  }

  /** Bytes held, by the estimate of 112 a bucket and its key. */
  get bytes(): number {
    return this.#bytes
  }

  /** The class of that name. */
  classOf(className: string): BucketClass {
    const held = this.#classes.get(className)
    if (held !== undefined) return held
    if (this.#classes.size >= MAX_CLASSES) return this.#classes.get('')!
    const added = emptyClass()
    this.#classes.set(className, added)
    return added
  }

  /** Keeps a bucket under a key that has none. */
  add(held: BucketClass, key: string, { tatUs, rest }: Bucket): void {
    const slot = held.heap.add(tatUs)
    if (slot >= held.tatUs.length) {
      held.tatUs = widened(held.tatUs)
      held.rest = widened(held.rest)
    }
    held.tatUs[slot] = tatUs
    held.rest[slot] = rest
    held.slots.set(key, slot)
    held.keys[slot] = key
    this.#count(held, key, 1)
  }

  /** Drops one bucket whose TAT is `beforeUs` or earlier; false when there is none. */
  dropIdle(beforeUs: number): boolean {
    for (const held of this.#classes.values()) {
      const slot = nearest(held)
      if (slot < 0 || held.tatUs[slot]! > beforeUs) continue
      this.#drop(held, slot)
      return true
    }
    return false
  }

  /** Drops the bucket nearest to idle of the biggest class; false when none is held. */
  dropNearest(): boolean {
    let biggest: BucketClass | null = null
    for (const held of this.#classes.values()) if (biggest === null || held.bytes > biggest.bytes) biggest = held
    if (biggest === null || biggest.heap.size === 0) return false
    this.#drop(biggest, nearest(biggest))
    return true
  }

  /** Drops everything. */
  clear(): void {
    this.#classes.clear()
    this.#classes.set('', emptyClass())
    this.#size = 0
    this.#bytes = 0
  }

  #drop(held: BucketClass, slot: number): void {
    const key = held.keys[slot]!
    held.heap.remove(slot)
    held.slots.delete(key)
    held.keys[slot] = ''
    this.#count(held, key, -1)
  }

  #count(held: BucketClass, key: string, sign: 1 | -1): void {
    const bytes = sign * bucketBytes(key)
    held.bytes += bytes
    this.#bytes += bytes
    this.#size += sign
  }
}

const LATIN1 = /^[\0-\xff]*$/

/** The slot of a key, -1 when it has no bucket. It holds until the next bucket is added or dropped. */
export function slotOf(held: BucketClass, key: string): number {
  return held.slots.get(key) ?? -1
}

/** The bucket in a slot. */
export function bucketIn(held: BucketClass, slot: number): Bucket {
  return { tatUs: held.tatUs[slot]!, rest: held.rest[slot]! }
}

/** Changes the bucket in a slot. */
export function changeBucket(held: BucketClass, slot: number, { tatUs, rest }: Bucket): void {
  held.tatUs[slot] = tatUs
  held.rest[slot] = rest
  if (tatUs < held.heap.dueOf(slot)) held.heap.move(slot, tatUs)
}

/** Bytes that a bucket is counted with: 112 and its key. */
export function bucketBytes(key: string): number {
  return BUCKET_BYTES + textBytes(key)
}

/** Bytes of a text in memory: one a unit while every unit is Latin-1, else two. */
export function textBytes(text: string): number {
  return LATIN1.test(text) ? text.length : 2 * text.length
}

function emptyClass(): BucketClass {
  const heap = new DueHeap()
  return { heap, slots: new Map(), keys: [], tatUs: new Float64Array(1), rest: new Float64Array(1), bytes: 0 }
}

/** The slot of the least TAT, -1 when none: lifts lower bounds that charges have overtaken until the first is exact. */
function nearest(held: BucketClass): number {
  let slot = held.heap.first()
  while (slot >= 0 && held.tatUs[slot]! > held.heap.dueOf(slot)) {
    held.heap.move(slot, held.tatUs[slot]!)
    slot = held.heap.first()
  }
  return slot
}
