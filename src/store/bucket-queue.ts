import { Pages, rowInPage } from './pages.ts'

/** Bytes a place: when it falls due (8), the slot (4), and 4 unused, so that four places fill a cache line. */
const ROW_BYTES = 16
const INTS = 4
const FLOATS = 2
const SLOT = 2

/**
 * Slots of one class in the order in which they fall due: a heap of four children a place, so that each step down reads
 * one cache line. The first in O(1), every change in O(log n). Who owns the slots is told each new place, and gives it
 * back to change the slot.
 */
export class BucketQueue {
  readonly #rows = new Pages(ROW_BYTES)
  readonly #placed: (slot: number, place: number) => void
  #size = 0

  constructor(placed: (slot: number, place: number) => void) {
    this.#placed = placed
  }

  /** How many slots wait. */
  get size(): number {
    return this.#size
  }

  /** Adds a slot. */
  add(slot: number, due: number): void {
    this.#rows.resize(this.#size + 1)
    this.#rise(this.#size++, slot, due)
  }

  /** The slot at a place; that at place 0 falls due first. */
  slotAt(place: number): number {
    return this.#rows.of(place).ints[rowInPage(place) * INTS + SLOT]!
  }

  /** When the slot at a place falls due. */
  dueAt(place: number): number {
    return this.#rows.of(place).floats[rowInPage(place) * FLOATS]!
  }

  /** Changes when the slot at a place falls due. */
  move(place: number, due: number): void {
    const slot = this.slotAt(place)
    if (due < this.dueAt(place)) this.#rise(place, slot, due)
    else this.#sink(place, slot, due)
  }

  /** Gives the slot at a place another number. */
  rename(place: number, slot: number): void {
    this.#put(place, slot, this.dueAt(place))
  }

  /** Removes the slot at a place. */
  remove(place: number): void {
    const last = --this.#size
    if (place !== last) {
      const due = this.dueAt(last)
      if (due < this.dueAt(place)) this.#rise(place, this.slotAt(last), due)
      else this.#sink(place, this.slotAt(last), due)
    }
    this.#rows.resize(last)
  }

  #rise(from: number, slot: number, due: number): void {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 2
      const dueAbove = this.dueAt(above)
      if (dueAbove <= due) break
      this.#put(place, this.slotAt(above), dueAbove)
      place = above
    }
    this.#put(place, slot, due)
  }

  #sink(from: number, slot: number, due: number): void {
    let place = from
    for (let child = 4 * place + 1; child < this.#size; child = 4 * place + 1) {
      let least = child
      let leastDue = this.dueAt(child)
      const end = Math.min(child + 4, this.#size)
      for (let other = child + 1; other < end; other++) {
        const otherDue = this.dueAt(other)
        if (otherDue < leastDue) {
          least = other
          leastDue = otherDue
        }
      }
      if (leastDue >= due) break
      this.#put(place, this.slotAt(least), leastDue)
      place = least
    }
    this.#put(place, slot, due)
  }

  #put(place: number, slot: number, due: number): void {
    const { ints, floats } = this.#rows.of(place)
    const row = rowInPage(place)
    floats[row * FLOATS] = due
    ints[row * INTS + SLOT] = slot
    this.#placed(slot, place)
  }
}
