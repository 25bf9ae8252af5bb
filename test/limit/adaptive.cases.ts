import assert from 'node:assert/strict'
import { AdaptiveLimit, type Admission, MIN_LIMIT } from '../../src/limit/adaptive.ts'
import { type Case, cases } from '../cases.ts'
import {
  boundless,
  exponential,
  type Job,
  type Load,
  loop,
  meanLimit,
  pool,
  type Second,
  seeded,
  servedPerSecond,
  shedIn,
} from './adaptive.models.ts'

const nobody = (): boolean => false

/** Jobs of one kind that all take as long. */
function steady(ms: number): Load['job'] {
  return () => ({ kind: '2 GET /', ms })
}

/** Jobs of one kind that take this long on average, some much longer. */
function varied(ms: number): Load['job'] {
  return (_at, random) => ({ kind: '2 GET /', ms: exponential(ms, random) })
}

/** Jobs that take from so long to so long. */
function between(least: number, most: number, kind = '2 GET /'): Load['job'] {
  return (_at, random) => ({ kind, ms: least + (most - least) * random() })
}

/** Jobs of one kind that take either so long or so long. */
function either(share: number, ms: number, otherMs: number): Load['job'] {
  return (_at, random) => ({ kind: '2 GET /', ms: random() < share ? ms : otherMs })
}

const longest = (life: readonly Second[], from: number): number =>
  Math.max(...life.slice(from).map(({ longestMs }) => longestMs))

/** Asserts that nobody is refused, whatever chance does. */
function refusesNobody(load: Load, clockAt?: (at: number) => number): void {
  for (const seed of [1, 2, 3]) assert.equal(shedIn(boundless({ ...load, seed }, clockAt)), 0, `seed ${seed}`)
}

/** Turns of the event loop one after the other, of so many requests each. */
function compute(limit: AdaptiveLimit, now: number, turns: number, requests: number, turnMs: number): number {
  for (let i = 0; i < turns; i++) {
    const inside = Array.from({ length: requests }, () => limit.enter(now, nobody)).filter((one) => one !== null)
    now += turnMs
    limit.leave(
      inside.map((admission) => ({ admission, kind: 'a' })),
      now,
      turnMs,
    )
  }
  return now
}

export const adaptiveCases: readonly Case[] = [
  ...cases('LIM-6', {
    'a server that waits for a pool serves what it can under three and ten times its capacity': () => {
      for (const [workers, ms] of [
        [4, 100],
        [10, 20],
        [50, 50],
      ] as const) {
        for (const job of [steady(ms), varied(ms)]) {
          for (const times of [3, 10]) {
            const capacity = (workers * 1000) / ms
            const perSecond = (at: number): number => capacity * (at < 8000 ? 0.7 : times)
            const life = pool(workers, { perSecond, seconds: 40, job })
            const text = `${workers} of ${ms} ms, ${times} times`
            assert.equal(shedIn(life, 0, 8), 0, text)
            assert.ok(servedPerSecond(life, 8) > 0.9 * capacity, text)
            // All that came before the limit was found has gone: nobody waits for long.
            assert.ok(longest(life, 30) < 20 * ms, `${text}: ${longest(life, 30)}`)
          }
        }
      }
    },
    'a server that starts under overload serves what it can, and nobody waits for long once what came first has gone':
      () => {
        for (const job of [steady(20), varied(20)]) {
          const life = pool(10, { perSecond: () => 1500, seconds: 20, job })
          assert.ok(servedPerSecond(life, 0) > 0.9 * 500)
          assert.ok(longest(life, 5) < 300, `${longest(life, 5)}`)
          const limit = meanLimit(life, 5)
          assert.ok(limit > 10 && limit < 60, `${limit}`)
        }
        const life = loop(0.1, { perSecond: () => 1000, seconds: 10, job: steady(3) })
        assert.ok(longest(life, 2) < 60, `${longest(life, 2)}`)
      },
    'the limit is found for a large pool as well': () => {
      const life = pool(400, { perSecond: () => 12_000, seconds: 10, job: steady(100) })
      assert.ok(servedPerSecond(life, 1) > 3900)
      assert.ok(longest(life, 7) < 400, `${longest(life, 7)}`)
    },
    'a server that computes serves what it can under three times its capacity, in short turns': () => {
      // Three times the capacity are 1,000 a second; refusing two thirds of them takes 7% of the time.
      const life = loop(0.1, { perSecond: () => 1000, seconds: 20, job: steady(3) })
      assert.ok(servedPerSecond(life, 2) > 0.85 * 333)
      assert.ok(longest(life, 2) < 40, `${longest(life, 2)}`)
      const dear = loop(0.1, { perSecond: () => 30, seconds: 40, job: steady(100) })
      assert.ok(servedPerSecond(dear, 5) > 9)
      assert.ok(longest(dear, 10) < 1500, `${longest(dear, 10)}`)
    },
    'a server that computes refuses the most under ten times its capacity, and answers all in good time': () => {
      const life = loop(0.1, { perSecond: () => 3333, seconds: 20, job: steady(3) })
      // Refusing takes 30% of the time.
      assert.ok(servedPerSecond(life, 6) > 0.6 * 333)
      assert.ok(longest(life, 6) < 60, `${longest(life, 6)}`)
    },
    'a load below the capacity is not shed, whether the server waits or computes': () => {
      for (const job of [steady(20), varied(20)]) {
        assert.equal(shedIn(pool(16, { perSecond: () => 500, seconds: 20, job })), 0)
      }
      assert.equal(shedIn(loop(0.1, { perSecond: () => 200, seconds: 20, job: steady(3) })), 0)
      assert.equal(shedIn(loop(0.1, { perSecond: () => 30, seconds: 20, job: steady(20) })), 0)
    },
    'after an overload everything is served again within two seconds': () => {
      const perSecond = (at: number): number => (at > 5000 && at < 10_000 ? 2400 : 400)
      const life = pool(16, { perSecond, seconds: 16, job: steady(20) })
      assert.ok(life.slice(6, 9).every(({ shed }) => shed > 1000))
      assert.equal(shedIn(life, 11), 0)
      assert.equal(life.at(-1)!.limit, Number.POSITIVE_INFINITY)
      const computing = loop(0.1, {
        perSecond: (at) => (at > 5000 && at < 10_000 ? 1000 : 100),
        seconds: 16,
        job: steady(3),
      })
      assert.ok(shedIn(computing, 5, 10) > 2000)
      assert.equal(shedIn(computing, 12), 0)
    },
    'what is behind the server becomes three times slower or faster under overload: as much is served as it can then':
      () => {
        for (const [before, after] of [
          [20, 60],
          [60, 20],
        ] as const) {
          const job = (at: number): Job => ({ kind: '2 GET /', ms: at < 10_000 ? before : after })
          const life = pool(16, { perSecond: () => 2400, seconds: 40, job })
          assert.ok(servedPerSecond(life, 1, 10) > (0.9 * 16_000) / before)
          assert.ok(servedPerSecond(life, 20) > (0.9 * 16_000) / after, `${servedPerSecond(life, 20)}`)
        }
      },
    'routes of fifty times unlike cost share one limit, and neither is starved': () => {
      const job = (_at: number, random: () => number): Job =>
        random() < 0.5 ? { kind: '2 GET /cheap', ms: 2 } : { kind: '2 POST /dear', ms: 100 }
      // Capacity is 16 by 51 ms on average.
      const capacity = 16_000 / 51
      const life = pool(16, { perSecond: () => 3 * capacity, seconds: 20, job })
      assert.ok(servedPerSecond(life, 5) > 0.9 * capacity)
      assert.ok(longest(life, 6) < 400, `${longest(life, 6)}`)
      assert.equal(shedIn(pool(16, { perSecond: () => 0.7 * capacity, seconds: 20, job })), 0)
    },
    'a route that answers now from a cache and now from a model refuses nobody while there is room': () => {
      refusesNobody({ perSecond: () => 120, seconds: 120, job: either(0.5, 1, 5000) })
      refusesNobody({ perSecond: () => 120, seconds: 120, job: either(0.5, 20, 2000) })
      refusesNobody({ perSecond: () => 300, seconds: 120, job: either(0.9, 2, 5000) })
      refusesNobody({ perSecond: (at) => (at < 60_000 ? 60 : 120), seconds: 120, job: either(0.5, 20, 2000) })
      refusesNobody({
        perSecond: () => 300,
        seconds: 120,
        job: (at, random) => ({ kind: 'a', ms: random() < (at < 60_000 ? 0.9 : 0.1) ? 2 : 5000 }),
      })
      assert.ok(
        servedPerSecond(pool(100, { perSecond: () => 7390, seconds: 20, job: either(0.6, 1, 100) }), 5) > 0.85 * 2463,
      )
    },
    'hundreds of calls of some seconds refuse nobody, from the first on and when ten times as many come': () => {
      refusesNobody({ perSecond: () => 60, seconds: 60, job: between(4000, 6000) })
      refusesNobody({ perSecond: (at) => (at < 30_000 ? 60 : 600), seconds: 60, job: between(4000, 6000) })
    },
    'what waits for something else for ever refuses nobody': () => {
      for (const share of [0.03, 0.17, 0.9]) {
        refusesNobody({
          perSecond: () => 120,
          seconds: 120,
          job: (at, random) =>
            at > 30_000 && random() < share ? { kind: 'hangs', ms: 61_000 } : { kind: 'quick', ms: 10 },
        })
      }
    },
    'slowness that has another cause than load refuses nobody: ten times at once, step by step, now and then': () => {
      const slower =
        (times: (at: number) => number): Load['job'] =>
        (at, random) => ({ kind: 'a', ms: 50 * times(at) * (0.8 + 0.4 * random()) })
      const load = { perSecond: () => 400, seconds: 80 }
      refusesNobody({ ...load, job: slower((at) => (at < 20_000 ? 1 : 10)) })
      refusesNobody({ ...load, perSecond: () => 4000, seconds: 30, job: slower((at) => (at < 20_000 ? 1 : 10)) })
      refusesNobody({ ...load, job: slower((at) => 1 + Math.min(9, Math.max(0, at - 20_000) / 2000)) })
      refusesNobody({ ...load, job: slower((at) => (Math.floor(at / 15_000) % 2 === 0 ? 1 : 3)) })
    },
    'what looks like a line and is none refuses some for a few seconds alone': () => {
      // Answers grow slower as fast as under overload, and then stay as slow.
      const job = (at: number): Job => ({ kind: 'a', ms: 50 + 0.7 * Math.min(10_000, Math.max(0, at - 20_000)) })
      const life = boundless({ perSecond: () => 400, seconds: 90, job })
      assert.equal(shedIn(life, 0, 20), 0)
      assert.equal(shedIn(life, 60), 0, `${life.map(({ shed }) => shed)}`)
      assert.ok(shedIn(life) < 9000, `${shedIn(life)}`)
    },
    'bursts, and cheap requests that give way to dear ones, refuse nobody while there is room': () => {
      refusesNobody({ perSecond: (at) => (at % 10_000 < 500 ? 1000 : 20), seconds: 60, job: between(25, 75) })
      refusesNobody({
        perSecond: () => 500,
        seconds: 20,
        job: (at) => (at < 10_000 ? { kind: '2 GET /cheap', ms: 2 } : { kind: '2 POST /dear', ms: 100 }),
      })
    },
    'a clock that is set an hour ahead or back refuses nobody': () => {
      for (const hour of [3_600_000, -3_600_000]) {
        refusesNobody({ perSecond: () => 300, seconds: 40, job: between(25, 75) }, (at) =>
          at < 20_000 ? at : at + hour,
        )
      }
    },
    'the privileged are served while others are shed, once what came before the limit has gone': () => {
      const job = (_at: number, random: () => number): Job => ({
        kind: '2 GET /',
        ms: 20,
        isPrivileged: random() < 0.05,
      })
      for (const life of [
        pool(16, { perSecond: () => 2400, seconds: 20, job }),
        loop(0.1, { perSecond: () => 150, seconds: 20, job }),
      ]) {
        assert.ok(shedIn(life) > 1000)
        assert.equal(
          life.slice(4).reduce((sum, { privilegedShed }) => sum + privilegedShed, 0),
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
    'lets any number in without evidence, and asks nobody for privilege': () => {
      const limit = new AdaptiveLimit()
      for (let i = 0; i < 5000; i++) assert.ok(limit.enter(i, assert.fail))
      assert.equal(limit.limit, Number.POSITIVE_INFINITY)
    },
    'takes slow turns for overload when they follow each other, with several requests in each': () => {
      const limited = new AdaptiveLimit()
      compute(limited, 0, 8, 20, 60)
      assert.equal(limited.limit, MIN_LIMIT)
      const proportional = new AdaptiveLimit()
      compute(proportional, 0, 8, 100, 60)
      assert.equal(proportional.limit, 25)
    },
    'takes no lone, quick or single slow turns for overload, however many': () => {
      const lone = new AdaptiveLimit()
      for (let now = 0, i = 0; i < 100; i++) now = compute(lone, now, 1, 20, 60) + 100
      assert.equal(lone.limit, Number.POSITIVE_INFINITY)
      const quick = new AdaptiveLimit()
      compute(quick, 0, 100, 20, 14)
      assert.equal(quick.limit, Number.POSITIVE_INFINITY)
      const single = new AdaptiveLimit()
      compute(single, 0, 100, 1, 60)
      assert.equal(single.limit, Number.POSITIVE_INFINITY)
      const hourly = new AdaptiveLimit()
      for (let now = 0, i = 0; i < 50; i++) now = compute(hourly, now, 1, 1, 20) + 3_600_000
      assert.equal(hourly.limit, Number.POSITIVE_INFINITY)
    },
    'above the limit the privileged have as many places again, and at least ten': () => {
      const limit = new AdaptiveLimit()
      const now = compute(limit, 0, 8, 20, 60)
      for (let i = 0; i < MIN_LIMIT; i++) assert.ok(limit.enter(now, assert.fail))
      assert.equal(limit.enter(now, nobody), null)
      for (let i = 0; i < 10; i++) assert.ok(limit.enter(now, () => true))
      assert.equal(
        limit.enter(now, () => true),
        null,
      )
      assert.equal(limit.size, MIN_LIMIT + 10)
    },
    'goes when turns stay as slow with a fraction of the requests, and is not set again for ten seconds': () => {
      const limit = new AdaptiveLimit()
      let now = compute(limit, 0, 8, 100, 60)
      assert.equal(limit.limit, 25)
      const lifted = (): boolean => limit.limit === Number.POSITIVE_INFINITY
      while (!lifted() && now < 5000) now = compute(limit, now, 1, 100, 60)
      assert.ok(now < 1500, `${now}`)
      const until = now + 9900
      while (now < until) now = compute(limit, now, 1, 100, 60)
      assert.ok(lifted())
      for (const last = now + 1000; lifted() && now < last; ) now = compute(limit, now, 1, 100, 60)
      assert.ok(!lifted())
    },
    'grows while nothing is answered by which it could be judged': () => {
      const limit = new AdaptiveLimit()
      let now = compute(limit, 0, 8, 20, 60)
      let refused = 0
      // Somebody asks every 10 ms, and nothing is ever answered.
      for (const until = now + 10_000; now < until; now += 10) if (limit.enter(now, nobody) === null) refused += 1
      assert.ok(refused > 0 && limit.size < 1000)
      assert.ok(limit.limit > MIN_LIMIT, `${limit.limit}`)
    },
    'goes after a second without a refusal, also when the clock was set an hour back': () => {
      for (const later of [1001, -3_600_000]) {
        const limit = new AdaptiveLimit()
        const now = compute(limit, 4_000_000, 8, 20, 60)
        const inside = Array.from({ length: 50 }, () => limit.enter(now + later, assert.fail))
        assert.ok(inside.every((one) => one !== null))
      }
    },
    'what waits in a line is not in, and is in again afterwards, however many are': () => {
      const limit = new AdaptiveLimit()
      const now = compute(limit, 0, 8, 20, 60)
      const inside = Array.from({ length: MIN_LIMIT }, () => limit.enter(now, nobody)!)
      assert.equal(limit.enter(now, nobody), null)
      limit.pause(inside[0]!)
      assert.ok(limit.enter(now, nobody))
      const resumed = limit.resume(now)
      assert.equal(limit.size, MIN_LIMIT + 1)
      limit.leave([{ admission: inside[0]!, kind: 'a' }], now)
      assert.equal(limit.size, MIN_LIMIT + 1)
      limit.leave([{ admission: resumed, kind: 'a' }], now)
      assert.equal(limit.size, MIN_LIMIT)
    },
    'never falls below its least, whatever it measures, and a request leaves once': () => {
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
          assert.ok(limit.limit >= MIN_LIMIT, `${limit.limit}`)
          if (limit.size < inside.length) inside = inside.slice(inside.length - limit.size)
        }
        assert.equal(limit.kinds <= 5, true)
      }
    },
    'under overload forgets after a second what is never answered, and counts it no second time': () => {
      const limit = new AdaptiveLimit()
      const now = compute(limit, 0, 8, 20, 60)
      const lost = Array.from({ length: MIN_LIMIT }, () => limit.enter(now, nobody)!)
      for (const ms of [500, 999]) assert.equal(limit.enter(now + ms, nobody), null)
      assert.ok(limit.enter(now + 1000, nobody))
      assert.equal(limit.size, 1)
      limit.leave(
        lost.map((admission) => ({ admission, kind: 'a' })),
        now + 1001,
      )
      assert.equal(limit.size, 1)
    },
  }),
]
