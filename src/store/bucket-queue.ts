import { Pages, rowInPage } from './pages.ts'

/** Bytes a place: when it falls due (8), the slot (4) and its mark (4), so that four places fill a cache line. */
const ROW_BYTES = 16
const INTS = 4
const FLOATS = 2
const SLOT = 2
const MARK = 3

/**
 * Slots of one class in the order in which they fall due: a heap of four children a place, so that each step down reads
 * one cache line. The first in O(1), every change in O(log n). Who owns the slots is told each new place, and gives it
 * back to change the slot; a mark of 32 bits is kept with it.
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
  add(slot: number, mark: number, due: number): void {
    this.#rows.resize(this.#size + 1)
    this.#rise(this.#size++, slot, mark, due)
  }

  /** The slot at a place; that at place 0 falls due first. */
  slotAt(place: number): number {
    return this.#rows.ints(place)[rowInPage(place) * INTS + SLOT]!
  }

  /** The mark of the slot at a place. */
  markAt(place: number): number {
    return this.#rows.ints(place)[rowInPage(place) * INTS + MARK]!
  }

  /** When the slot at a place falls due. */
  dueAt(place: number): number {
    return this.#rows.floats(place)[rowInPage(place) * FLOATS]!
  }

  /** Changes when the slot at a place falls due. */
  move(place: number, due: number): void {
    this.#settle(place, this.slotAt(place), this.markAt(place), due)
  }

  /** Gives the slot at a place another number. */
  rename(place: number, slot: number): void {
    this.#put(place, slot, this.markAt(place), this.dueAt(place))
  }

  /** Removes the slot at a place. */
  remove(place: number): void {
    const last = --this.#size
    if (place !== last) this.#settle(place, this.slotAt(last), this.markAt(last), this.dueAt(last))
    this.#rows.resize(last)
  }

  /** Puts a slot where it belongs, seen from a place that it takes. */
  #settle(place: number, slot: number, mark: number, due: number): void {
    if (due < this.dueAt(place)) this.#rise(place, slot, mark, due)
    else this.#sink(place, slot, mark, due)
  }

  #rise(from: number, slot: number, mark: number, due: number): void {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 2
      const dueAbove = this.dueAt(above)
      if (dueAbove <= due) break
      this.#put(place, this.slotAt(above), this.markAt(above), dueAbove)
      place = above
    }
    this.#put(place, slot, mark, due)
  }

  #sink(from: number, slot: number, mark: number, due: number): void {
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
      this.#put(place, this.slotAt(least), this.markAt(least), leastDue)
      place = least
    }
    this.#put(place, slot, mark, due)
  }

  #put(place: number, slot: number, mark: number, due: number): void {
    const ints = this.#rows.ints(place)
    const row = rowInPage(place)
    this.#rows.floats(place)[row * FLOATS] = due
    ints[row * INTS + SLOT] = slot
    ints[row * INTS + MARK] = mark
    this.#placed(slot, place)
  }
}
