import { type Charge, CLOCK_SLACK_US, type Rate } from '../../src/store/gcra.ts'

/** Whether a charge fits: as the bucket allows, always, or never. */
export const Kind = { Charge: 1, Refund: 0, TooDear: -1 } as const

/**
 * What the scripts need of a rate and a cost, as text: quota, how far ahead of the clock a TAT may lie before it is pulled in,
 * toleranceUs, toleranceRest, the {@link Kind}, and what the charge adds to a TAT, as whole microseconds and a rest in 1/quota.
 */
export class Tariffs {
  /** The last of each rate, most of which charge one cost. Rates live as long as their limiters. */
  readonly #last = new WeakMap<Rate, { readonly cost: number; readonly text: string }>()

  of({ rate, cost }: Charge): string {
    const last = this.#last.get(rate)
    if (last?.cost === cost) return last.text
    const text = tariffOf(rate, cost)
    this.#last.set(rate, { cost, text })
    return text
  }
}

function tariffOf(rate: Rate, cost: number): string {
  const { quota, periodUs, burst, stepUs, stepRest, toleranceUs, toleranceRest } = rate
  const farthestUs = Math.max(periodUs, toleranceUs) + CLOCK_SLACK_US
  const begin = `${quota},${farthestUs},${toleranceUs},${toleranceRest}`
  if (cost > burst) return `${begin},${Kind.TooDear},0,0`
  // A refund of more than the burst leaves a full bucket, however far ahead its TAT lay.
  if (cost < -burst) return `${begin},${Kind.Refund},${-farthestUs - 1},0`
  const rest = stepRest * cost
  const carry = Math.floor(rest / quota)
  return `${begin},${cost > 0 ? Kind.Charge : Kind.Refund},${stepUs * cost + carry},${rest - carry * quota}`
}
