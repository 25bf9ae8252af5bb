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

/** Who is told once: of the reply, or why there is none. It must not throw. */
export interface Asker {
  answered(reply: Reply): void
  failed(error: unknown): void
}

/** Commands to one part of Redis that fails as a whole: the server, or one hash tag of a cluster. */
export interface Lane {
  /** {@link run} for who wants no promise. @param now by {@link ticks} */
  ask(script: Script, keys: readonly string[], args: readonly string[], dueAt: number, now: number, asker: Asker): void
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
  /** How many the client has not settled. */
  underWay = 0
  /** Those of them whose end has come. */
  readonly overdue = new Set<Pending>()
}

interface Pending {
  readonly command: RedisCommand
  readonly key: string
  readonly dueAt: number
  readonly traffic: Traffic
  readonly asker: Asker
  /** The script whose hash is in the command. */
  readonly lua: string | null
  /** When it was handed to the client, by {@link ticks}; null while it waits for its turn. */
  sentAt: number | null
  isUnderWay: boolean
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
  /** Scripts that are being loaded: nobody waits for it. */
  readonly #loading = new Set<string>()
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
    const start = (
      command: RedisCommand,
      lua: string | null,
      key: string,
      dueAt: number,
      now: number,
      asker: Asker,
    ): void => {
      this.#start({ command, key, dueAt, traffic, asker, lua, sentAt: null, isUnderWay: false }, now)
    }
    const call: Lane['call'] = (command, key, dueAt) =>
      new Promise((answered, failed) => start(command, null, key, dueAt, ticks.now(), { answered, failed }))
    const load = ({ name, lua }: Script, key: string): void => {
      if (this.#hashes.has(name) || this.#loading.has(name)) return
      this.#loading.add(name)
      const answered = (hash: Reply): void => {
        this.#hashes.set(name, String(hash))
        this.#loading.delete(name)
      }
      // Who asks next tries again.
      const failed = (): void => void this.#loading.delete(name)
      const now = ticks.now()
      start(['SCRIPT', 'LOAD', lua], null, key, now + this.#deadlineMs, now, { answered, failed })
    }
    const ask: Lane['ask'] = (script, keys, args, dueAt, now, asker) => {
      const key = keys[0]!
      const count = String(keys.length)
      const hash = this.#hashes.get(script.name)
      if (hash === undefined) {
        // Whole, as what comes behind it must not overtake it.
        start(['EVAL', script.lua, count, ...keys, ...args], null, key, dueAt, now, {
          answered: (reply) => {
            load(script, key)
            asker.answered(reply)
          },
          failed: (outage) => asker.failed(outage),
        })
        return
      }
      start(['EVALSHA', hash, count, ...keys, ...args], script.lua, key, dueAt, now, asker)
    }
    const run: Lane['run'] = (script, keys, args, dueAt) =>
      new Promise((answered, failed) => ask(script, keys, args, dueAt, ticks.now(), { answered, failed }))
    return { ask, call, run }
  }

  /** Later calls are outages; what is under way ends as it ends. */
  close(): void {
    this.#closed = true
    if (this.#pending.size === 0) clearTimeout(this.#timer)
  }

  #start(pending: Pending, now: number): void {
    try {
      this.#enter(pending, now)
    } catch (outage) {
      pending.asker.failed(outage)
    }
  }

  /** @throws {StoreOutage} when there is no place for it. */
  #enter(pending: Pending, now: number): void {
    const { traffic, dueAt } = pending
    if (this.#closed) throw new StoreOutage('The Redis store is closed.')
    traffic.breaker.enter()
    if (traffic.underWay >= MAX_UNDER_WAY) this.#forget(traffic)
    if (traffic.waiting.length >= MAX_WAITING) {
      traffic.waiting = traffic.waiting.filter((one) => this.#pending.has(one))
      if (traffic.waiting.length >= MAX_WAITING) throw new StoreOutage('Too many commands wait for Redis.')
    }
    this.#pending.add(pending)
    if (dueAt < this.#wakeAt) this.#wake(dueAt)
    if (traffic.underWay < MAX_UNDER_WAY) this.#dispatch(pending, now)
    else traffic.waiting.push(pending)
  }

  #dispatch(pending: Pending, now: number): void {
    pending.sentAt = now
    pending.isUnderWay = true
    pending.traffic.underWay++
    const answered = (reply: unknown): void => {
      if (this.#pending.delete(pending)) {
        pending.traffic.breaker.succeeded()
        pending.asker.answered(reply as Reply)
      }
      this.#leave(pending)
    }
    const failed = (error: unknown): void => {
      const outage = outageOf(error)
      if (pending.lua !== null && codeOf(outage) === 'NOSCRIPT') this.#sendWhole(pending, pending.lua)
      else this.#fail(pending, outage, isAlive(outage))
      this.#leave(pending)
    }
    try {
      const reply = this.#send(pending.command, pending.key)
      if (!isPending(reply)) throw new TypeError('redisStore(): send must return the promise of a reply.')
      reply.then(answered, failed)
    } catch (error) {
      // A client may throw at once, and again for each that waits: one after the other, not one inside the other.
      Promise.reject(error).catch(failed)
    }
  }

  /** Redis does not know the script (any more). */
  #sendWhole(pending: Pending, lua: string): void {
    if (!this.#pending.delete(pending)) return
    pending.traffic.breaker.succeeded()
    const command: RedisCommand = ['EVAL', lua, ...pending.command.slice(2)]
    this.#start({ ...pending, command, lua: null, sentAt: null, isUnderWay: false }, ticks.now())
  }

  #leave(pending: Pending): void {
    if (!pending.isUnderWay) return
    pending.isUnderWay = false
    const { overdue, waiting } = pending.traffic
    if (overdue.size > 0) overdue.delete(pending)
    pending.traffic.underWay--
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      // What waited for its turn until it was too late is not worth sending.
      if (!this.#pending.has(next)) continue
      this.#dispatch(next, ticks.now())
      return
    }
  }

  #fail(pending: Pending, outage: StoreOutage, isAlive: boolean): void {
    if (!this.#pending.delete(pending)) return
    if (isAlive) pending.traffic.breaker.succeeded()
    else pending.traffic.breaker.failed()
    pending.asker.failed(outage)
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
    if (pending.isUnderWay) pending.traffic.overdue.add(pending)
    if (pending.sentAt !== null && now - pending.sentAt >= this.#deadlineMs / 2) this.#fail(pending, outage, false)
    else if (this.#pending.delete(pending)) pending.asker.failed(outage)
  }

  #wake(at: number): void {
    clearTimeout(this.#timer)
    this.#wakeAt = at
    this.#timer = setTimeout(() => this.#expire(), Math.max(0, at - ticks.now()))
    // Where it can be said: a process that has nothing else to do need not wait for this.
    ;(this.#timer as { unref?(): void }).unref?.()
  }

  /** Some clients never settle what a broken connection left open. */
  #forget({ overdue }: Traffic): void {
    const before = ticks.now() - FORGOTTEN_AFTER_MS
    for (const pending of [...overdue]) if (pending.dueAt <= before) this.#leave(pending)
  }
}

/** Clients hang the whole command on their errors, and Redis repeats one that it does not know: values stay out of ours. */
function outageOf(error: unknown): StoreOutage {
  try {
    return readOutage(error)
  } catch {
    // What cannot even be read.
    return new StoreOutage('Redis could not answer.')
  }
}

function readOutage(error: unknown): StoreOutage {
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
