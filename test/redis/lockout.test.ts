import { describe, test } from 'vitest'
import { redisStore } from '../../adapters/redis/index.ts'
import { holdsOn } from '../limit/lockout-script.ts'
import { StoppedClock } from '../support/fixtures.ts'
import { sayIfLeftOut } from './left-out.ts'
import { hasRedis } from './server.ts'
import { useRedis } from './use-redis.ts'

sayIfLeftOut()

describe.runIf(hasRedis)('redis > PPL-3', () => {
  const redis = useRedis('redis')

  test('the fifth wrong password locks, for another process too, until the lock ends', async () => {
    const clock = new StoppedClock(Date.now())
    const open = () => redisStore({ send: redis.client.send, clock, deadlineMs: 5_000 })
    await holdsOn(open(), open, clock)
  })
})
