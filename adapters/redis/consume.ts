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
/** Fewer calls go in one batch. */
const MIN_SPLIT = 8
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
  /** Rates live as long as their limiters. */
  readonly #rateTexts = new WeakMap<Rate, string>()
  #waiting: Call[] = []
  #underWay = 0
  #sentAt = Number.NEGATIVE_INFINITY
  #askEpochAt = 0
  #scheduled = false
  #gap: ReturnType<typeof setTimeout> | undefined

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
    if (this.#underWay >= MAX_UNDER_WAY && ticks.now() - this.#sentAt < LONGEST_GAP_MS) {
      this.#gap ??= setTimeout(() => {
        this.#gap = undefined
        this.#schedule()
      }, LONGEST_GAP_MS)
      return
    }
    this.#scheduled = true
    // After the callers that run now: what they ask for goes along.
    queueMicrotask(() => {
      this.#scheduled = false
      void this.#send(this.#batch())
    })
  }

  /** What is to go next. What waited until it was too late is told so, and not charged: the first of those that wait. */
  #batch(): readonly Call[] {
    const now = ticks.now()
    let late = 0
    while (late < this.#waiting.length && this.#waiting[late]!.dueAt <= now) late++
    for (const call of this.#waiting.splice(0, late)) call.reject(new StoreOutage('Redis did not answer in time.'))
    // Two halves: while Redis decides the one, this process is at the other.
    const places = Math.max(1, MAX_UNDER_WAY - this.#underWay)
    const size = Math.min(MAX_BATCH, Math.ceil(this.#waiting.length / places))
    if (this.#waiting.length > MIN_SPLIT && size < this.#waiting.length) return this.#waiting.splice(0, size)
    const calls = this.#waiting
    this.#waiting = []
    return calls
  }

  async #send(calls: readonly Call[]): Promise<void> {
    if (calls.length === 0) {
      this.#schedule()
      return
    }
    this.#underWay++
    this.#sentAt = ticks.now()
    this.#schedule()
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
    const job = this.#jobOf(calls, refunds, asksEpoch)
    const reply = await this.#epoch.write(CONSUME, keys, () => [job], dueAt)
    const isAgain = reply[1] === 1
    let at = 2
    for (const call of calls) at = settle(call, isAgain, reply as readonly number[], at)
    if (asksEpoch) await this.#notice(String(reply[at]), dueAt)
  }

  /** Numbers as JSON: see the script. */
  #jobOf(calls: readonly Call[], refunds: boolean, asksEpoch: boolean): string {
    const rates: Rate[] = []
    let sent = ''
    for (const { charges } of calls) {
      sent += `,${charges.length}`
      for (const { rate, cost } of charges) {
        const found = rates.indexOf(rate)
        const place = found < 0 ? rates.push(rate) : found + 1
        sent += `,${place},${cost}`
      }
    }
    const texts = rates.map((rate) => this.#textOf(rate)).join('')
    return `[${refunds ? 1 : 0},${asksEpoch ? 1 : 0},${rates.length}${texts}${sent}]`
  }

  #textOf(rate: Rate): string {
    const known = this.#rateTexts.get(rate)
    if (known !== undefined) return known
    const { quota, periodUs, burst, stepUs, stepRest, toleranceUs, toleranceRest } = rate
    const text = `,${quota},${periodUs},${burst},${stepUs},${stepRest},${toleranceUs},${toleranceRest}`
    this.#rateTexts.set(rate, text)
    return text
  }

  /** Buckets start full after a loss. That it could not be noted is no reason to doubt the decisions. */
  async #notice(stands: string, dueAt: number): Promise<void> {
    this.#askEpochAt = ticks.now() + ASK_EPOCH_MS
    try {
      await this.#epoch.see(stands, dueAt)
    } catch {}
  }
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
