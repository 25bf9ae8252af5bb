const FIRST_CAPACITY = 64

/**
 * Numbered slots in the order in which they fall due: the earliest in O(1), every change in O(log n), 16 bytes a slot.
 * `slots` is a permutation: the first `size` places are the heap, the rest are free.
 */
export class DueHeap {
  #due: Float64Array = new Float64Array(FIRST_CAPACITY)
  #place: Int32Array = Int32Array.from({ length: FIRST_CAPACITY }, (_, slot) => slot)
  #slots: Int32Array = this.#place.slice()
  #size = 0

  /** How many slots are taken. */
  get size(): number {
    return this.#size
  }

  /** Takes a slot. Numbers are small and reused, so that the caller can keep its data in arrays. */
  add(due: number): number {
    if (this.#size === this.#slots.length) this.#grow()
    const slot = this.#slots[this.#size++]!
    this.#due[slot] = due
    this.#rise(slot)
    return slot
  }

  /** The slot that falls due first, -1 when none is taken. */
  first(): number {
    return this.#size === 0 ? -1 : this.#slots[0]!
  }

  /** When a taken slot falls due. */
  dueOf(slot: number): number {
    return this.#due[slot]!
  }

  /** Changes when a taken slot falls due. */
  move(slot: number, due: number): void {
    const earlier = due < this.#due[slot]!
    this.#due[slot] = due
    if (earlier) this.#rise(slot)
    else this.#sink(slot)
  }

  /** Frees a taken slot. */
  remove(slot: number): void {
    const last = this.#slots[--this.#size]!
    const place = this.#place[slot]!
    this.#put(slot, this.#size)
    if (last === slot) return
    this.#put(last, place)
    this.#rise(last)
    this.#sink(last)
  }

  #put(slot: number, place: number): void {
    this.#slots[place] = slot
    this.#place[slot] = place
  }

  #rise(slot: number): void {
    const due = this.#due[slot]!
    let place = this.#place[slot]!
    while (place > 0) {
      const above = this.#slots[(place - 1) >> 1]!
      if (this.#due[above]! <= due) break
      this.#put(above, place)
      place = (place - 1) >> 1
    }
    this.#put(slot, place)
  }

  #sink(slot: number): void {
    const due = this.#due[slot]!
    let place = this.#place[slot]!
    for (let child = 2 * place + 1; child < this.#size; child = 2 * place + 1) {
      if (child + 1 < this.#size && this.#due[this.#slots[child + 1]!]! < this.#due[this.#slots[child]!]!) child++
      const below = this.#slots[child]!
      if (this.#due[below]! >= due) break
      this.#put(below, place)
      place = child
    }
    this.#put(slot, place)
  }

  #grow(): void {
    const from = this.#slots.length
    this.#due = widened(this.#due)
    this.#place = widened(this.#place)
    this.#slots = widened(this.#slots)
    for (let slot = from; slot < this.#slots.length; slot++) this.#put(slot, slot)
  }
}

/** A copy of a typed array, half as long again. */
function widened<T extends Float64Array | Int32Array>(array: T): T {
  const wider = new (array.constructor as new (length: number) => T)(Math.ceil(array.length * 1.5))
  wider.set(array)
  return wider
}
