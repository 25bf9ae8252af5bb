import type { AtomicStore } from '../contract.ts'
import { type Decision, makeRate, type Rate } from '../gcra.ts'
import { answer, atomicCase, check, equal, type StoreCase, type TestClock } from './case.ts'
import { decideByTokens, TokenBucket } from './token-bucket.ts'

const SLACK_MS = 60_000

/** Primes, what does not divide, what falls on whole milliseconds, what is huge; burst and quota apart. */
const RATES: readonly Rate[] = [
  makeRate(10, 60),
  makeRate(7, 60),
  makeRate(7, 0.999_983, 11),
  makeRate(1, 1.000_001),
  makeRate(3, 0.1, 50),
  makeRate(100, 4.9, 60),
  makeRate(97, 86_400, 30),
  makeRate(1, 366 * 86_400),
  makeRate(999_983, 61.003_007, 1_000),
  makeRate(10_000_000, 1, 100),
  makeRate(94_906_265, 60, 94_906_264),
  makeRate(1_099_511_627_791, 7, 8_000),
]

/** Charges of random schedules, seeded: every decision and every state against an exact token bucket. */
export const scheduleCases: readonly StoreCase[] = [
  atomicCase('random charges and refunds are decided as by an exact token bucket', async ({ store, clock }) => {
    for (const [i, rate] of RATES.entries()) {
      const schedule = new Schedule(store, clock, [rate], i)
      for (let turn = 0; turn < 26; turn++) {
        schedule.pause()
        await schedule.charge()
      }
    }
  }),
  atomicCase('random charges fit when the answer says, not a millisecond before', async ({ store, clock }) => {
    for (const [i, rate] of RATES.entries()) {
      const schedule = new Schedule(store, clock, [rate], 100 + i)
      await schedule.charge([rate.burst])
      for (let turn = 0; turn < 6; turn++) {
        const cost = schedule.random.cost(rate.burst)
        const { admitted, states } = await schedule.charge([cost])
        if (admitted) continue
        clock.at += states[0]!.retryAfterMs! - 1
        await schedule.charge([cost])
        clock.at += 1
        equal((await schedule.charge([cost])).admitted, true, `A cost of ${cost} on time`)
        await schedule.charge([schedule.random.cost(rate.burst)])
      }
    }
  }),
  atomicCase('random charges of several buckets are all made or none', async ({ store, clock }) => {
    for (let i = 0; i < 5; i++) {
      const rates = [0, 4, 7].map((more) => RATES[(i + more) % RATES.length]!)
      const schedule = new Schedule(store, clock, rates, 200 + i)
      for (let turn = 0; turn < 40; turn++) {
        schedule.pause()
        await schedule.charge()
      }
    }
  }),
  atomicCase('a clock that steps at random gives no unit and blocks nobody for longer', async ({ store, clock }) => {
    for (const [i, rate] of RATES.entries()) {
      const longestMs = Math.ceil(Math.max(rate.periodUs, rate.toleranceUs) / 1000) + SLACK_MS + 1
      const schedule = new Schedule(store, clock, [rate], 300 + i)
      await schedule.charge([rate.burst])
      for (let turn = 0; turn < 12; turn++) {
        const before = (await schedule.charge([0])).states[0]!
        if (!schedule.stepBack()) schedule.pause()
        else {
          const after = (await schedule.charge([0])).states[0]!
          check(after.remaining <= before.remaining, 'A step back gave units.')
          check(after.resetAfterMs <= longestMs, `A step back blocks for ${after.resetAfterMs} ms.`)
        }
        await schedule.charge()
      }
    }
  }),
  atomicCase('racers of random costs never get more than burst + rate · t in any window', async ({ store, clock }) => {
    for (const [i, rate] of RATES.entries()) {
      const random = new Random(400 + i)
      const charge = (cost: number): Promise<Decision> => answer(store.consume('p', [{ name: `${i}`, rate, cost }]))
      const made: { readonly at: number; readonly cost: number }[] = []
      for (let instant = 0; instant < 4; instant++) {
        const costs = Array.from({ length: 8 }, () => random.cost(rate.burst))
        const decisions = await Promise.all(costs.map(charge))
        const [left] = (await charge(0)).states
        for (const [at, cost] of costs.entries()) {
          if (decisions[at]!.admitted) made.push({ at: clock.at, cost })
          else check(cost > left!.remaining, `A cost of ${cost} was refused, though ${left!.remaining} were left.`)
        }
        clock.at += random.below(rate.toleranceUs / 2000 + 2)
      }
      expectWithin(rate, made)
    }
  }),
]

/** Mulberry32: a seed gives the same schedule everywhere. */
class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  /** From 1 to the burst; small, large and the whole of it come alike often. */
  cost(burst: number): number {
    const most = [1, Math.ceil(burst / 4), burst][this.below(3)]!
    return this.below(8) === 0 ? burst : 1 + this.below(most)
  }
}

/** Buckets of a store, new ones for each seed, beside the token buckets that they must be like. */
class Schedule {
  readonly random: Random
  readonly #store: AtomicStore
  readonly #clock: TestClock
  readonly #rates: readonly Rate[]
  readonly #buckets: readonly TokenBucket[]
  readonly #seed: number
  #turns = 0

  constructor(store: AtomicStore, clock: TestClock, rates: readonly Rate[], seed: number) {
    this.random = new Random(seed)
    this.#store = store
    this.#clock = clock
    this.#rates = rates
    this.#buckets = rates.map((rate) => new TokenBucket(rate))
    this.#seed = seed
  }

  /** Charges each bucket, at random unless told, and what was refused once more for nothing: it must have cost nothing. */
  async charge(costs: readonly number[] = this.#costs()): Promise<Decision> {
    const decision = await this.#compared(costs)
    if (!decision.admitted) await this.#compared(costs.map(() => 0))
    return decision
  }

  /** Lets time pass: none, a little, until just before or just when a bucket has some more, or all. */
  pause(): void {
    const place = this.random.below(this.#rates.length)
    const { burst, toleranceUs } = this.#rates[place]!
    const bucket = this.#buckets[place]!
    this.#advance()
    const { resetAfterMs, retryAfterMs } = bucket.state(this.random.cost(burst))
    const pauses = [0, 1, retryAfterMs! - 1, retryAfterMs!, resetAfterMs - 1, resetAfterMs]
    pauses.push(this.random.below(toleranceUs / 1000), this.random.below(toleranceUs / 4000))
    this.#clock.at += Math.max(0, pauses[this.random.below(pauses.length)]!)
  }

  /** Sets the clock back: a little, within the slack, just to its end or an hour. False where a bucket is full, and may be forgotten. */
  stepBack(): boolean {
    this.#advance()
    if (this.#buckets.some(({ isFull }) => isFull)) return false
    const { periodUs, toleranceUs } = this.#rates[0]!
    const end = Math.max(periodUs, toleranceUs) / 1000 + SLACK_MS - this.#buckets[0]!.state(0).resetAfterMs
    const steps = [1, 1 + this.random.below(SLACK_MS), Math.floor(end), Math.ceil(end) + 1, 3_600_000]
    this.#clock.at -= Math.max(1, steps[this.random.below(steps.length)]!)
    return true
  }

  async #compared(costs: readonly number[]): Promise<Decision> {
    this.#turns++
    const charges = costs.map((cost, i) => ({ name: `${this.#seed} ${i}`, rate: this.#rates[i]!, cost }))
    this.#advance()
    const wanted = decideByTokens(this.#buckets, costs)
    equal(
      await answer(this.#store.consume('p', charges)),
      wanted,
      `Turn ${this.#turns} of seed ${this.#seed}: ${costs}`,
    )
    return wanted
  }

  #advance(): void {
    for (const bucket of this.#buckets) bucket.advance(this.#clock.at)
  }

  #costs(): readonly number[] {
    return this.#buckets.map((bucket, i) => {
      const { burst } = this.#rates[i]!
      const { remaining } = bucket.state(0)
      const cost = this.random.cost(burst)
      const left = Math.max(1, remaining)
      // What was charged first makes the bucket known to the store.
      const costs =
        this.#turns === 0 ? [cost] : [cost, cost, left, left, remaining + 1, 0, burst + 1, -cost, -burst - 1]
      return costs[this.random.below(costs.length)]!
    })
  }
}

/** Each window begins with a charge and ends with one: no other holds more in less time. */
function expectWithin(rate: Rate, made: readonly { readonly at: number; readonly cost: number }[]): void {
  for (const [i, { at: since }] of made.entries()) {
    let sum = 0n
    for (const { at, cost } of made.slice(i)) {
      sum += BigInt(cost)
      const most = BigInt(rate.burst) * BigInt(rate.periodUs) + BigInt((at - since) * 1000) * BigInt(rate.quota)
      check(sum * BigInt(rate.periodUs) <= most, `${sum} units were admitted within ${at - since} ms.`)
    }
  }
}
