import { expect } from 'vitest'
import { anomalies } from './linearizable.ts'
import type { Team } from './team.ts'

/** Each process makes this many calls at once against one new bucket: the burst is admitted, and nothing else. */
export async function expectExact(team: Team, burst: number, calls: number): Promise<void> {
  const { admitted, refused } = await team.consume({ partition: crypto.randomUUID(), burst, calls })
  expect({ admitted, refused }).toEqual({ admitted: burst, refused: team.size * calls - burst })
}

/** Each process takes part in this many histories with this many calls of each caller: one order explains each. */
export async function expectExplained(team: Team, histories: number, operations: number, callers = 1): Promise<void> {
  for (let i = 0; i < histories; i++) {
    const history = await team.history({ partition: `h${i}`, seed: i * 131, callers, operations })
    expect(history).toHaveLength(team.size * callers * operations)
    expect(anomalies(history)).toEqual([])
  }
}
