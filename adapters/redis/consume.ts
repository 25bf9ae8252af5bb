import { randomBytes, toHex } from '../../src/bytes.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import { ticks } from './commands.ts'
import type { Epoch } from './epoch.ts'
import { CHARGE, CONSUME } from './gcra-scripts.ts'
import { type Call, decisionOf, jobOf, settle } from './jobs.ts'
import { Tariffs } from './tariff.ts'

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
  readonly #tariffs = new Tariffs()
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

  /** Charges the buckets of these keys, all or nothing. The charges have been checked. @throws {StoreOutage} when too many wait. */
  decide(call: Call): void {
    if (this.#waiting.length >= MAX_WAITING) throw new StoreOutage('Too many decisions wait for Redis.')
    this.#waiting.push(call)
    this.#schedule()
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
    // On Node cheaper than queueMicrotask().
    void Promise.resolve().then(() => {
      this.#scheduled = false
      this.#send()
    })
  }

  #send(): void {
    const now = ticks.now()
    const calls = this.#batch(now)
    if (calls.length === 0) {
      this.#schedule()
      return
    }
    this.#underWay++
    this.#sentAt = now
    this.#schedule()
    const [call] = calls
    const asksEpoch = now >= this.#askEpochAt
    const isPlain = calls.length === 1 && call!.charges.length === 1 && call!.charges[0]!.cost >= 0
    const answered = isPlain && !asksEpoch ? this.#answerOne(call!) : this.#answer(calls, asksEpoch)
    const ended = (): void => {
      this.#underWay--
      this.#schedule()
    }
    answered.then(ended, (error) => {
      for (const { reject } of calls) reject(error)
      ended()
    })
  }

  /** What is to go next. What waited until it was too late is told so, and not charged: the first of those that wait. */
  #batch(now: number): readonly Call[] {
    let late = 0
    while (late < this.#waiting.length && this.#waiting[late]!.dueAt <= now) late++
    if (late > 0) {
      for (const { reject } of this.#waiting.splice(0, late)) reject(new StoreOutage('Redis did not answer in time.'))
    }
    // Two halves: while Redis decides the one, this process is at the other.
    const places = Math.max(1, MAX_UNDER_WAY - this.#underWay)
    const size = Math.min(MAX_BATCH, Math.ceil(this.#waiting.length / places))
    if (this.#waiting.length > MIN_SPLIT && size < this.#waiting.length) return this.#waiting.splice(0, size)
    const calls = this.#waiting
    this.#waiting = []
    return calls
  }

  /** One charge that gives nothing back goes by a shorter way. */
  #answerOne({ charges, keys, dueAt, resolve }: Call): Promise<void> {
    const charge = charges[0]!
    const { adds, text } = this.#tariffs.of(charge)
    try {
      return this.#epoch
        .write(CHARGE, keys, () => [adds, `[${text}]`], dueAt)
        .then((reply) => resolve(decisionOf(charge, reply)))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #answer(calls: readonly Call[], asksEpoch: boolean): Promise<void> {
    // The call that waited longest sets the end: none waits past its own.
    const { dueAt } = calls[0]!
    const keys: string[] = []
    for (const call of calls) keys.push(...call.keys)
    const refunds = calls.some(({ charges }) => charges.some(({ cost }) => cost < 0))
    // Some clients send again what a broken connection left open: a refund must not count twice.
    if (refunds) keys.push(`${this.#root}refund/${toHex(randomBytes(12))}`)
    if (asksEpoch) keys.push(this.#epoch.key)
    const job = jobOf(calls, this.#tariffs, refunds, asksEpoch)
    const reply = (await this.#epoch.write(CONSUME, keys, () => [job], dueAt)) as readonly number[]
    const isAgain = reply[1] === 1
    let at = 2
    for (const call of calls) at = settle(call, isAgain, reply, at)
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
