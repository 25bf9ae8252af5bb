import { describe, expect, test } from 'vitest'
import type { RedisCommand } from '../../adapters/redis/index.ts'
import { casesFor, type StoreHarness } from '../../src/store/conformance.ts'
import type { AtomicStore, Store } from '../../src/store/contract.ts'
import { type Charge, makeRate } from '../../src/store/gcra.ts'
import { redisHarness } from './conformance.ts'
import { sayIfLeftOut } from './left-out.ts'
import { hasRedis } from './server.ts'
import { useRedis } from './use-redis.ts'

/** What stands in a script, and what stands there instead. */
type Slips = Record<string, readonly [string, string]>

/** One slip each in what both scripts do. */
const ofBoth: Slips = {
  'a limit that ends before its boundary': ['nextRest <= toleranceRest', 'nextRest < toleranceRest'],
  'a limit that forgets fractions': ['(ahead == toleranceUs and nextRest <= toleranceRest)', 'ahead == toleranceUs'],
  'a fraction that is not added': ['rest + addRest', 'rest'],
  'a fraction that is not carried': ['nextTat + 1, nextRest - quota', 'nextTat, nextRest - quota'],
  'a fraction that is not written': ["format('%.0f %.0f', tat, rest)", "format('%.0f', tat)"],
  'a fraction that is not read': [
    "tat, rest = string.match(text, '^(%d+) (%d+)$')",
    "tat = string.match(text, '^%d+')",
  ],
  'an idle bucket that keeps its old instant': ['if not tat or tat < nowUs then', 'if not tat then'],
  'a bucket that is never pulled in': ['> farthestUs then', '> 9e15 then'],
  'a bucket that is pulled in a second too early': ['> farthestUs then', '> farthestUs - 1000000 then'],
  'a bucket that is pulled in to where it is full': [
    'tat, rest, pulled = nowUs + toleranceUs, toleranceRest, true',
    'tat, rest, pulled = nowUs, 0, true',
  ],
}

/** In the script of one charge. */
const ofCharge: Slips = {
  'a full bucket that stays full': ['nextTat = nowUs + ARGV[2]', 'nextTat = nowUs'],
  'a bucket in use that is taken for full': [' and (not tat or tat < nowUs) then', ' then'],
  'a charge that fits and is not made': ['tat, rest = nextTat, nextRest\nend', 'end'],
  'a charge that is made though it does not fit': ['if fits then', 'if true then'],
  'a bucket whose fullness is told wrong': ['was = tat - nowUs', 'was = 0'],
  'a fraction that is not told': ['if rest == 0 then was', 'if true then was'],
}

/** In the script of many. */
const ofConsume: Slips = {
  'a refund above the burst': ['if nextTat < nowUs then nextTat, nextRest = nowUs, 0 end', ''],
  'a refund that gives nothing': ['if again == 1 and kind == 0 then', 'if kind == 0 then'],
  'a refused call whose other charges are made': ['if verdict == 1 or pulled then', 'if true then'],
  'a call that only its last charge decides': [
    'if not fits and verdict == 1 then verdict = 0 end',
    'verdict = fits and 1 or 0',
  ],
}

/** What is in one script alone, and how many of the cases run it. */
const CHARGE = { name: 'one charge', mark: 'return was or', runs: 4 }
const CONSUME = { name: 'many', mark: 'local job', runs: 5 }

sayIfLeftOut()

describe.runIf(hasRedis)('redis > the contract convicts', () => {
  const redis = useRedis('ioredis')

  test.each([
    ...Object.entries({ ...ofBoth, ...ofCharge }).map(([slip, words]) => ({ slip, words, ...CHARGE })),
    ...Object.entries({ ...ofBoth, ...ofConsume }).map(([slip, words]) => ({ slip, words, ...CONSUME })),
  ])('$slip, in the script of $name', async ({ words: [right, wrong], mark, runs }) => {
    let slipped = 0
    const send = (command: RedisCommand, key: string): PromiseLike<unknown> => {
      const [name, ...args] = command
      const at = name === 'EVAL' ? 0 : name === 'SCRIPT' ? 1 : -1
      const lua = args[at]
      if (!lua?.includes(mark)) return redis.client.send(command, key)
      expect(lua).toContain(right)
      if (name === 'SCRIPT') slipped++
      return redis.client.send([name, ...args.with(at, lua.replace(right, wrong))], key)
    }
    const harness = mark === CONSUME.mark ? togetherWithAnother(redisHarness({ send })) : redisHarness({ send })
    const cases = casesFor(harness).filter(({ name }) => /random/.test(name))
    expect(cases).toHaveLength(5)
    const noticed: string[] = []
    for (const { name, run } of cases) await run(harness).catch(() => noticed.push(name))
    expect(slipped).toBeGreaterThanOrEqual(runs)
    expect(noticed).not.toEqual([])
  })
})

/** Stores that are never asked for one charge alone: another goes along that costs nothing. */
function togetherWithAnother({ open, ...harness }: StoreHarness): StoreHarness {
  const other: Charge = { name: 'another', rate: makeRate(1, 1), cost: 0 }
  const both = (store: AtomicStore): AtomicStore['consume'] => {
    return async (partition, charges) => {
      const { admitted, states } = await store.consume(partition, [...charges, other])
      return { admitted, states: states.slice(0, -1) }
    }
  }
  const wrapped = (store: Store): Store =>
    new Proxy(store, {
      get(target, field) {
        if (field === 'consume') return both(target as AtomicStore)
        const found: unknown = Reflect.get(target, field)
        return typeof found === 'function' ? (found.bind(target) as unknown) : found
      },
    })
  return { ...harness, open: async (clock) => wrapped(await open(clock)) }
}
