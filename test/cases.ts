/** One test as plain data, so that Node, Bun, Deno and workerd run the same. It fails by throwing. */
export interface Case {
  readonly name: string
  /** Real time passes in it, and it shares nothing with others: it runs beside the others that wait. */
  readonly waits?: true
  run(): void | Promise<void>
}

/** Cases about one subject: each is named `subject criterion`, as in "consume() refuses what exceeds the burst". */
export function cases(subject: string, table: Record<string, () => void | Promise<void>>): readonly Case[] {
  return Object.entries(table).map(([criterion, run]) => ({ name: `${subject} ${criterion}`, run }))
}

/** {@link cases} that wait for real time to pass, as for the end of a lease: all of them wait at once. */
export function waitingCases(subject: string, table: Record<string, () => Promise<void>>): readonly Case[] {
  return cases(subject, table).map((one) => ({ ...one, waits: true }))
}
