import { makeRate } from '../../src/store/gcra.ts'

/** What the writer was told is done, of its round `i`: rounds count from 0, so `i` + 1 units are spent after `consume`. */
export interface Acknowledged {
  readonly verb: 'set' | 'claim' | 'take' | 'swap' | 'consume'
  readonly i: number
  /** Of a swap: the version that it made. */
  readonly version?: string | null
}

/** The record that the writer's swaps follow one another on. */
export const HEAD = { partition: 'written', name: 'head' } as const

/** The bucket that the writer spends one unit of in each round: none comes back for 5 minutes. */
export const SPENT = { partition: 'written', charge: { name: 'spent', rate: makeRate(100_000, 366 * 86_400) } } as const

/** The record of one round that a verb has to itself. */
export function record(
  verb: 'set' | 'claim' | 'take',
  i: number,
): { readonly partition: string; readonly name: string } {
  return { partition: 'written', name: `${verb}:${i}` }
}

/** The line that tells it. */
export function acknowledgement(what: Acknowledged): string {
  return `${JSON.stringify(what)}\n`
}

/** Every acknowledgement of an output; a last line that was cut off was none. */
export function acknowledgements(output: string): readonly Acknowledged[] {
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Acknowledged)
}
