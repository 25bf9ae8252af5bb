import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { type Bucket, type BucketState, checkCharges, decide, makeRate, type Rate, step } from '../../src/store/gcra.ts'
import { type Case, cases } from '../cases.ts'

const START = 1_780_000_000_000
const HOUR = 3_600_000
const RUNS = { seed: 7, numRuns: 200 }

/** GCRA in whole 1/quota microseconds, without any rounding: written from ITU-T I.371, not from our step. */
class Reference {
  readonly #quota: bigint
  readonly #period: bigint
  readonly #limit: bigint
  #tat = 0n

  constructor(rate: Rate) {
    this.#quota = BigInt(rate.quota)
    this.#period = BigInt(rate.periodUs)
    this.#limit = BigInt(rate.burst) * this.#period
  }

  charge(cost: number, nowMs: number): boolean {
    const now = this.#now(nowMs)
    const from = this.#tat > now ? this.#tat : now
    const to = from + BigInt(cost) * this.#period
    if (cost > 0 && to - now > this.#limit) return false
    this.#tat = to > now ? to : now
    return true
  }

  remaining(nowMs: number): number {
    const now = this.#now(nowMs)
    const ahead = this.#tat > now ? this.#tat - now : 0n
    return Number((this.#limit - ahead) / this.#period)
  }

  #now(nowMs: number): bigint {
    return BigInt(Math.floor(nowMs * 1000)) * this.#quota
  }
}

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

const rates = fc
  .tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 86_400 }), fc.integer({ min: 1, max: 5000 }))
  .filter(([quota, period, burst]) => (burst / quota) * period < 366 * 86_400)
  .map(([quota, period, burst]) => makeRate(quota, period, burst))
const oddRates = fc
  .tuple(fc.integer({ min: 1, max: 97 }), fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 1, max: 20 }))
  .map(([quota, periodUs, burst]) => makeRate(quota, periodUs / 1e6, burst))
const anyRate = fc.oneof(rates, oddRates)

/** Costs as shares of the burst and pauses as shares of what refills it, so that schedules run near the limit. */
const schedule = (least: number) =>
  fc.array(
    fc.record({
      share: fc.double({ min: least, max: 0.7, noNaN: true }),
      pause: fc.double({ min: 0, max: 0.5, noNaN: true }),
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
    'decides as the reference does, refunds included': () => {
      fc.assert(
        fc.property(anyRate, schedule(-0.4), (rate, schedules) => {
          const meter = new Meter(rate)
          const reference = new Reference(rate)
          let now = START
          for (const { share, pause } of schedules) {
            now += pauseMs(rate, pause)
            const cost = costOf(rate, share)
            const { admitted, state } = meter.charge(cost, now)
            assert.equal(admitted, reference.charge(cost, now))
            assert.equal(state.remaining, reference.remaining(now))
          }
        }),
        RUNS,
      )
    },
    'never admits more than burst + rate · t in any window': () => {
      fc.assert(
        fc.property(anyRate, schedule(0), (rate, schedules) => {
          const meter = new Meter(rate)
          const made: { at: number; cost: number }[] = []
          let now = START
          for (const { share, pause } of schedules) {
            now += pauseMs(rate, pause)
            const cost = costOf(rate, share)
            if (meter.charge(cost, now).admitted) made.push({ at: now, cost })
          }
          for (const [i, first] of made.entries()) {
            let sum = 0n
            for (const { at, cost } of made.slice(i)) {
              sum += BigInt(cost)
              const windowUs = BigInt(Math.floor(at * 1000) - Math.floor(first.at * 1000))
              const period = BigInt(rate.periodUs)
              assert.ok(sum * period <= BigInt(rate.burst) * period + windowUs * BigInt(rate.quota))
            }
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
        fc.property(
          anyRate,
          fc.array(fc.tuple(jump, fc.double({ min: -0.5, max: 0.9, noNaN: true })), { maxLength: 60 }),
          (rate, moves) => {
            const meter = new Meter(rate)
            let now = START
            for (const [ms, share] of moves) {
              now += ms
              const { remaining, resetAfterMs } = meter.charge(costOf(rate, share), now).state
              assert.ok(Number.isSafeInteger(remaining) && remaining >= 0 && remaining <= rate.burst)
              const longest = Math.max(rate.periodUs, rate.toleranceUs) / 1000 + 60_001
              assert.ok(resetAfterMs >= 0 && resetAfterMs <= longest)
            }
          },
        ),
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
    'leaves a bucket alone that lies period + 60 s ahead, and pulls in one a microsecond further': () => {
      const rate = makeRate(10, 60)
      const nowUs = START * 1000
      assert.equal(step({ tatUs: nowUs + 120_000_000, rest: 0 }, rate, 1, START).pulled, null)
      const { pulled, admitted } = step({ tatUs: nowUs + 120_000_001, rest: 0 }, rate, 1, START)
      assert.deepEqual([pulled, admitted], [{ tatUs: nowUs + 60_000_000, rest: 0 }, false])
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
