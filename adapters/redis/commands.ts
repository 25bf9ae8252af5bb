import type { Clock } from '../../src/clock.ts'
import { Breaker } from '../../src/store/breaker.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import type { Script } from './scripts.ts'

/** A command with its arguments, as Redis takes it. */
export type RedisCommand = readonly [string, ...string[]]

/**
 * Sends one command and gives Redis's reply; rejects with Redis's error.
 *
 * @param key a key of the command, for clients that choose the node by it
 */
export type RedisSend = (command: RedisCommand, key: string) => PromiseLike<unknown>

/** What Redis replies to our scripts. */
export type Reply = string | number | null | readonly Reply[]

interface Pending {
  readonly command: RedisCommand
  readonly key: string
  readonly dueAt: number
  readonly resolve: (reply: Reply | PromiseLike<Reply>) => void
  readonly reject: (outage: StoreOutage) => void
}

const MAX_UNDER_WAY = 256
const MAX_WAITING = 16_384

/** Counts ms from an instant of its own and never steps. */
export const ticks: Clock = { now: () => performance.now() }

/**
 * Runs commands, each until an instant of {@link ticks}. At most 256 are under way, until the client settles them, and 16,384
 * wait for their turn. What comes above that, is not answered in time or meets an open breaker is a StoreOutage; Redis may
 * still carry it out.
 */
export class Commands {
  readonly #send: RedisSend
  readonly #breaker = new Breaker(ticks)
  readonly #hashes = new Map<string, string>()
  /** What has no answer yet, in the order that it came; what waits for its turn is among it. */
  readonly #pending = new Set<Pending>()
  readonly #waiting: Pending[] = []
  #underWay = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #wakeAt = Number.POSITIVE_INFINITY
  #closed = false

  constructor(send: RedisSend) {
    this.#send = send
  }

  /** Runs a script; it is sent whole where Redis does not know it (any more). The first key chooses the node. */
  run(script: Script, keys: readonly string[], args: readonly string[], dueAt: number): Promise<Reply> {
    const key = keys[0]!
    const hash = this.#hashes.get(script.name)
    if (hash === undefined) return this.#load(script, keys, args, dueAt)
    const rest = [String(keys.length), ...keys, ...args]
    return new Promise((resolve, reject) => {
      this.#start(['EVALSHA', hash, ...rest], key, dueAt, resolve, (outage) => {
        if (isUnknownScript(outage)) resolve(this.call(['EVAL', script.lua, ...rest], key, dueAt))
        else reject(outage)
      })
    })
  }

  /** Runs one command. @throws {StoreOutage} when Redis did not answer it. */
  call(command: RedisCommand, key: string, dueAt: number): Promise<Reply> {
    return new Promise((resolve, reject) => this.#start(command, key, dueAt, resolve, reject))
  }

  /** Later calls are outages; what is under way ends as it ends. */
  close(): void {
    this.#closed = true
    if (this.#pending.size === 0) clearTimeout(this.#timer)
  }

  async #load(script: Script, keys: readonly string[], args: readonly string[], dueAt: number): Promise<Reply> {
    this.#hashes.set(script.name, String(await this.call(['SCRIPT', 'LOAD', script.lua], keys[0]!, dueAt)))
    return this.run(script, keys, args, dueAt)
  }

  #start(
    command: RedisCommand,
    key: string,
    dueAt: number,
    resolve: (reply: Reply | PromiseLike<Reply>) => void,
    reject: (outage: StoreOutage) => void,
  ): void {
    // Thrown inside the caller's promise, which it rejects.
    if (this.#closed) throw new StoreOutage('The Redis store is closed.')
    if (this.#waiting.length >= MAX_WAITING) throw new StoreOutage('Too many commands wait for Redis.')
    this.#breaker.enter()
    const pending: Pending = { command, key, dueAt, resolve, reject }
    this.#pending.add(pending)
    if (dueAt < this.#wakeAt) this.#wake(dueAt)
    if (this.#underWay < MAX_UNDER_WAY) this.#dispatch(pending)
    else this.#waiting.push(pending)
  }

  #dispatch(pending: Pending): void {
    this.#underWay++
    this.#ask(pending.command, pending.key).then(
      (reply) => {
        if (this.#pending.delete(pending)) {
          this.#breaker.succeeded()
          pending.resolve(reply as Reply)
        }
        this.#leave()
      },
      (error) => {
        this.#fail(pending, outageOf(error))
        this.#leave()
      },
    )
  }

  #leave(): void {
    this.#underWay--
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      // What waited for its turn until it was too late is not worth sending.
      if (!this.#pending.has(next)) continue
      this.#dispatch(next)
      return
    }
  }

  #fail(pending: Pending, outage: StoreOutage): void {
    if (!this.#pending.delete(pending)) return
    if (isUnknownScript(outage)) this.#breaker.succeeded()
    else this.#breaker.failed()
    pending.reject(outage)
  }

  /** One timer serves all: most commands have their answer long before. */
  #expire(): void {
    const now = ticks.now()
    let nextAt = Number.POSITIVE_INFINITY
    for (const pending of this.#pending) {
      if (pending.dueAt <= now) this.#fail(pending, new StoreOutage('Redis did not answer in time.'))
      else nextAt = Math.min(nextAt, pending.dueAt)
    }
    this.#wakeAt = Number.POSITIVE_INFINITY
    if (nextAt < this.#wakeAt) this.#wake(nextAt)
  }

  #wake(at: number): void {
    clearTimeout(this.#timer)
    this.#wakeAt = at
    this.#timer = setTimeout(() => this.#expire(), Math.max(0, at - ticks.now()))
    // Where it can be said: a process that has nothing else to do need not wait for this.
    ;(this.#timer as { unref?(): void }).unref?.()
  }

  /** A client may throw at once. */
  #ask(command: RedisCommand, key: string): PromiseLike<unknown> {
    try {
      return this.#send(command, key)
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/** Clients hang the whole command on their errors, and Redis repeats one that it does not know: values stay out of ours. */
function outageOf(error: unknown): StoreOutage {
  const { name, message, code } = error as { name?: unknown; message?: unknown; code?: unknown }
  const text = String(message ?? error).split(', with args beginning with')[0]!
  const word = /^[A-Z]{3,}(?= )/.exec(text)?.[0] ?? (typeof code === 'string' ? code : null)
  const what = word === 'CROSSSLOT' ? 'Redis is a cluster: give redisStore() cluster: true.' : 'Redis could not answer.'
  const cause = Object.assign(new Error(text), { name: String(name ?? 'Error'), code: word })
  return new StoreOutage(what, { cause })
}

function isUnknownScript(error: unknown): boolean {
  return (error as { cause?: { code?: unknown } }).cause?.code === 'NOSCRIPT'
}
