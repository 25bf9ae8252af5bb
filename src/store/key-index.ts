const PARTS = 16
const PART_SHIFT = 28
const FIRST_LENGTH = 32

/**
 * Slots by hash: open addressing, the hash beside the slot plus one, so that a search reads one cache line, and growing reads nothing
 * else. It lies in 16 parts by the hash's first bits, which double one after the other: little is ever held twice. Who owns
 * the slots tells the other half of a hash.
 */
export class KeyIndex {
  readonly #parts: Int32Array[] = Array.from({ length: PARTS }, () => new Int32Array(FIRST_LENGTH))
  readonly #sizes = new Int32Array(PARTS)
  readonly #highOf: (slot: number) => number

  constructor(highOf: (slot: number) => number) {
    this.#highOf = highOf
  }

  /** The slot of a hash, -1 when there is none. */
  find(low: number, high: number): number {
    const entries = this.#parts[low >>> PART_SHIFT]!
    const mask = entries.length - 2
    for (let at = (low << 1) & mask; ; at = (at + 2) & mask) {
      const slot = entries[at + 1]! - 1
      if (slot < 0 || (entries[at] === low && this.#highOf(slot) === high)) return slot
    }
  }

  /** Adds a slot under a hash that has none. */
  add(low: number, slot: number): void {
    const part = low >>> PART_SHIFT
    const entries = this.#parts[part]!
    const size = ++this.#sizes[part]!
    if (8 * size > 3 * entries.length) this.#resize(part, 2 * entries.length)
    put(this.#parts[part]!, low, slot + 1)
  }

  /** Gives a slot another number. */
  rename(low: number, slot: number, to: number): void {
    const entries = this.#parts[low >>> PART_SHIFT]!
    entries[placeOf(entries, low, slot) + 1] = to + 1
  }

  /** Removes a slot. What stands behind it moves up, so that no search ends too early. */
  remove(low: number, slot: number): void {
    const part = low >>> PART_SHIFT
    const entries = this.#parts[part]!
    const mask = entries.length - 2
    let gap = placeOf(entries, low, slot)
    for (let at = (gap + 2) & mask; entries[at + 1] !== 0; at = (at + 2) & mask) {
      const behindHome = (at - (entries[at]! << 1)) & mask
      if (behindHome < ((at - gap) & mask)) continue
      entries[gap] = entries[at]!
      entries[gap + 1] = entries[at + 1]!
      gap = at
    }
    entries[gap + 1] = 0
    const size = --this.#sizes[part]!
    if (entries.length > FIRST_LENGTH && 6 * size < entries.length) this.#resize(part, entries.length / 2)
  }

  #resize(part: number, length: number): void {
    const from = this.#parts[part]!
    const to = new Int32Array(length)
    for (let at = 0; at < from.length; at += 2) if (from[at + 1] !== 0) put(to, from[at]!, from[at + 1]!)
    this.#parts[part] = to
  }
}

function put(entries: Int32Array, low: number, link: number): void {
  const mask = entries.length - 2
  let at = (low << 1) & mask
  while (entries[at + 1] !== 0) at = (at + 2) & mask
  entries[at] = low
  entries[at + 1] = link
}

function placeOf(entries: Int32Array, low: number, slot: number): number {
  const mask = entries.length - 2
  let at = (low << 1) & mask
  while (entries[at + 1] !== slot + 1) at = (at + 2) & mask
  return at
}
