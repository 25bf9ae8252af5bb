import type { Effort } from '../rounds.ts'

export const EFFORT: Effort = { rounds: 15, roundMs: 8, warmUp: 20_000, warmUpMs: 200 }
