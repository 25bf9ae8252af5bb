const SHIFT = 9
const PAGE_ROWS = 1 << SHIFT
const MASK = PAGE_ROWS - 1

/**
 * Rows of numbers in pages of 512: growing copies nothing, and a page that is no longer needed is dropped, so that what
 * is held is what the rows take and at most two pages more.
 */
export class Pages {
  readonly #rowBytes: number
  readonly #ints: Int32Array[] = []
  readonly #floats: Float64Array[] = []

  /** @param rowBytes bytes a row, a multiple of 8 */
  constructor(rowBytes: number) {
    this.#rowBytes = rowBytes
  }

  /** The page of a row, as whole numbers. */
  ints(row: number): Int32Array {
    return this.#ints[row >>> SHIFT]!
  }

  /** The page of a row, as floating-point numbers. */
  floats(row: number): Float64Array {
    return this.#floats[row >>> SHIFT]!
  }

  /** Makes room for one row more, or for one fewer. One spare page stays, so that a row that comes and goes costs nothing. */
  resize(rows: number): void {
    const needed = (rows + MASK) >>> SHIFT
    if (this.#ints.length < needed) {
      const buffer = new ArrayBuffer(PAGE_ROWS * this.#rowBytes)
      this.#ints.push(new Int32Array(buffer))
      this.#floats.push(new Float64Array(buffer))
    } else if (this.#ints.length > needed + 1) {
      this.#ints.pop()
      this.#floats.pop()
    }
  }
}

/** Where a row stands in its page. */
export function rowInPage(row: number): number {
  return row & MASK
}
