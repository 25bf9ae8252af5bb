import type { Row } from '../rounds.ts'

/** What was measured together, in one process and the same rounds. */
export interface Group {
  readonly engine: string
  readonly rows: readonly Row[]
}
