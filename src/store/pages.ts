const SHIFT = 9
const PAGE_ROWS = 1 << SHIFT
const MASK = PAGE_ROWS - 1

/** 512 rows, seen as whole numbers and as floating-point ones. */
export interface PageOfRows {
  readonly ints: Int32Array
  readonly floats: Float64Array
}

/**
 * Rows of numbers in pages of 512: growing copies nothing, and a page that is no longer needed is dropped, so that what
 * is held is what the rows take and at most two pages more.
 */
export class Pages {
  readonly #rowBytes: number
  readonly #pages: PageOfRows[] = []

  /** @param rowBytes bytes a row, a multiple of 8 */
  constructor(rowBytes: number) {
    this.#rowBytes = rowBytes
  }

  /** The page of a row. */
  of(row: number): PageOfRows {
    return this.#pages[row >>> SHIFT]!
  }

  /** Makes room for one row more, or for one fewer. One spare page stays, so that a row that comes and goes costs nothing. */
  resize(rows: number): void {
    const needed = (rows + MASK) >>> SHIFT
    if (this.#pages.length < needed) {
      const buffer = new ArrayBuffer(PAGE_ROWS * this.#rowBytes)
      this.#pages.push({ ints: new Int32Array(buffer), floats: new Float64Array(buffer) })
    } else if (this.#pages.length > needed + 1) {
      this.#pages.pop()
    }
  }
}

/** Where a row stands in its page. */
export function rowInPage(row: number): number {
  return row & MASK
}
