import type { Effort } from '../rounds.ts'

export function requestEffort(quick: boolean): Effort {
  return quick
    ? { rounds: 11, roundMs: 6, warmUp: 2_000, warmUpMs: 60 }
    : { rounds: 121, roundMs: 5, warmUp: 10_000, warmUpMs: 300 }
}

/** Each round goes there and back, which must be little of it. */
export function workerdEffort(quick: boolean): Effort {
  return quick
    ? { rounds: 7, roundMs: 20, warmUp: 2_000, warmUpMs: 60 }
    : { rounds: 25, roundMs: 35, warmUp: 10_000, warmUpMs: 400 }
}
