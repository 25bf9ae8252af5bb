import { randomBytes, toHex } from '../../src/bytes.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import { type Lane, type Reply, ticks } from './commands.ts'
import { EPOCH, type Script, SEQUENCE_KNOWN_MS } from './scripts.ts'

const TRIES = 3
const NOT_AFTER_STEP_MS = 8

/** A script that writes, and who is told once how it went. */
export interface Write {
  readonly script: Script
  /** The first chooses the node. */
  readonly keys: readonly string[]
  readonly dueAt: number
  /** What the script takes, `when` first. */
  args(when: string): readonly string[]
  /** The reply is a number, or an array that tells the clock. Must not throw, as {@link failed} must not. */
  answered(reply: number | readonly Reply[]): void
  failed(error: unknown): void
}

/**
 * Notices that Redis holds less than it acknowledged, and keeps writes from coming late.
 *
 * An epoch stands in Redis, which every process remembers, with a number for each process that grows with each of its single uses, and
 * the end of what was claimed for longest. Another epoch, an older one or a smaller number means lost data. A new epoch then keeps single use closed,
 * for all processes, until what was claimed before has ended.
 */
export class Epoch {
  readonly #lane: Lane
  readonly #keys: readonly [epoch: string, sequence: string, reach: string]
  readonly #now: () => string
  readonly #onLoss: (reason: string) => void
  #known = ''
  #sequence = 0
  /** When the number was last told, by {@link ticks}. */
  #usedAt = Number.NEGATIVE_INFINITY
  #reach = 0
  /** What must be added to {@link ticks} to have the engine's clock, ms; null while it is not known. */
  #offsetMs: number | null = null
  #offsetAt = 0
  #notAfterMs = 0
  #notAfterText = ''

  /** @param now the deciding clock as scripts take it: `=` and ms, '' for the engine's */
  constructor(lane: Lane, root: string, now: () => string, onLoss: (reason: string) => void) {
    this.#lane = lane
    this.#keys = [`${root}epoch`, `${root}sequence/${toHex(randomBytes(12))}`, `${root}reach`]
    this.#now = now
    this.#onLoss = onLoss
  }

  /** The key of the epoch. */
  get key(): string {
    return this.#keys[0]
  }

  /** Learns what there is to know, unless it is known. */
  async ensure(dueAt: number): Promise<void> {
    if (this.#known === '') await this.learn(false, dueAt)
  }

  /** Takes note of the epoch that another script found; '' for none. */
  async see(stands: string, dueAt: number): Promise<void> {
    if (stands !== this.#known || stands === '') await this.learn(false, dueAt)
  }

  /**
   * An offset that is told includes how long the call was on its way: the least is nearest to the truth. It may grow by 1 ms
   * in a second, as clocks drift.
   */
  #noteClock(offsetMs: number, isAnew: boolean): void {
    const now = ticks.now()
    const grownMs = (now - this.#offsetAt) / 1000
    const known = this.#offsetMs
    this.#offsetMs = isAnew || known === null ? offsetMs : Math.min(offsetMs, known + grownMs)
    this.#offsetAt = now
  }

  /** Runs a script that writes, in promises. */
  write(
    script: Script,
    keys: readonly string[],
    args: Write['args'],
    dueAt: number,
  ): Promise<number | readonly Reply[]> {
    return new Promise((answered, failed) => this.ask({ script, keys, args, dueAt, answered, failed }, ticks.now()))
  }

  /** Runs a script that writes. @param now by {@link ticks} */
  ask(write: Write, now: number, tries: number = TRIES): void {
    const { script, keys, dueAt } = write
    const failed = (error: unknown): void => write.failed(error)
    if (this.#known === '') {
      this.learn(false, dueAt).then(() => this.ask(write, ticks.now(), tries), failed)
      return
    }
    const answered = (reply: Reply): void => {
      if (typeof reply === 'number') {
        write.answered(reply)
        return
      }
      if (!Array.isArray(reply)) {
        failed(new StoreOutage('Redis replied to a script as Redis does not.'))
        return
      }
      const told: Reply = typeof reply[0] === 'number' ? reply[0] : reply[1]
      if (typeof told === 'number') this.#noteClock(told - now, reply[0] === 'late')
      if (reply[0] !== 'late') write.answered(reply)
      // Late by the clock that was known, in time by our own: Redis's has stepped forth, and is known now.
      else if (tries === 1) failed(new StoreOutage('The clock of Redis keeps stepping.'))
      else this.ask(write, ticks.now(), tries - 1)
    }
    try {
      const args = write.args(this.#now() || this.#notAfter(dueAt))
      this.#lane.ask(script, keys, args, dueAt, now, { answered, failed })
    } catch (error) {
      // A clock of the user's may throw.
      failed(error)
    }
  }

  /** The end of a write by the engine's clock, up to 8 ms late: its text then serves many. */
  #notAfter(dueAt: number): string {
    if (this.#offsetMs === null) return ''
    const atMs = Math.ceil((dueAt + this.#offsetMs) / NOT_AFTER_STEP_MS) * NOT_AFTER_STEP_MS
    if (atMs !== this.#notAfterMs) {
      this.#notAfterMs = atMs
      this.#notAfterText = String(atMs)
    }
    return this.#notAfterText
  }

  /** Runs a script of single use. @throws {StoreOutage} too while single use is closed. @param ends as in the script, '-' for never */
  async use(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    ends: string,
    dueAt: number,
  ): Promise<readonly Reply[]> {
    for (let tries = 0; tries < TRIES; tries++) {
      let known = ''
      const argsOf = (when: string): readonly string[] => {
        known = this.#known
        // Redis forgets the number of a process that rested for long.
        if (ticks.now() - this.#usedAt > SEQUENCE_KNOWN_MS / 2) this.#sequence = 0
        return [when, known, String(this.#sequence), ...args]
      }
      const reply = await this.#reaching(ends, () => this.write(script, [...this.#keys, ...keys], argsOf, dueAt))
      if (typeof reply === 'number') throw new StoreOutage('Redis replied to a script as Redis does not.')
      switch (reply[0]) {
        case 'changed':
          if (known === this.#known) await this.learn(false, dueAt)
          break
        case 'behind':
          if (known === this.#known) await this.learn(true, dueAt)
          break
        case 'quiet':
          throw new StoreOutage('Redis lost data: single use is closed until what was claimed before has ended.')
        default:
          this.#reach = Math.max(this.#reach, Number(reply[3]))
          if (known === this.#known) {
            this.#sequence = Math.max(this.#sequence, Number(reply[2]))
            this.#usedAt = ticks.now()
          }
          return reply
      }
    }
    throw new StoreOutage('The epoch in Redis keeps changing.')
  }

  /** Asks which epoch stands, and tells of a loss. */
  async learn(isBehind: boolean, dueAt: number): Promise<void> {
    const before = this.#known
    const sentAt = ticks.now()
    const args = [this.#now(), before, toHex(randomBytes(8)), String(this.#reach), isBehind ? '1' : '0']
    const reply = (await this.#lane.run(EPOCH, this.#keys, args, dueAt)) as readonly Reply[]
    if (!Array.isArray(reply)) throw new StoreOutage('Redis replied to a script as Redis does not.')
    if (this.#known !== before) return
    const stands = String(reply[0])
    this.#noteClock(Number(reply[1]) - sentAt, true)
    this.#reach = Math.max(this.#reach, Number(reply[2]))
    this.#known = stands
    if (before === '' || idOf(before) === idOf(stands)) return
    this.#sequence = 0
    this.#onLoss(isBehind ? 'rolled_back' : 'flushed')
  }

  /** What was asked for may have been written though no answer came. */
  async #reaching<T>(ends: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      if (ends !== '-') this.#reach = Math.max(this.#reach, Number(ends))
      throw error
    }
  }
}

function idOf(epoch: string): string {
  return epoch.slice(0, epoch.indexOf(' '))
}
