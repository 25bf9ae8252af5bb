import type { Random } from './random.ts'

/** One part of the acceptance lists at its full volume. `round` throws when something does not hold. */
export interface Job {
  readonly name: string
  readonly rounds: number
  /** What one round is, for the report. */
  readonly volume: string
  /** Makes what the rounds share; gives the round and how to end it. */
  start(): Promise<{ round(random: Random, index: number): Promise<void> | void; stop(): Promise<void> | void }>
}
