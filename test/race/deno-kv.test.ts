import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { expectExact, expectExplained } from './expect.ts'
import { startTeam } from './team.ts'

describe('deno kv > 4 processes on one file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hinoban-'))
  const team = await startTeam(
    Array.from({ length: 4 }, () => 'deno' as const),
    `deno-kv:${join(folder, 'state.kv')}`,
  )
  afterAll(async () => {
    await team.stop()
    rmSync(folder, { recursive: true })
  })

  test.each([100, 100, 100, 100, 100, 10, 1])('admit exactly %i of 400 calls, round %#', async (burst) => {
    await expectExact(team, burst, 100)
  })

  test('answer 800 mixed calls as one store that takes them one after the other', async () => {
    await expectExplained(team, 20, 10)
  })
})
