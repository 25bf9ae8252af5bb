import { randomBytes, toHex } from '../../src/bytes.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import { type Bucket, type Charge, type Decision, decide, type Rate } from '../../src/store/gcra.ts'
import { ticks } from './commands.ts'
import type { Epoch } from './epoch.ts'
import { CONSUME } from './scripts.ts'

interface Call {
  readonly charges: readonly Charge[]
  readonly keys: readonly string[]
  readonly dueAt: number
  readonly resolve: (decision: Decision) => void
  readonly reject: (error: unknown) => void
}

const MAX_UNDER_WAY = 2
/** After this long without one, a batch is sent although others are under way, ms. */
const LONGEST_GAP_MS = 5
const MAX_BATCH = 256
const MAX_WAITING = 16_384
/** How often a decision asks on the way whether the data is still the same. */
const ASK_EPOCH_MS = 1_000

/**
 * Sends the decisions of one process together: what comes while two batches are under way waits for the first of them, or for 5
 * ms, so that many decisions cost little more than one. Within a batch they are made one after the other, as if each had come
 * alone.
 */
export class Consumer {
  readonly #epoch: Epoch
  readonly #root: string
  #waiting: Call[] = []
  #underWay = 0
  #sentAt = Number.NEGATIVE_INFINITY
  #askEpochAt = 0
  #scheduled = false

  /** @param root begins the keys by which refunds are known that were made before */
  constructor(epoch: Epoch, root: string) {
    this.#epoch = epoch
    this.#root = root
  }

  /** Charges the buckets of these keys, all or nothing. The charges have been checked. */
  decide(charges: readonly Charge[], keys: readonly string[], dueAt: number): Promise<Decision> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= MAX_WAITING) throw new StoreOutage('Too many decisions wait for Redis.')
      this.#waiting.push({ charges, keys, dueAt, resolve, reject })
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return
    if (this.#underWay >= MAX_UNDER_WAY && ticks.now() - this.#sentAt < LONGEST_GAP_MS) return
    this.#scheduled = true
    // After the callers that run now: what they ask for goes along.
    queueMicrotask(() => {
      this.#scheduled = false
      void this.#send(this.#batch())
    })
  }

  /** What is to go next. What waited until it was too late has been told so by its own end, and is not charged. */
  #batch(): readonly Call[] {
    const now = ticks.now()
    const calls = this.#waiting.splice(0, MAX_BATCH)
    for (const call of calls) if (call.dueAt <= now) call.reject(new StoreOutage('Redis did not answer in time.'))
    return calls.filter(({ dueAt }) => dueAt > now)
  }

  async #send(calls: readonly Call[]): Promise<void> {
    if (calls.length === 0) {
      this.#schedule()
      return
    }
    this.#underWay++
    this.#sentAt = ticks.now()
    try {
      // The call that waited longest sets the end: none waits past its own.
      await this.#answer(calls, calls[0]!.dueAt)
    } catch (error) {
      for (const call of calls) call.reject(error)
    } finally {
      this.#underWay--
      this.#schedule()
    }
  }

  async #answer(calls: readonly Call[], dueAt: number): Promise<void> {
    const keys: string[] = []
    for (const call of calls) keys.push(...call.keys)
    const refunds = calls.some(({ charges }) => charges.some(({ cost }) => cost < 0))
    // Some clients send again what a broken connection left open: a refund must not count twice.
    if (refunds) keys.push(`${this.#root}refund/${toHex(randomBytes(12))}`)
    const asksEpoch = ticks.now() >= this.#askEpochAt
    if (asksEpoch) keys.push(this.#epoch.key)
    const args = argsOf(calls)
    const argsNow = (): readonly string[] => [refunds ? '1' : '0', asksEpoch ? '1' : '0', ...args]
    const reply = await this.#epoch.write(CONSUME, keys, argsNow, dueAt)
    const isAgain = reply[1] === 1
    let at = 2
    for (const call of calls) at = settle(call, isAgain, reply as readonly number[], at)
    if (asksEpoch) await this.#notice(String(reply[at]), dueAt)
  }

  /** Buckets start full after a loss. That it could not be noted is no reason to doubt the decisions. */
  async #notice(stands: string, dueAt: number): Promise<void> {
    this.#askEpochAt = ticks.now() + ASK_EPOCH_MS
    try {
      await this.#epoch.see(stands, dueAt)
    } catch {}
  }
}

function argsOf(calls: readonly Call[]): readonly string[] {
  const places = new Map<Rate, string>()
  const rates: string[] = []
  const sent: string[] = []
  for (const { charges } of calls) {
    sent.push(String(charges.length))
    for (const { rate, cost } of charges) {
      let place = places.get(rate)
      if (place === undefined) {
        const { quota, periodUs, burst, stepUs, stepRest, toleranceUs, toleranceRest } = rate
        for (const number of [quota, periodUs, burst, stepUs, stepRest, toleranceUs, toleranceRest]) {
          rates.push(String(number))
        }
        place = String(places.size + 1)
        places.set(rate, place)
      }
      sent.push(place, String(cost))
    }
  }
  return [String(places.size), ...rates, ...sent]
}

/**
 * Tells a decision, and where the next one's reply begins. The script gives its verdict and the buckets as it read them; the
 * states follow from these.
 */
function settle(call: Call, isAgain: boolean, reply: readonly number[], begin: number): number {
  const { resolve, reject } = call
  const charges = isAgain ? call.charges.map((charge) => ({ ...charge, cost: Math.max(0, charge.cost) })) : call.charges
  const verdict = reply[begin]
  let at = begin + 1
  const { decision } = decide(charges, reply[0]!, (): Bucket | null => {
    const tatUs = reply[at]!
    const rest = reply[at + 1]!
    at += 2
    return tatUs < 0 ? null : { tatUs, rest }
  })
  if (verdict !== 0 && verdict !== 1) reject(new StoreOutage('A bucket in Redis is none of ours.'))
  else if (decision.admitted === (verdict === 1)) resolve(decision)
  else reject(new StoreOutage('Redis decided otherwise than this release would.'))
  return begin + 1 + 2 * charges.length
}
