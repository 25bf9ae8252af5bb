import { randomBytes, toHex } from '../../src/bytes.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import type { Commands, Reply } from './commands.ts'
import { EPOCH, type Script } from './scripts.ts'

const SHORTEST_WINDOW_MS = 900_000
const LONGEST_WINDOW_MS = 86_400_000
const TRIES = 3

/**
 * Notices that Redis holds less than it acknowledged. An epoch stands in Redis, which every process remembers, and a number that
 * grows with each single use: when the epoch is another one (flushed, failed over to an empty node, restarted without a copy) or
 * the number is behind what was seen (a copy that lacks the last moments), data is lost. A new epoch then keeps single use
 * closed, for all processes, until what was claimed before has ended.
 */
export class Epoch {
  readonly #commands: Commands
  readonly #keys: readonly [epoch: string, sequence: string]
  readonly #now: () => string
  readonly #onLoss: (reason: string) => void
  #known = ''
  #sequence = 0
  #windowMs = SHORTEST_WINDOW_MS

  /** @param now the deciding clock as scripts take it: '' for the engine's */
  constructor(
    commands: Commands,
    keys: readonly [epoch: string, sequence: string],
    now: () => string,
    onLoss: (reason: string) => void,
  ) {
    this.#commands = commands
    this.#keys = keys
    this.#now = now
    this.#onLoss = onLoss
  }

  /** The key of the epoch. */
  get key(): string {
    return this.#keys[0]
  }

  /** Takes note of the epoch that another script found; '' for none. */
  async see(stands: string, dueAt: number): Promise<void> {
    if (stands === '' || stands !== this.#known) await this.learn(false, dueAt)
  }

  /**
   * Runs a script of single use. @throws {StoreOutage} too while single use is closed.
   *
   * @param lifeMs how long what it writes lasts: after a loss, single use stays closed as long as the longest yet
   */
  async run(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    lifeMs: number,
    dueAt: number,
  ): Promise<readonly Reply[]> {
    for (let tries = 0; tries < TRIES; tries++) {
      if (this.#known === '') await this.learn(false, dueAt)
      const known = this.#known
      const all = [known, String(this.#sequence), this.#now(), ...args]
      const reply = await this.#ask(script, keys, all, lifeMs, dueAt)
      switch (reply[0]) {
        case 'changed':
          await this.learn(false, dueAt)
          break
        case 'behind':
          if (known === this.#known) await this.learn(true, dueAt)
          break
        case 'quiet':
          throw new StoreOutage('Redis lost data: single use is closed until what was claimed before has ended.')
        default:
          this.#lasts(lifeMs)
          if (known === this.#known) this.#sequence = Math.max(this.#sequence, Number(reply[1]))
          return reply
      }
    }
    throw new StoreOutage('The epoch in Redis keeps changing.')
  }

  async #ask(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    lifeMs: number,
    dueAt: number,
  ): Promise<readonly Reply[]> {
    try {
      return (await this.#commands.run(script, [...this.#keys, ...keys], args, dueAt)) as readonly Reply[]
    } catch (error) {
      // It may have been written all the same.
      this.#lasts(lifeMs)
      throw error
    }
  }

  #lasts(lifeMs: number): void {
    if (lifeMs > this.#windowMs) this.#windowMs = Math.min(lifeMs, LONGEST_WINDOW_MS)
  }

  /** Asks which epoch stands, and tells of a loss. */
  async learn(isBehind: boolean, dueAt: number): Promise<void> {
    const before = this.#known
    const args = [before, toHex(randomBytes(8)), this.#now(), String(this.#windowMs), isBehind ? '1' : '0']
    const stands = String(await this.#commands.run(EPOCH, [this.#keys[0]], args, dueAt))
    if (this.#known !== before) return
    this.#known = stands
    if (before === '' || idOf(before) === idOf(stands)) return
    this.#sequence = 0
    this.#onLoss(isBehind ? 'rolled_back' : 'flushed')
  }
}

function idOf(epoch: string): string {
  return epoch.slice(0, epoch.indexOf(' '))
}
