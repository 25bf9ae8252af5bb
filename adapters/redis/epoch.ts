import { randomBytes, toHex } from '../../src/bytes.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import { type Lane, type Reply, ticks } from './commands.ts'
import { EPOCH, type Script, SEQUENCE_KNOWN_MS } from './scripts.ts'

const TRIES = 3

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

  /** @param now the deciding clock as scripts take it: '' for the engine's */
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

  /**
   * Runs a script that writes. Its reply is a number, or an array that tells the clock.
   *
   * @param keys of which the first chooses the node
   */
  write(
    script: Script,
    keys: readonly string[],
    argsOf: () => readonly string[],
    dueAt: number,
    tries: number = TRIES,
  ): Promise<number | readonly Reply[]> {
    if (this.#known === '') return this.learn(false, dueAt).then(() => this.write(script, keys, argsOf, dueAt, tries))
    const sentAt = ticks.now()
    const now = this.#now()
    const notAfter = now === '' && this.#offsetMs !== null ? String(Math.ceil(dueAt + this.#offsetMs)) : ''
    const args = [now, notAfter, ...argsOf()]
    return this.#lane.run(script, keys, args, dueAt).then((reply) => {
      if (typeof reply === 'number') return reply
      if (!Array.isArray(reply)) throw new StoreOutage('Redis replied to a script as Redis does not.')
      const told = typeof reply[0] === 'number' ? reply[0] : reply[1]
      if (typeof told === 'number') this.#noteClock(told - sentAt, reply[0] === 'late')
      if (reply[0] !== 'late') return reply
      // Late by the clock that was known, in time by our own: Redis's has stepped forth, and is known now.
      if (tries === 1) throw new StoreOutage('The clock of Redis keeps stepping.')
      return this.write(script, keys, argsOf, dueAt, tries - 1)
    })
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
      const argsOf = (): readonly string[] => {
        known = this.#known
        // Redis forgets the number of a process that rested for long.
        if (ticks.now() - this.#usedAt > SEQUENCE_KNOWN_MS / 2) this.#sequence = 0
        return [known, String(this.#sequence), ...args]
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
