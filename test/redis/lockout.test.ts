import { afterAll, beforeAll, describe, test } from 'vitest'
import { redisStore } from '../../adapters/redis/index.ts'
import { holdsOn } from '../limit/lockout-script.ts'
import { StoppedClock } from '../support/fixtures.ts'
import { connect, type TestClient } from './clients.ts'
import { sayIfLeftOut } from './left-out.ts'
import { hasRedis, type RedisServer, startRedis } from './server.ts'

sayIfLeftOut()

describe.runIf(hasRedis)('redis > PPL-3', () => {
  let server: RedisServer
  let client: TestClient
  beforeAll(async () => {
    server = await startRedis()
    client = await connect('redis', server.port)
  })
  afterAll(async () => {
    client.close()
    await server.stop()
  })

  test('the fifth wrong password locks, for another process too, until the lock ends', async () => {
    const clock = new StoppedClock(Date.now())
    const open = () => redisStore({ send: client.send, clock, deadlineMs: 5_000 })
    await holdsOn(open(), open, clock)
  })
})
