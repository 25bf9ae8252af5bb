/** What the host asks of worker.ts: so many calls, so many at once. */
export interface Task {
  readonly name: string
  readonly calls: number
  readonly concurrency: number
}
