import { randomBytes, toHex } from '../../src/bytes.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import { type Reply, ticks } from './commands.ts'
import type { Epoch } from './epoch.ts'
import { CHARGE, CONSUME } from './gcra-scripts.ts'
import { type Call, decisionOf, jobOf, settle } from './jobs.ts'

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
  #waiting: Call[] = []
  #underWay = 0
  #sentAt = Number.NEGATIVE_INFINITY
  #askEpochAt = 0
  #scheduled = false
  /** Whether what was sent last was one call: the next need not wait for company. */
  #wasAlone = true
  #gap: ReturnType<typeof setTimeout> | undefined

  /** @param root begins the keys by which refunds are known that were made before */
  constructor(epoch: Epoch, root: string) {
    this.#epoch = epoch
    this.#root = root
  }

  /**
   * Charges the buckets of these keys, all or nothing. The charges have been checked.
   *
   * @param now by {@link ticks}. @throws {StoreOutage} when too many wait.
   */
  decide(call: Call, now: number): void {
    if (this.#wasAlone && this.#underWay === 0 && this.#waiting.length === 0) {
      this.#ask([call], now)
      return
    }
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
    this.#ask(calls, now)
    this.#schedule()
  }

  #ask(calls: readonly Call[], now: number): void {
    this.#underWay++
    this.#sentAt = now
    this.#wasAlone = calls.length === 1
    const call = calls[0]!
    const asksEpoch = now >= this.#askEpochAt
    if (this.#wasAlone && !asksEpoch && call.charges.length === 1 && call.charges[0]!.cost >= 0) {
      this.#askOne(call, now)
      return
    }
    this.#answer(calls, asksEpoch).then(
      () => this.#ended(),
      (error) => {
        for (const { reject } of calls) reject(error)
        this.#ended()
      },
    )
  }

  #ended(): void {
    this.#underWay--
    this.#schedule()
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
  #askOne({ charges, tariffs, keys, dueAt, resolve, reject }: Call, now: number): void {
    const charge = charges[0]!
    const { adds, alone } = tariffs[0]!
    const answered = (reply: number | readonly Reply[]): void => {
      try {
        resolve(decisionOf(charge, reply))
      } catch (outage) {
        reject(outage)
      }
      this.#ended()
    }
    const failed = (error: unknown): void => {
      reject(error)
      this.#ended()
    }
    this.#epoch.ask({ script: CHARGE, keys, dueAt, args: (when) => [when, adds, alone], answered, failed }, now)
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
    const job = jobOf(calls, refunds, asksEpoch)
    const reply = (await this.#epoch.write(CONSUME, keys, (when) => [when, job], dueAt)) as readonly number[]
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
