import { StoreOutage } from '../../src/store/contract.ts'
import { type Bucket, type Charge, type Decision, decide, UNCHARGED_US, weighApart } from '../../src/store/gcra.ts'
import type { Reply } from './commands.ts'
import type { Tariff } from './tariff.ts'

/** One call of `consume` on its way. */
export interface Call {
  readonly charges: readonly Charge[]
  /** One for each charge. */
  readonly tariffs: readonly Tariff[]
  readonly keys: readonly string[]
  readonly dueAt: number
  readonly resolve: (decision: Decision) => void
  readonly reject: (error: unknown) => void
}

/** The job of many calls: see the script. */
export function jobOf(calls: readonly Call[], refunds: boolean, asksEpoch: boolean): string {
  const places = new Map<string, number>()
  let sent = ''
  for (const { tariffs } of calls) {
    sent += `,${tariffs.length}`
    for (const { text } of tariffs) {
      const found = places.get(text)
      sent += `,${found ?? places.size + 1}`
      if (found === undefined) places.set(text, places.size + 1)
    }
  }
  const before = [refunds ? 1 : 0, asksEpoch ? 1 : 0, places.size, ...places.keys()]
  return `[${before.join(',')}${sent}]`
}

/** What a reply to the script of one charge means: the script tells the bucket as it read it, and the state follows from that. */
export function decisionOf({ rate, cost }: Charge, reply: number | readonly Reply[]): Decision {
  // A number is how far ahead of the clock the bucket was, and says that the charge is made.
  const [nowMs, verdict, tatUs, rest] = typeof reply === 'number' ? [0, 1, reply, 0] : (reply as readonly number[])
  const state = weighApart(tatUs! < 0 ? UNCHARGED_US : tatUs!, rest!, rate, cost, nowMs!)
  return checked({ admitted: state.retryAfterMs === 0, states: [state] }, verdict!)
}

/**
 * Tells a decision of many, and where the next one's reply begins.
 *
 * @param isAgain whether the refunds were made before, and so were not made again
 */
export function settle(call: Call, isAgain: boolean, reply: readonly number[], begin: number): number {
  const charges = isAgain ? call.charges.map((charge) => ({ ...charge, cost: Math.max(0, charge.cost) })) : call.charges
  let at = begin + 1
  const { decision } = decide(charges, reply[0]!, (): Bucket | null => {
    const tatUs = reply[at]!
    const rest = reply[at + 1]!
    at += 2
    return tatUs < 0 ? null : { tatUs, rest }
  })
  try {
    call.resolve(checked(decision, reply[begin]!))
  } catch (outage) {
    call.reject(outage)
  }
  return begin + 1 + 2 * charges.length
}

/** @param verdict what the script decided: 1 (admitted), 0 (refused) or -1 */
function checked(decision: Decision, verdict: number): Decision {
  if (verdict !== 0 && verdict !== 1) throw new StoreOutage('A bucket in Redis is none of ours.')
  if (decision.admitted !== (verdict === 1)) throw new StoreOutage('Redis decided otherwise than this release would.')
  return decision
}
