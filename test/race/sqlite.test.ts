import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { anomalies } from './linearizable.ts'
import { startTeam, type Team } from './team.ts'

const folder = mkdtempSync(join(tmpdir(), 'hinoban-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('sqlite > 8 processes on one file', async () => {
  const team = await startTeam(
    Array.from({ length: 8 }, () => 'node' as const),
    `sqlite:${join(folder, 'eight.db')}`,
  )
  afterAll(() => team.stop())

  test.each([100, 100, 100, 100, 100, 10, 1])('admit exactly %i of 800 calls, round %#', async (burst) => {
    await expectExact(team, burst, 100)
  })
})

describe('sqlite > 4 processes on one file', async () => {
  const team = await startTeam(
    Array.from({ length: 4 }, () => 'node' as const),
    `sqlite:${join(folder, 'four.db')}`,
  )
  afterAll(() => team.stop())

  test('answer 5,000 mixed calls as one store that takes them one after the other', async () => {
    await expectExplained(team, 100, 13)
  })
})

describe('sqlite > processes of Node, Bun and Deno on one file', async () => {
  const team = await startTeam(['node', 'bun', 'deno', 'node', 'bun', 'deno'], `sqlite:${join(folder, 'mixed.db')}`)
  afterAll(() => team.stop())

  test.each([100, 100])('admit exactly %i of 600 calls, round %#', async (burst) => {
    await expectExact(team, burst, 100)
  })

  test('answer 1,200 mixed calls as one store that takes them one after the other', async () => {
    await expectExplained(team, 20, 10)
  })

  test('tell instants by one clock', async () => {
    const before = Number(process.hrtime.bigint())
    const history = await team.history({ partition: 'clock', seed: 1, callers: 1, operations: 5 })
    const after = Number(process.hrtime.bigint())
    expect(history).toHaveLength(30)
    for (const { invokedAt } of history) {
      expect(invokedAt).toBeGreaterThan(before)
      expect(invokedAt).toBeLessThan(after)
    }
  })
})

/** Each process makes this many calls at once against one new bucket. */
async function expectExact(team: Team, burst: number, calls: number): Promise<void> {
  const { admitted, refused } = await team.consume({ partition: crypto.randomUUID(), burst, calls })
  expect({ admitted, refused }).toEqual({ admitted: burst, refused: team.size * calls - burst })
}

async function expectExplained(team: Team, histories: number, operations: number): Promise<void> {
  for (let i = 0; i < histories; i++) {
    const history = await team.history({ partition: `h${i}`, seed: i * 131, callers: 1, operations })
    expect(history).toHaveLength(team.size * operations)
    expect(anomalies(history)).toEqual([])
  }
}
