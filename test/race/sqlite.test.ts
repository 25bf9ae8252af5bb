import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
// biome-ignore lint/correctness/noUnresolvedImports: Biome 2.5 does not know this module of Node 22.
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import { expectExact, expectExplained } from './expect.ts'
import { anomalies } from './linearizable.ts'
import { startTeam } from './team.ts'

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

  test('admit exactly 100 of 400 calls though another process locks the file for longer than they wait', async () => {
    const locked = lockFor(80)
    const { admitted, refused, outages } = await team.consume({ partition: 'locked', burst: 100, calls: 100 })
    await locked
    expect({ admitted, refused }).toEqual({ admitted: 100, refused: 300 })
    expect(outages).toBeGreaterThan(0)
  })

  test('never answer what an outage before cannot explain, while another process locks the file', async () => {
    let outages = 0
    for (let i = 0; i < 10; i++) {
      const calls = team.history({ partition: `locked${i}`, seed: i * 131, callers: 1, operations: 10 })
      await new Promise((resolve) => setTimeout(resolve, i))
      await lockFor(60)
      const history = await calls
      expect(anomalies(history)).toEqual([])
      outages += history.filter(({ outcome }) => outcome === 'outage').length
    }
    expect(outages).toBeGreaterThan(0)
  })

  async function lockFor(ms: number): Promise<void> {
    const database = new DatabaseSync(join(folder, 'four.db'), { timeout: 1000 })
    try {
      database.exec('begin immediate')
      await new Promise((resolve) => setTimeout(resolve, ms))
      database.exec('rollback')
    } finally {
      database.close()
    }
  }
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
