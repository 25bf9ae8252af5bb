import type { Effort } from '../rounds.ts'

export function requestEffort(quick: boolean): Effort {
  return quick
    ? { rounds: 11, roundMs: 6, warmUp: 2_000, warmUpMs: 60 }
    : { rounds: 41, roundMs: 15, warmUp: 10_000, warmUpMs: 300 }
}
