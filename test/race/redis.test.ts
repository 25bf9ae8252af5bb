import { afterAll, describe, test } from 'vitest'
import { sayIfLeftOut } from '../redis/left-out.ts'
import { hasRedis, startRedis } from '../redis/server.ts'
import { expectExact, expectExplained } from './expect.ts'
import { startTeam } from './team.ts'

sayIfLeftOut()
if (hasRedis) {
  describe('redis > 4 processes on one server, by node-redis, ioredis, Bun’s client and node-redis on Deno', async () => {
    const server = await startRedis()
    const libraries = ['redis', 'ioredis', 'bun', 'redis']
    const team = await startTeam(
      ['node', 'node', 'bun', 'deno'],
      libraries.map((library) => `redis:${library}:${server.port}`),
    )
    afterAll(async () => {
      await team.stop()
      await server.stop()
    })

    test.each([100, 100, 100, 100, 100, 10, 1])('admit exactly %i of 4,000 calls, round %#', async (burst) => {
      await expectExact(team, burst, 1_000)
    })

    test('answer 6,400 mixed calls as one store that takes them one after the other', async () => {
      await expectExplained(team, 80, 10, 2)
    })
  })
}
