/** Reproducible randomness for tests (mulberry32): a seed gives the same values everywhere. */
export class Random {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }
  /** Up to `length` characters between two code units. */
  text(length: number, from: number, to: number): string {
    return Array.from({ length: this.below(length + 1) }, () =>
      String.fromCharCode(from + this.below(to - from + 1)),
    ).join('')
  }
}
