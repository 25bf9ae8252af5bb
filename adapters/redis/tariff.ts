import { type Charge, CLOCK_SLACK_US, type Rate } from '../../src/store/gcra.ts'

/** Whether a charge fits: as the bucket allows, always, or never. */
export const Kind = { Charge: 1, Refund: 0, TooDear: -1 } as const

/** What the scripts need of a rate and a cost. */
export interface Tariff {
  /**
   * Numbers: quota, how far ahead of the clock a TAT may lie before it is pulled in, toleranceUs, toleranceRest, the {@link Kind}, and
   * what the charge adds to a TAT, as whole microseconds and a rest in 1/quota.
   */
  readonly text: string
  /** The same as JSON. */
  readonly alone: string
  /** The microseconds alone, where every full bucket takes the charge and it adds no rest; else ''. */
  readonly adds: string
}

/** Makes tariffs. */
export class Tariffs {
  /** The last of each rate, most of which charge one cost. Rates live as long as their limiters. */
  readonly #last = new WeakMap<Rate, Tariff & { readonly cost: number }>()

  /** @throws {RangeError} for a rate that no makeRate() made: it could fail the calls that go along with it. */
  of({ rate, cost }: Charge): Tariff {
    const last = this.#last.get(rate)
    if (last?.cost === cost) return last
    if (last === undefined) checkRate(rate)
    const tariff = tariffOf(rate, cost)
    const made = { cost, alone: `[${tariff.text}]`, ...tariff }
    this.#last.set(rate, made)
    return made
  }
}

function checkRate({ quota, periodUs, burst, stepUs, stepRest, toleranceUs, toleranceRest }: Rate): void {
  if (![quota, periodUs, burst, stepUs, stepRest, toleranceUs, toleranceRest].every(Number.isSafeInteger)) {
    throw new RangeError('A rate must come from makeRate().')
  }
}

function tariffOf(rate: Rate, cost: number): Omit<Tariff, 'alone'> {
  const { quota, periodUs, burst, stepUs, stepRest, toleranceUs, toleranceRest } = rate
  const farthestUs = Math.max(periodUs, toleranceUs) + CLOCK_SLACK_US
  const begin = `${quota},${farthestUs},${toleranceUs},${toleranceRest}`
  if (cost > burst) return { text: `${begin},${Kind.TooDear},0,0`, adds: '' }
  // A refund of more than the burst leaves a full bucket, however far ahead its TAT lay.
  if (cost < -burst) return { text: `${begin},${Kind.Refund},${-farthestUs - 1},0`, adds: '' }
  const carry = Math.floor((stepRest * cost) / quota)
  const addUs = stepUs * cost + carry
  const addRest = stepRest * cost - carry * quota
  const kind = cost > 0 ? Kind.Charge : Kind.Refund
  return { text: `${begin},${kind},${addUs},${addRest}`, adds: cost > 0 && addRest === 0 ? `${addUs}` : '' }
}
