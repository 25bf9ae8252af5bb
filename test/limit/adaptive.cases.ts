import assert from 'node:assert/strict'
import { AdaptiveLimit, type Admission, FIRST_LIMIT, MAX_LIMIT, MIN_LIMIT } from '../../src/limit/adaptive.ts'
import { type Case, cases } from '../cases.ts'
import { exponential, type Job, type Load, loop, meanLimit, pool, seeded, servedPerSecond } from './adaptive.models.ts'

const nobody = (): boolean => false

/** Jobs of one kind that all take as long. */
function steady(ms: number): Load['job'] {
  return () => ({ kind: '2 GET /', ms })
}

/** Jobs of one kind that take this long on average, some much longer. */
function varied(ms: number): Load['job'] {
  return (_at, random) => ({ kind: '2 GET /', ms: exponential(ms, random) })
}

/** A pool that is overloaded this many times, and what share of its capacity it serves once it has settled. */
function poolShare(workers: number, ms: number, times: number, job: Load['job'], seconds = 20): number {
  const capacity = (workers * 1000) / ms
  const life = pool(workers, { perSecond: () => capacity * times, seconds, job })
  return servedPerSecond(life, seconds / 2) / (capacity * Math.min(1, times))
}

/** So many requests come at once, and all are answered after this time, each in a turn of its own. */
function round(limit: AdaptiveLimit, now: number, requests: number, ms: number): number {
  const inside = Array.from({ length: requests }, () => limit.enter(now, nobody)).filter((one) => one !== null)
  for (const admission of inside) limit.leave([{ admission, kind: 'a' }], now + ms)
  return now + ms
}

export const adaptiveCases: readonly Case[] = [
  ...cases('LIM-6', {
    'a server that waits for a pool serves what it can under three and ten times its capacity': () => {
      for (const [workers, ms] of [
        [1, 20],
        [4, 100],
        [16, 20],
        [50, 50],
      ] as const) {
        for (const times of [3, 10]) {
          assert.ok(poolShare(workers, ms, times, steady(ms)) > 0.9, `${workers} of ${ms} ms, ${times} times`)
          assert.ok(poolShare(workers, ms, times, varied(ms)) > 0.85, `${workers} of about ${ms} ms, ${times} times`)
        }
      }
    },
    'the limit falls from above to near what a pool can serve at once, and requests take little longer than alone':
      () => {
        const life = pool(16, { perSecond: () => 2400, seconds: 20, job: steady(20) })
        const limit = meanLimit(life, 5)
        assert.ok(limit > 16 && limit < 32, `${limit}`)
        assert.ok(Math.max(...life.slice(5).map(({ longestMs }) => longestMs)) < 50)
      },
    'the limit grows from below to what a larger pool can serve at once': () => {
      const life = pool(400, { perSecond: () => 12_000, seconds: 12, job: steady(100) })
      assert.ok(life[0]!.limit < 400, `${life[0]!.limit}`)
      const limit = meanLimit(life, 6)
      assert.ok(limit > 380 && limit < 800, `${limit}`)
      assert.ok(servedPerSecond(life, 6) > 3600)
    },
    'a server that computes serves what it can under three times its capacity, in short turns': () => {
      const life = loop(0.1, { perSecond: () => 1000, seconds: 20, job: steady(3) })
      // Three times the capacity are 1,000 a second; refusing two thirds of them takes 7% of the time.
      assert.ok(servedPerSecond(life, 5) > 0.85 * 333)
      assert.ok(Math.max(...life.slice(5).map(({ longestMs }) => longestMs)) < 35)
    },
    'a load below the capacity is not shed, whether the server waits or computes': () => {
      for (const job of [steady(20), varied(20)]) {
        const life = pool(16, { perSecond: () => 500, seconds: 20, job })
        assert.equal(
          life.reduce((sum, { shed }) => sum + shed, 0),
          0,
        )
      }
      const life = loop(0.1, { perSecond: () => 200, seconds: 20, job: steady(3) })
      assert.equal(
        life.reduce((sum, { shed }) => sum + shed, 0),
        0,
      )
    },
    'after an overload everything is served again at once': () => {
      const perSecond = (at: number): number => (at > 5000 && at < 10_000 ? 2400 : 400)
      const life = pool(16, { perSecond, seconds: 16, job: steady(20) })
      assert.ok(life.slice(6, 9).every(({ shed }) => shed > 1000))
      assert.equal(
        life.slice(11).reduce((sum, { shed }) => sum + shed, 0),
        0,
      )
    },
    'what is behind the server becomes three times slower: as much is served as it can then': () => {
      const job = (at: number): Job => ({ kind: '2 GET /', ms: at < 10_000 ? 20 : 60 })
      const life = pool(16, { perSecond: () => 2400, seconds: 40, job })
      assert.ok(servedPerSecond(life, 5, 10) > 0.9 * 800)
      assert.ok(servedPerSecond(life, 20) > 0.85 * 267, `${servedPerSecond(life, 20)}`)
    },
    'what is behind the server becomes three times faster: as much is served as it can then': () => {
      const job = (at: number): Job => ({ kind: '2 GET /', ms: at < 10_000 ? 60 : 20 })
      const life = pool(16, { perSecond: () => 2400, seconds: 30, job })
      assert.ok(servedPerSecond(life, 15) > 0.9 * 800, `${servedPerSecond(life, 15)}`)
    },
    'slowness that has another cause than load sheds nothing for long': () => {
      // 60 at once are slow because of what they ask, and there are places for 1,000.
      const job = (at: number): Job => ({ kind: '2 GET /', ms: at < 10_000 ? 100 : 300 })
      const life = pool(1000, { perSecond: () => 600, seconds: 40, job })
      const shed = life.slice(20).reduce((sum, second) => sum + second.shed, 0)
      assert.ok(shed < 0.01 * 600 * 20, `${shed}`)
    },
    'routes of fifty times unlike cost share one limit, and neither is starved': () => {
      const job = (_at: number, random: () => number): Job =>
        random() < 0.5 ? { kind: '2 GET /cheap', ms: 2 } : { kind: '2 POST /dear', ms: 100 }
      // Capacity is 16 by 51 ms on average.
      assert.ok(poolShare(16, 51, 3, job) > 0.85)
      assert.ok(poolShare(16, 51, 0.7, job) > 0.97)
    },
    'when cheap requests give way to dear ones, that alone is no overload': () => {
      const job = (at: number): Job =>
        at < 10_000 ? { kind: '2 GET /cheap', ms: 2 } : { kind: '2 POST /dear', ms: 100 }
      const life = pool(100, { perSecond: () => 500, seconds: 20, job })
      assert.equal(
        life.reduce((sum, { shed }) => sum + shed, 0),
        0,
      )
    },
    'a route that answers now from a cache and now from a model is not taken for overloaded': () => {
      const job = (_at: number, random: () => number): Job => ({ kind: '2 GET /', ms: random() < 0.6 ? 1 : 100 })
      assert.ok(poolShare(100, 40.6, 0.7, job) > 0.97)
      assert.ok(poolShare(100, 40.6, 3, job) > 0.85)
    },
    'a pool that was never seen but overloaded is found to be, whatever seemed usual': () => {
      const life = pool(4, { perSecond: () => 600, seconds: 15, job: steady(20) })
      const longest = Math.max(...life.slice(8).map(({ longestMs }) => longestMs))
      assert.ok(longest < 100, `${longest}`)
    },
    'a server that starts under overload finds its limit': () => {
      const life = loop(0.1, { perSecond: () => 1000, seconds: 10, job: steady(3) })
      assert.ok(life[4]!.limit <= 10, `${life[4]!.limit}`)
      assert.ok(life[4]!.longestMs < 60, `${life[4]!.longestMs}`)
    },
    'the privileged are served while others are shed': () => {
      const job = (_at: number, random: () => number): Job => ({
        kind: '2 GET /',
        ms: 20,
        isPrivileged: random() < 0.05,
      })
      for (const life of [
        pool(16, { perSecond: () => 2400, seconds: 20, job }),
        loop(0.1, { perSecond: () => 150, seconds: 20, job }),
      ]) {
        assert.ok(life.reduce((sum, { shed }) => sum + shed, 0) > 1000)
        assert.equal(
          life.reduce((sum, { privilegedShed }) => sum + privilegedShed, 0),
          0,
        )
      }
    },
    'a flood that calls itself privileged is shed as well, at twice the limit': () => {
      const job = (): Job => ({ kind: '2 GET /', ms: 20, isPrivileged: true })
      const life = pool(16, { perSecond: () => 2400, seconds: 20, job })
      assert.ok(life.reduce((sum, { privilegedShed }) => sum + privilegedShed, 0) > 10_000)
      assert.ok(servedPerSecond(life, 10) > 0.85 * 800)
    },
  }),
  ...cases('AdaptiveLimit', {
    'lets in as many as the first limit at once, and asks for privilege only then': () => {
      const limit = new AdaptiveLimit()
      let asked = 0
      const isPrivileged = (): boolean => {
        asked += 1
        return asked > 1
      }
      for (let i = 0; i < FIRST_LIMIT; i++) assert.ok(limit.enter(0, isPrivileged))
      assert.equal(asked, 0)
      assert.equal(limit.enter(0, isPrivileged), null)
      for (let i = 0; i < FIRST_LIMIT; i++) assert.ok(limit.enter(0, isPrivileged))
      assert.equal(limit.enter(0, isPrivileged), null)
      assert.equal(limit.size, 2 * FIRST_LIMIT)
    },
    'stays within its bounds, whatever it measures, and a request leaves once': () => {
      const random = seeded(3)
      for (let run = 0; run < 20; run++) {
        const limit = new AdaptiveLimit()
        let now = 0
        let inside: { admission: Admission; kind: string }[] = []
        for (let step = 0; step < 5000; step++) {
          // Clocks step back and far ahead, and answers come in any order.
          now += random() < 0.01 ? (random() - 0.5) * 1e7 : exponential(run + 1, random)
          const admission = limit.enter(now, () => random() < 0.3)
          if (admission) inside.push({ admission, kind: `2 GET /${Math.floor(random() * 5)}` })
          if (random() < 0.6) {
            const gone = inside.splice(0, Math.ceil(random() * 4))
            limit.leave([...gone, ...gone], now, random() < 0.1 ? 100 : 1)
            limit.leave(gone, now)
          }
          assert.ok(limit.limit >= MIN_LIMIT && limit.limit <= MAX_LIMIT, `${limit.limit}`)
          assert.ok(Number.isFinite(limit.limit))
          if (limit.size < inside.length) inside = inside.slice(inside.length - limit.size)
        }
        assert.equal(limit.kinds <= 5, true)
      }
    },
    'never falls below its least, when every answer is slower than the one before': () => {
      const limit = new AdaptiveLimit()
      for (let now = 0, ms = 1; ms < 50_000; ms *= 1.05) {
        const inside = Array.from({ length: limit.limit }, () => limit.enter(now, nobody)!)
        now += ms
        for (const admission of inside) limit.leave([{ admission, kind: 'a' }], now, ms)
        assert.ok(limit.limit >= MIN_LIMIT)
      }
    },
    'returns to where it was when the load goes while it probes': () => {
      const limit = new AdaptiveLimit()
      let now = 0
      while (limit.limit > FIRST_LIMIT / 2) now = round(limit, now, 200, 20)
      for (let i = 0; i < 200; i++) now = round(limit, now, 1, 20)
      assert.ok(limit.limit >= FIRST_LIMIT, `${limit.limit}`)
    },
    'goes on probing when the clock was set back an hour': () => {
      const limit = new AdaptiveLimit()
      let now = 7_200_000
      const highest = (until: number): { from: number; to: number } => {
        let [from, to] = [limit.limit, limit.limit]
        while (now < until) {
          now = round(limit, now, 2 * limit.limit, 20 + limit.limit)
          if (limit.limit < from) from = limit.limit
          to = Math.max(to, limit.limit)
        }
        return { from, to }
      }
      highest(now + 15_000)
      now -= 3_600_000
      const { from, to } = highest(now + 15_000)
      assert.ok(from <= to / 2, `${from} of ${to}`)
    },
    'forgets after a minute what was never answered, and counts it no second time': () => {
      const limit = new AdaptiveLimit()
      const lost = Array.from({ length: FIRST_LIMIT }, () => limit.enter(0, nobody)!)
      assert.equal(limit.enter(59_999, nobody), null)
      const admission = limit.enter(60_000, nobody)
      assert.ok(admission)
      assert.equal(limit.size, 1)
      limit.leave(
        lost.map((one) => ({ admission: one, kind: 'a' })),
        60_001,
      )
      assert.equal(limit.size, 1)
      assert.equal(limit.kinds, 0)
    },
  }),
]
