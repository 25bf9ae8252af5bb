import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { decideByTokens, TokenBucket } from '../../src/store/conformance/token-bucket.ts'
import { type Bucket, type BucketState, checkCharges, decide, makeRate, type Rate, step } from '../../src/store/gcra.ts'
import { type Case, cases } from '../cases.ts'

const START = 1_780_000_000_000
const HOUR = 3_600_000
const RUNS = { seed: 7, numRuns: 200 }

/** One bucket that is charged again and again. */
class Meter {
  readonly #rate: Rate
  #bucket: Bucket | null = null

  constructor(rate: Rate) {
    this.#rate = rate
  }

  charge(cost: number, nowMs: number): { admitted: boolean; state: BucketState } {
    const charge = { name: 'n', rate: this.#rate, cost }
    const { decision, buckets } = decide([charge], nowMs, () => this.#bucket)
    this.#bucket = buckets[0] ?? this.#bucket
    return { admitted: decision.admitted, state: decision.states[0]! }
  }

  peek(cost: number, nowMs: number): boolean {
    return step(this.#bucket, this.#rate, cost, nowMs).admitted
  }
}

/** Any share alike: of `fc.double` most would be next to nothing. */
const between = (least: number, greatest: number): fc.Arbitrary<number> =>
  fc.integer({ min: least * 1e6, max: greatest * 1e6 }).map((millionths) => millionths / 1e6)
const rates = fc
  .tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 86_400 }), fc.integer({ min: 1, max: 5000 }))
  .filter(([quota, period, burst]) => (burst / quota) * period < 366 * 86_400)
  .map(([quota, period, burst]) => makeRate(quota, period, burst))
const oddRates = fc
  .tuple(fc.integer({ min: 1, max: 97 }), fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 1, max: 20 }))
  .map(([quota, periodUs, burst]) => makeRate(quota, periodUs / 1e6, burst))
/** Primes up to where a quota times its burst no longer has an exact number, over periods that they do not divide. */
const hugeRates = fc
  .tuple(
    fc.constantFrom(2, 7, 97, 999_983, 94_906_249, 1_099_511_627_791, 4_503_599_627_370_449),
    fc.integer({ min: 1, max: 366 * 86_400 * 1e6 }),
    between(0, 1),
  )
  .map(([quota, periodUs, share]) => {
    const most = Math.min(Number.MAX_SAFE_INTEGER / quota - 1, (quota / periodUs) * 3e13)
    return makeRate(quota, periodUs / 1e6, Math.max(1, Math.floor(share * most)))
  })
const anyRate = fc.oneof(rates, oddRates, hugeRates)

/** Costs as shares of the burst and pauses as shares of what refills it, so that schedules run near the limit. */
const schedule = (least: number) =>
  fc.array(
    fc.record({
      share: between(least, 0.7),
      pause: between(0, 0.5),
    }),
    {
      minLength: 1,
      maxLength: 60,
    },
  )

function costOf(rate: Rate, share: number): number {
  return share < 0 ? Math.floor(share * rate.burst) : Math.ceil(share * rate.burst)
}

function pauseMs(rate: Rate, share: number): number {
  return Math.round(((share * rate.burst * rate.periodUs) / rate.quota / 1000) * 8) / 8
}

function most(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

/** Milliseconds that read as this microsecond: its middle, as its beginning may have no exact number. */
function instant(us: number): number {
  return (us + 0.5) / 1000
}

export const gcraCases: readonly Case[] = [
  ...cases('makeRate()', {
    'throws RangeError naming the setting': () => {
      for (const bad of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        assert.throws(() => makeRate(bad, 60), { name: 'RangeError', message: /^quota / })
        assert.throws(() => makeRate(1, 60, bad), { name: 'RangeError', message: /^burst / })
      }
      for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-7, 367 * 86_400]) {
        assert.throws(() => makeRate(1, bad), { name: 'RangeError', message: /^periodSeconds / })
      }
      assert.throws(() => makeRate(2 ** 40, 60), { name: 'RangeError', message: /^quota times burst / })
      assert.throws(() => makeRate(1, 86_400, 367), { name: 'RangeError', message: /^burst times periodSeconds / })
      makeRate(1, 86_400, 366)
    },
    'takes the quota as burst unless told': () => {
      assert.equal(makeRate(7, 60).burst, 7)
      assert.equal(makeRate(7, 60, 3).burst, 3)
    },
  }),
  ...cases('step()', {
    'admits the burst at once and not one more': () => {
      for (const quota of [1, 3, 7, 30, 100, 999, 1_000_000]) {
        const meter = new Meter(makeRate(quota, 60, Math.min(quota, 1000)))
        let admitted = 0
        for (let i = 0; i <= Math.min(quota, 1000); i++) if (meter.charge(1, START).admitted) admitted++
        assert.equal(admitted, Math.min(quota, 1000))
      }
    },
    'admits 7 of a quota of 7 a minute in each of a thousand minutes': () => {
      const meter = new Meter(makeRate(7, 60))
      let admitted = 0
      for (let minute = 0; minute < 1000; minute++) {
        for (let i = 0; i < 8; i++) if (meter.charge(1, START + minute * 60_000).admitted) admitted++
      }
      assert.equal(admitted, 7000)
    },
    'changes no argument': () => {
      const bucket = Object.freeze({ tatUs: START * 1000 + 5, rest: 3 })
      step(bucket, Object.freeze(makeRate(7, 60)), 1, START)
    },
    'decides as an exact token bucket does and tells its state, refunds included': () => {
      fc.assert(
        fc.property(anyRate, schedule(-0.4), (rate, schedules) => {
          const meter = new Meter(rate)
          const bucket = new TokenBucket(rate)
          let now = START
          for (const { share, pause } of schedules) {
            now += pauseMs(rate, pause)
            const cost = costOf(rate, share)
            const { admitted, state } = meter.charge(cost, now)
            bucket.advance(now)
            assert.deepEqual({ admitted, states: [state] }, decideByTokens([bucket], [cost]))
          }
        }),
        RUNS,
      )
    },
    'never admits more than burst + rate · t in any window, and what was given back in it': () => {
      fc.assert(
        fc.property(anyRate, schedule(-0.4), (rate, schedules) => {
          const meter = new Meter(rate)
          const made: { at: number; cost: number }[] = []
          let now = START
          for (const { share, pause } of schedules) {
            now += pauseMs(rate, pause)
            const cost = costOf(rate, share)
            if (meter.charge(cost, now).admitted) made.push({ at: now, cost })
          }
          for (const [i, first] of made.entries()) {
            let spent = 0n
            let returned = 0n
            for (const { at, cost } of made.slice(i)) {
              if (cost > 0) spent += BigInt(cost)
              else returned -= BigInt(cost)
              const windowUs = BigInt(Math.floor(at * 1000) - Math.floor(first.at * 1000))
              const period = BigInt(rate.periodUs)
              assert.ok(spent * period <= (BigInt(rate.burst) + returned) * period + windowUs * BigInt(rate.quota))
            }
          }
        }),
        RUNS,
      )
    },
    'admits at the microsecond at which a charge fits, not one before': () => {
      fc.assert(
        fc.property(anyRate, schedule(0), (rate, schedules) => {
          const meter = new Meter(rate)
          let nowUs = START * 1000
          let owed = 0n
          for (const { share, pause } of schedules) {
            const cost = costOf(rate, share)
            const passedUs = Math.floor(pauseMs(rate, pause) * 1000)
            nowUs += passedUs
            owed = most(0n, owed - BigInt(passedUs) * BigInt(rate.quota))
            const lacking = owed + BigInt(cost - rate.burst) * BigInt(rate.periodUs)
            const waitUs = Number(most(0n, (lacking + BigInt(rate.quota) - 1n) / BigInt(rate.quota)))
            if (waitUs > 0) assert.equal(meter.charge(cost, instant(nowUs + waitUs - 1)).admitted, false)
            assert.equal(meter.charge(cost, instant(nowUs + waitUs)).admitted, true)
            nowUs += waitUs
            owed = most(0n, owed - BigInt(waitUs) * BigInt(rate.quota)) + BigInt(cost) * BigInt(rate.periodUs)
          }
        }),
        RUNS,
      )
    },
    'says when a refused charge fits, to the millisecond': () => {
      fc.assert(
        fc.property(anyRate, schedule(0), (rate, schedules) => {
          const meter = new Meter(rate)
          let now = START
          for (const { share, pause } of schedules) {
            now += Math.floor(pauseMs(rate, pause))
            const cost = costOf(rate, share)
            const { admitted, state } = meter.charge(cost, now)
            if (admitted) {
              assert.equal(state.retryAfterMs, 0)
              assert.equal(meter.charge(0, now + state.resetAfterMs).state.remaining, rate.burst)
              continue
            }
            assert.ok(state.retryAfterMs! > 0)
            assert.equal(meter.peek(cost, now + state.retryAfterMs!), true)
            assert.equal(meter.peek(cost, now + state.retryAfterMs! - 1), false)
            assert.ok(state.remaining < cost && meter.peek(state.remaining, now))
          }
        }),
        RUNS,
      )
    },
    'never leaves more than the burst, never less than nothing, under any clock': () => {
      const jump = fc.oneof(fc.integer({ min: -HOUR, max: HOUR }), fc.integer({ min: -20, max: 20 }))
      fc.assert(
        fc.property(anyRate, fc.array(fc.tuple(jump, between(-0.5, 0.9)), { maxLength: 60 }), (rate, moves) => {
          const meter = new Meter(rate)
          let now = START
          for (const [ms, share] of moves) {
            now += ms
            const { remaining, resetAfterMs } = meter.charge(costOf(rate, share), now).state
            assert.ok(Number.isSafeInteger(remaining) && remaining >= 0 && remaining <= rate.burst)
            const longest = Math.max(rate.periodUs, rate.toleranceUs) / 1000 + 60_001
            assert.ok(resetAfterMs >= 0 && resetAfterMs <= longest)
          }
        }),
        RUNS,
      )
    },
    'gives no unit when the clock goes back, and has nobody wait longer than for a whole refill and a minute': () => {
      const back = fc.oneof(fc.integer({ min: 1, max: 200_000 }), fc.integer({ min: 1, max: 400 * 24 * HOUR }))
      const ahead = fc.oneof(fc.integer({ min: -HOUR, max: 2e8 }), fc.integer({ min: 0, max: 4e13 }))
      fc.assert(
        fc.property(anyRate, back, ahead, fc.nat(), between(0, 1), (rate, ...drawn) => {
          const [backMs, aheadUs, rest, share] = drawn
          const bucket = { tatUs: START * 1000 + aheadUs, rest: rest % rate.quota }
          const cost = Math.max(1, costOf(rate, share))
          const before = step(bucket, rate, cost, START).untouched
          const now = START - backMs
          const { untouched, pulled } = step(bucket, rate, cost, now)
          assert.ok(untouched.remaining <= before.remaining)
          const longestMs = Math.ceil(Math.max(rate.periodUs, rate.toleranceUs) / 1000) + 60_001
          assert.ok(untouched.retryAfterMs! <= longestMs && untouched.resetAfterMs <= longestMs)
          const later = step(pulled ?? bucket, rate, cost, now + untouched.retryAfterMs!)
          assert.equal(later.admitted, true)
        }),
        RUNS,
      )
    },
    'blocks nobody longer than one step after the clock went an hour back, though refused in between': () => {
      const rate = makeRate(10, 60)
      const meter = new Meter(rate)
      meter.charge(10, START)
      for (let ms = 0; ms < 6_000; ms += 500) assert.equal(meter.charge(1, START - HOUR + ms).admitted, false)
      assert.equal(meter.charge(1, START - HOUR + 6_000).admitted, true)
      assert.equal(meter.charge(1, START - HOUR + 6_000).admitted, false)
    },
    'leaves a bucket alone that lies a period or a whole refill and 60 s ahead, and pulls in one a microsecond further':
      () => {
        const nowUs = START * 1000
        for (const [burst, longestUs] of [
          [2, 120_000_000],
          [10, 120_000_000],
          [20, 180_000_000],
        ] as const) {
          const rate = makeRate(10, 60, burst)
          assert.equal(step({ tatUs: nowUs + longestUs, rest: 0 }, rate, 1, START).pulled, null)
          const { pulled, admitted } = step({ tatUs: nowUs + longestUs + 1, rest: 0 }, rate, 1, START)
          assert.deepEqual([pulled, admitted], [{ tatUs: nowUs + burst * 6_000_000, rest: 0 }, false])
        }
      },
    'counts a unit that is whole, and none that lacks the least fraction': () => {
      fc.assert(
        fc.property(anyRate, between(0, 1), (rate, share) => {
          const units = Math.max(1, Math.floor(share * rate.burst))
          const owed = BigInt(rate.burst - units) * BigInt(rate.periodUs)
          for (const [more, left] of [
            [0n, units],
            [1n, units - 1],
          ] as const) {
            const tatUs = START * 1000 + Number((owed + more) / BigInt(rate.quota))
            const bucket = { tatUs, rest: Number((owed + more) % BigInt(rate.quota)) }
            assert.equal(step(bucket, rate, 0, START).untouched.remaining, left)
            assert.equal(step(bucket, rate, units, START).admitted, more === 0n)
          }
        }),
        RUNS,
      )
    },
    'reads a rest of another quota as a microsecond': () => {
      const bucket = { tatUs: START * 1000 + 10, rest: 99 }
      assert.equal(step(bucket, makeRate(3, 60), 0, START).bucket.tatUs, START * 1000 + 11)
    },
    'throws RangeError for a cost that is no whole number': () => {
      for (const cost of [Number.NaN, 0.5, Number.POSITIVE_INFINITY, 2 ** 53]) {
        assert.throws(() => step(null, makeRate(1, 1), cost, START), RangeError)
      }
    },
  }),
  ...cases('decide()', {
    'makes all of several charges or none, each as an exact token bucket would': () => {
      fc.assert(
        fc.property(
          fc.array(anyRate, { minLength: 2, maxLength: 4 }),
          fc.array(fc.tuple(between(0, 0.6), fc.infiniteStream(fc.nat(9))), {
            maxLength: 30,
          }),
          (several, turns) => {
            const kept = new Map<string, Bucket>()
            const buckets = several.map((rate) => new TokenBucket(rate))
            let now = START
            for (const [pause, draws] of turns) {
              now += pauseMs(several[draws.next().value! % several.length]!, pause)
              const costs = several.map((rate) => costOf(rate, (draws.next().value! - 3) / 9))
              const charges = several.map((rate, i) => ({ name: `${i}`, rate, cost: costs[i]! }))
              const made = decide(charges, now, (name) => kept.get(name) ?? null)
              for (const [i, bucket] of made.buckets.entries()) if (bucket !== null) kept.set(`${i}`, bucket)
              for (const bucket of buckets) bucket.advance(now)
              assert.deepEqual(made.decision, decideByTokens(buckets, costs))
            }
          },
        ),
        RUNS,
      )
    },
    'keeps nothing of a refused call': () => {
      const rate = makeRate(1, 60)
      const { decision, buckets } = decide(
        [
          { name: 'a', rate, cost: 1 },
          { name: 'b', rate, cost: 2 },
        ],
        START,
        () => null,
      )
      assert.deepEqual([decision.admitted, buckets], [false, [null, null]])
      assert.deepEqual(
        decision.states.map(({ remaining }) => remaining),
        [1, 1],
      )
    },
    'throws RangeError for one name twice': () => {
      const charge = { name: 'a', rate: makeRate(1, 60), cost: 1 }
      assert.throws(() => decide([charge, charge], START, () => null), RangeError)
      assert.throws(() => checkCharges([charge, { ...charge, cost: 2 }]), RangeError)
    },
  }),
]
