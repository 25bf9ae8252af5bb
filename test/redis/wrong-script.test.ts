import { describe, expect, test } from 'vitest'
import type { RedisCommand } from '../../adapters/redis/index.ts'
import { casesFor } from '../../src/store/conformance.ts'
import { redisHarness } from './conformance.ts'
import { sayIfLeftOut } from './left-out.ts'
import { hasRedis } from './server.ts'
import { useRedis } from './use-redis.ts'

/** One slip each in the script that decides: what stands there, and what stands there instead. */
const slips: Record<string, readonly [string, string]> = {
  'a limit that ends before its boundary': ['nextRest <= toleranceRest', 'nextRest < toleranceRest'],
  'a limit that forgets fractions': ['(ahead == toleranceUs and nextRest <= toleranceRest)', 'ahead == toleranceUs'],
  'a fraction that is not carried': [
    'nextTat, nextRest = nextTat + carry, nextRest',
    'nextTat, nextRest = nextTat, nextRest',
  ],
  'a carry that is rounded up': ['floor(nextRest / quota)', 'math.ceil(nextRest / quota)'],
  'a fraction that is not written': ["format('%.0f %.0f', tat, rest)", "format('%.0f', tat)"],
  'a refund above the burst': ['if nextTat < nowUs then nextTat, nextRest = nowUs, 0 end', ''],
  'a refund of more than the burst that is taken at its word': ['if cost >= -burst then', 'if true then'],
  'an idle bucket that keeps its old instant': ['if not tat or tat < nowUs then', 'if not tat then'],
  'a bucket that is never pulled in': ['+ 60000000 then', '+ 9e15 then'],
  'a bucket that is pulled in a second too early': ['+ 60000000 then', '+ 59000000 then'],
  'a bucket that is pulled in to where it is full': [
    'tat, rest, pulled = nowUs + toleranceUs, toleranceRest, true',
    'tat, rest, pulled = nowUs, 0, true',
  ],
  'a refused call whose other charges are made': ['(verdict == 1 or pulled) and', ''],
  'a call that only its last charge decides': [
    'if not fits and verdict == 1 then verdict = 0 end',
    'verdict = fits and 1 or 0',
  ],
}

sayIfLeftOut()

describe.runIf(hasRedis)('redis > the contract convicts', () => {
  const redis = useRedis('ioredis')

  test.each(Object.entries(slips))('%s', async (_slip, [right, wrong]) => {
    let slipped = 0
    const send = (command: RedisCommand, key: string): PromiseLike<unknown> => {
      const [name, verb, lua] = command
      if (name !== 'SCRIPT' || !lua!.includes('local job')) return redis.client.send(command, key)
      expect(lua).toContain(right)
      slipped++
      return redis.client.send([name, verb!, lua!.replace(right, wrong)], key)
    }
    const cases = casesFor(redisHarness({ send })).filter(({ name }) => /random/.test(name))
    expect(cases).toHaveLength(5)
    const noticed: string[] = []
    for (const { name, run } of cases) await run(redisHarness({ send })).catch(() => noticed.push(name))
    expect(slipped).toBe(cases.length)
    expect(noticed).not.toEqual([])
  })
})
