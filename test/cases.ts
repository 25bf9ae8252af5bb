/** One test as plain data, so that Node, Bun, Deno and workerd run the same. It fails by throwing. */
export interface Case {
  readonly name: string
  run(): void | Promise<void>
}

/** Cases about one subject: each is named `subject criterion`, as in "consume() refuses what exceeds the burst". */
export function cases(subject: string, table: Record<string, () => void | Promise<void>>): readonly Case[] {
  return Object.entries(table).map(([criterion, run]) => ({ name: `${subject} ${criterion}`, run }))
}
