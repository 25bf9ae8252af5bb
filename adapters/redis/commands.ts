import type { Clock } from '../../src/clock.ts'
import { Breaker } from '../../src/store/breaker.ts'
import { isPending, StoreOutage } from '../../src/store/contract.ts'
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

/** Commands to one part of Redis that fails as a whole: the server, or one hash tag of a cluster. */
export interface Lane {
  /** Runs a script; it is sent whole where Redis does not know it (any more). The first key chooses the node. */
  run(script: Script, keys: readonly string[], args: readonly string[], dueAt: number): Promise<Reply>
  /** Runs one command. @throws {StoreOutage} when Redis did not answer it. */
  call(command: RedisCommand, key: string, dueAt: number): Promise<Reply>
}

/** What stands for one {@link Lane}: its neighbours' troubles are not its own. */
class Traffic {
  readonly breaker = new Breaker(ticks)
  /** What waits for its turn, and what was too late for it and is still to be taken out. */
  waiting: Pending[] = []
  /** What the client has not settled. */
  readonly underWay = new Set<Pending>()
}

interface Pending {
  readonly command: RedisCommand
  readonly key: string
  readonly dueAt: number
  readonly traffic: Traffic
  readonly resolve: (reply: Reply | PromiseLike<Reply>) => void
  readonly reject: (outage: StoreOutage) => void
  /** When it was handed to the client, by {@link ticks}; null while it waits for its turn. */
  sentAt: number | null
}

const MAX_UNDER_WAY = 256
const MAX_WAITING = 16_384
/** A command that the client has not settled this long after its end is no longer counted as under way, ms. */
const FORGOTTEN_AFTER_MS = 2_000

/** Counts ms from an instant of its own and never steps. */
export const ticks: Clock = { now: () => performance.now() }

/**
 * Runs commands, each until an instant of {@link ticks}. In each lane at most 256 are under way, until the client settles them or 2 s
 * after their end, and 16,384 wait for their turn. What comes above that, is not answered in time or meets an open breaker is a StoreOutage.
 */
export class Commands {
  readonly #send: RedisSend
  readonly #deadlineMs: number
  readonly #hashes = new Map<string, string>()
  /** What has no answer yet, in the order that it came; what waits for its turn is among it. */
  readonly #pending = new Set<Pending>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #wakeAt = Number.POSITIVE_INFINITY
  #closed = false

  constructor(send: RedisSend, deadlineMs: number) {
    this.#send = send
    this.#deadlineMs = deadlineMs
  }

  /** A part of Redis with a breaker of its own. */
  lane(): Lane {
    const traffic = new Traffic()
    const call: Lane['call'] = (command, key, dueAt) =>
      new Promise((resolve, reject) => this.#start(traffic, command, key, dueAt, resolve, reject))
    const run: Lane['run'] = (script, keys, args, dueAt) => {
      const key = keys[0]!
      const hash = this.#hashes.get(script.name)
      if (hash === undefined) return load(script, keys, args, dueAt)
      const count = String(keys.length)
      const command: RedisCommand = ['EVALSHA', hash, count, ...keys, ...args]
      return new Promise((resolve, reject) => {
        this.#start(traffic, command, key, dueAt, resolve, (outage) => {
          if (codeOf(outage) !== 'NOSCRIPT') reject(outage)
          else resolve(call(['EVAL', script.lua, count, ...keys, ...args], key, dueAt))
        })
      })
    }
    const load: Lane['run'] = async (script, keys, args, dueAt) => {
      this.#hashes.set(script.name, String(await call(['SCRIPT', 'LOAD', script.lua], keys[0]!, dueAt)))
      return run(script, keys, args, dueAt)
    }
    return { call, run }
  }

  /** Later calls are outages; what is under way ends as it ends. */
  close(): void {
    this.#closed = true
    if (this.#pending.size === 0) clearTimeout(this.#timer)
  }

  #start(
    traffic: Traffic,
    command: RedisCommand,
    key: string,
    dueAt: number,
    resolve: Pending['resolve'],
    reject: Pending['reject'],
  ): void {
    // Thrown inside the caller's promise, which it rejects.
    if (this.#closed) throw new StoreOutage('The Redis store is closed.')
    traffic.breaker.enter()
    if (traffic.underWay.size >= MAX_UNDER_WAY) this.#forget(traffic)
    if (traffic.waiting.length >= MAX_WAITING) {
      traffic.waiting = traffic.waiting.filter((one) => this.#pending.has(one))
      if (traffic.waiting.length >= MAX_WAITING) throw new StoreOutage('Too many commands wait for Redis.')
    }
    const pending: Pending = { command, key, dueAt, traffic, resolve, reject, sentAt: null }
    this.#pending.add(pending)
    if (dueAt < this.#wakeAt) this.#wake(dueAt)
    if (traffic.underWay.size < MAX_UNDER_WAY) this.#dispatch(pending)
    else traffic.waiting.push(pending)
  }

  #dispatch(pending: Pending): void {
    pending.sentAt = ticks.now()
    pending.traffic.underWay.add(pending)
    this.#ask(pending.command, pending.key).then(
      (reply) => {
        if (this.#pending.delete(pending)) {
          pending.traffic.breaker.succeeded()
          pending.resolve(reply as Reply)
        }
        this.#leave(pending)
      },
      (error) => {
        const outage = outageOf(error)
        this.#fail(pending, outage, isAlive(outage))
        this.#leave(pending)
      },
    )
  }

  #leave(pending: Pending): void {
    const { underWay, waiting } = pending.traffic
    if (!underWay.delete(pending)) return
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      // What waited for its turn until it was too late is not worth sending.
      if (!this.#pending.has(next)) continue
      this.#dispatch(next)
      return
    }
  }

  #fail(pending: Pending, outage: StoreOutage, isAlive: boolean): void {
    if (!this.#pending.delete(pending)) return
    if (isAlive) pending.traffic.breaker.succeeded()
    else pending.traffic.breaker.failed()
    pending.reject(outage)
  }

  /** One timer serves all: most commands have their answer long before. */
  #expire(): void {
    const now = ticks.now()
    let nextAt = Number.POSITIVE_INFINITY
    for (const pending of this.#pending) {
      if (pending.dueAt > now) nextAt = Math.min(nextAt, pending.dueAt)
      else this.#late(pending, now)
    }
    this.#wakeAt = Number.POSITIVE_INFINITY
    if (nextAt < this.#wakeAt) this.#wake(nextAt)
  }

  /** What waited here for most of its time says nothing of Redis. */
  #late(pending: Pending, now: number): void {
    const outage = new StoreOutage('Redis did not answer in time.')
    if (pending.sentAt !== null && now - pending.sentAt >= this.#deadlineMs / 2) this.#fail(pending, outage, false)
    else if (this.#pending.delete(pending)) pending.reject(outage)
  }

  #wake(at: number): void {
    clearTimeout(this.#timer)
    this.#wakeAt = at
    this.#timer = setTimeout(() => this.#expire(), Math.max(0, at - ticks.now()))
    // Where it can be said: a process that has nothing else to do need not wait for this.
    ;(this.#timer as { unref?(): void }).unref?.()
  }

  /** Some clients never settle what a broken connection left open. */
  #forget({ underWay }: Traffic): void {
    const before = ticks.now() - FORGOTTEN_AFTER_MS
    for (const pending of [...underWay]) if (pending.dueAt <= before) this.#leave(pending)
  }

  /** A client may throw at once. */
  #ask(command: RedisCommand, key: string): PromiseLike<unknown> {
    try {
      const reply = this.#send(command, key)
      if (isPending(reply)) return reply
      throw new TypeError('redisStore(): send must return the promise of a reply.')
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/** Clients hang the whole command on their errors, and Redis repeats one that it does not know: values stay out of ours. */
function outageOf(error: unknown): StoreOutage {
  const { name, message, code } = Object(error) as { name?: unknown; message?: unknown; code?: unknown }
  const text = String(message ?? error).split(', with args beginning with')[0]!
  const word = /^[A-Z]{3,}(?= )/.exec(text)?.[0] ?? (typeof code === 'string' ? code : null)
  const what = word === 'CROSSSLOT' ? 'Redis is a cluster: give redisStore() cluster: true.' : 'Redis could not answer.'
  const cause = Object.assign(new Error(text), { name: String(name ?? 'Error'), code: word })
  return new StoreOutage(what, { cause })
}

function codeOf(outage: StoreOutage): unknown {
  return (outage.cause as { code?: unknown } | undefined)?.code
}

/** Replies about the one command that was asked: whoever gives them serves others. */
const ABOUT_ONE = ['CROSSSLOT', 'ERR', 'MISCONF', 'NOPERM', 'NOREPLICAS', 'NOSCRIPT', 'OOM', 'WRONGTYPE']

/** Whether an error is Redis's own reply to this one command, which shows that it serves others. */
function isAlive(outage: StoreOutage): boolean {
  const code = codeOf(outage)
  return typeof code === 'string' && ABOUT_ONE.includes(code)
}
