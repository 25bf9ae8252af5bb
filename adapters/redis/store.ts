import { randomBytes, toHex } from '../../src/bytes.ts'
import type { Clock } from '../../src/clock.ts'
import {
  type AtomicStore,
  checkExpiry,
  decodeName,
  decodeValue,
  encodeListedName,
  encodePart,
  encodePassingPart,
  encodeValue,
  isHashed,
  type Json,
  type Listed,
  PAGE_SIZE,
  type Page,
  type Stored,
  type StoreKey,
  type StoreNotice,
  StoreOutage,
} from '../../src/store/contract.ts'
import { type Charge, checkCharges, type Decision } from '../../src/store/gcra.ts'
import { spread } from '../../src/store/spread.ts'
import { Commands, type Lane, type RedisSend, type Reply, ticks } from './commands.ts'
import { Consumer } from './consume.ts'
import { Epoch } from './epoch.ts'
import { CREATE, DELETE, GET, LIST, REPLACE, SET, TAKE } from './scripts.ts'
import { Tariffs } from './tariff.ts'

/** What a {@link redisStore} takes. */
export interface RedisStoreOptions {
  /** Sends one command by your client, and gives Redis's reply. */
  readonly send: RedisSend
  /** Begins every key, before a `/`: at most 64 of `a-z A-Z 0-9 . _ : -`. `hinoban` unless told. */
  readonly prefix?: string
  /**
   * For Redis Cluster: keys carry one of 256 hash tags, so that all keys of a partition lie in one slot. It names other
   * keys than without: a store does not find what was written in the other way.
   */
  readonly cluster?: boolean
  /** Longest that a call may take, ms, 1 to 60,000; then it is a StoreOutage. 250 unless told. */
  readonly deadlineMs?: number
  /** Decides expiry and refill, for tests; Redis's own clock (TIME) unless told. */
  readonly clock?: Clock
}

/** An {@link AtomicStore} in Redis. */
export interface RedisStore extends AtomicStore {
  /**
   * Resolves when Redis answers, and throws StoreOutage when it does not: ask at start. In a cluster only what was asked for here,
   * or used, is noticed when it is lost.
   */
  ready(): Promise<void>
}

const SHARDS = 256
const VERSION_BYTES = 12

/**
 * State in Redis 6.2 or later (or what speaks its scripts), exact among all processes that share it; for Node, Bun and Deno, not for
 * Workers, as calls of different requests go together. A decision is one round trip. Works with every client, by its own
 * way to send a command; a queue for times without a connection must be off, or writes come late:
 *
 * - `redis`: `createClient({ url, disableOfflineQueue: true })`, `send: (command) => client.sendCommand(command)`
 * - `ioredis`: `new Redis(url, { enableOfflineQueue: false })`, `send: (command) => client.call(...command)`
 * - Bun's own: `new RedisClient(url, { enableOfflineQueue: false })`, `send: ([name, ...args]) => client.send(name, args)`
 *
 * A call that takes longer than the deadline, or finds Redis failing 5 times in a row, throws {@link StoreOutage} and never hangs.
 * What such a call wrote may stand; it is not written much later than its deadline by Redis's own clock. Where a client sends again
 * what a broken connection left open, a refund counts once, `claim` and `swap` answer as the first time unless the record was taken
 * or changed in that moment, a charge may count twice, and what `take` took may be lost.
 *
 * What was acknowledged lasts as long as Redis keeps it. When Redis comes back with less (flushed, without its data, an older
 * copy), the next decision or single use notices: `watch` tells it, buckets start full, and `claim`, `take` and `swap` throw
 * {@link StoreOutage} until what was claimed before has ended, at least 15 minutes and at most a day. Only a process that lost
 * something can notice, when it comes again: where every process starts anew after the loss, nothing is noticed. Set `maxmemory-policy noeviction`, or Redis forgets by itself.
 *
 * Values lie in Redis in the clear. `close()` ends this store; the client stays yours.
 *
 * @throws {TypeError | RangeError} naming the option that is wrong
 *
 * @example
 * const client = await createClient({ url, disableOfflineQueue: true }).connect()
 * const store = redisStore({ send: (command) => client.sendCommand(command) })
 */
export function redisStore(options: RedisStoreOptions): RedisStore {
  const { send, prefix = 'hinoban', deadlineMs = 250 } = options
  if (typeof send !== 'function') {
    throw new TypeError('redisStore(): send is missing. Give it your client: (command) => client.sendCommand(command).')
  }
  if (!/^[\w.:-]{0,64}$/.test(prefix)) {
    throw new RangeError('redisStore(): prefix must be at most 64 of a-z A-Z 0-9 . _ : -')
  }
  if (!Number.isInteger(deadlineMs) || deadlineMs < 1 || deadlineMs > 60_000) {
    throw new RangeError('redisStore(): deadlineMs must be a whole number from 1 to 60,000.')
  }
  return new Redis({ ...options, prefix, deadlineMs })
}

/** What stands or falls together in Redis: all of it, or the keys of one hash tag. */
interface Shard {
  readonly root: string
  readonly lane: Lane
  readonly epoch: Epoch
  readonly consumer: Consumer
}

class Redis implements RedisStore {
  readonly name = 'redis'
  readonly consistency = 'atomic'
  readonly deadlineMs: number
  readonly #commands: Commands
  readonly #prefix: string
  readonly #isCluster: boolean
  readonly #now: () => string
  readonly #shards = new Map<number, Shard>()
  readonly #listeners: ((notice: StoreNotice) => void)[] = []
  readonly #tariffs = new Tariffs()
  #closed = false

  constructor(options: RedisStoreOptions & { readonly prefix: string; readonly deadlineMs: number }) {
    const { send, prefix, cluster = false, deadlineMs, clock } = options
    this.#commands = new Commands(send, deadlineMs)
    this.#prefix = prefix
    this.#isCluster = cluster
    this.deadlineMs = deadlineMs
    this.#now = clock === undefined ? () => '' : () => `=${clock.now()}`
  }

  async ready(): Promise<void> {
    const dueAt = this.#dueAt()
    if (!this.#isCluster) return this.#shard('').epoch.learn(false, dueAt)
    const shards = Array.from({ length: SHARDS }, (_, number) => this.#shardAt(number))
    await Promise.all(shards.map(({ epoch }) => epoch.learn(false, dueAt)))
  }

  watch(listener: (notice: StoreNotice) => void): void {
    this.#listeners.push(listener)
  }

  async get(key: StoreKey): Promise<Stored | null> {
    const dueAt = this.#dueAt()
    const { lane, epoch } = this.#shard(key.partition)
    const [record] = this.#keysOf(key.partition, encodePart(key.name))
    await epoch.ensure(dueAt)
    return stored(await lane.run(GET, [record!], [this.#now()], dueAt))
  }

  async set(key: StoreKey, value: Json, expiresAt: number | null): Promise<void> {
    checkExpiry(expiresAt)
    const name = encodeListedName(key.name)
    const args = [name, newVersion(), endsOf(expiresAt), encodeValue(value)]
    const { epoch } = this.#shard(key.partition)
    await epoch.write(SET, this.#keysOf(key.partition, name), (when) => [when, ...args], this.#dueAt())
  }

  async delete(key: StoreKey): Promise<void> {
    const name = encodePart(key.name)
    const { epoch } = this.#shard(key.partition)
    await epoch.write(DELETE, this.#keysOf(key.partition, name, true), (when) => [when, name], this.#dueAt())
  }

  async list(partition: string, prefix: string, cursor: string | null): Promise<Page> {
    const begin = encodeListedName(prefix)
    const dueAt = this.#dueAt()
    const { lane } = this.#shard(partition)
    const [, index] = this.#keysOf(partition, '')
    // Names come in order after the cursor, up to one past the page: \x7f is above every character of an encoded name.
    const least = cursor === null || cursor < begin ? `[${begin}` : `(${cursor}`
    const args = [this.#now(), least, `(${begin}\x7f`, String(PAGE_SIZE + 1)]
    const reply = (await lane.run(LIST, [index!], args, dueAt)) as readonly string[]
    const now = Number(reply[0])
    const names = reply.slice(1, PAGE_SIZE + 1)
    const entries: Listed[] = []
    if (names.length > 0) {
      const records = names.map((name) => this.#keysOf(partition, name)[0]!)
      const texts = (await lane.call(['MGET', ...records], records[0]!, dueAt)) as readonly Reply[]
      for (const [i, name] of names.entries()) {
        const record = stored(texts[i] ?? null)
        const isLive = record !== null && (record.expiresAt === null || now < record.expiresAt)
        if (isLive) entries.push({ name: decodeName(name), ...record })
      }
    }
    return { entries, cursor: reply.length > PAGE_SIZE + 1 ? names.at(-1)! : null }
  }

  async claim(key: StoreKey, expiresAt: number): Promise<boolean> {
    checkExpiry(expiresAt)
    return (await this.#write(CREATE, key.partition, encodePart(key.name), 'true', expiresAt, [])) !== null
  }

  async take(key: StoreKey): Promise<Stored | null> {
    const name = encodePart(key.name)
    const keys = this.#keysOf(key.partition, name, true)
    const { epoch } = this.#shard(key.partition)
    const reply = await epoch.use(TAKE, keys, [name], '-', this.#dueAt())
    return stored(reply[4] ?? null)
  }

  async swap(key: StoreKey, version: string | null, value: Json, expiresAt: number | null): Promise<string | null> {
    checkExpiry(expiresAt)
    const name = encodeListedName(key.name)
    const json = encodeValue(value)
    return version === null
      ? this.#write(CREATE, key.partition, name, json, expiresAt, [])
      : this.#write(REPLACE, key.partition, name, json, expiresAt, [version])
  }

  consume(partition: string, charges: readonly Charge[]): Promise<Decision> {
    return new Promise((resolve, reject) => {
      // What is thrown in here rejects.
      checkCharges(charges)
      const tariffs = charges.map((charge) => this.#tariffs.of(charge))
      const { root, consumer } = this.#shard(partition)
      const begin = `${root}b/${encodePassingPart(partition)}/`
      const keys = charges.map(({ name }) => begin + encodePassingPart(name))
      if (this.#closed) throw new StoreOutage('The Redis store is closed.')
      const now = ticks.now()
      consumer.decide({ charges, tariffs, keys, dueAt: now + this.deadlineMs, resolve, reject }, now)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#commands.close()
  }

  async #write(
    script: typeof CREATE,
    partition: string,
    name: string,
    json: string,
    expiresAt: number | null,
    expected: readonly string[],
  ): Promise<string | null> {
    const { epoch } = this.#shard(partition)
    const version = newVersion()
    const ends = endsOf(expiresAt)
    const args = [name, version, ends, json, ...expected]
    const reply = await epoch.use(script, this.#keysOf(partition, name), args, ends, this.#dueAt())
    return reply[0] === 'done' ? version : null
  }

  /** The keys of a record and of its partition's index. A name that `list` cannot give back is in no index. */
  #keysOf(partition: string, name: string, always = false): readonly string[] {
    const { root } = this.#shard(partition)
    const encoded = encodePart(partition)
    const record = `${root}r/${encoded}/${name}`
    return isHashed(name) && !always ? [record] : [record, `${root}i/${encoded}`, `${root}d/${encoded}`]
  }

  #shard(partition: string): Shard {
    return this.#shardAt(this.#isCluster ? spread(encodePart(partition), SHARDS) : 0)
  }

  #shardAt(number: number): Shard {
    const found = this.#shards.get(number)
    if (found !== undefined) return found
    const root = this.#isCluster ? `${this.#prefix}{${number}}/` : `${this.#prefix}/`
    const lane = this.#commands.lane()
    const onLoss = (reason: string): void => this.#tell({ type: 'lost', reason })
    const epoch = new Epoch(lane, root, this.#now, onLoss)
    const shard = { root, lane, epoch, consumer: new Consumer(epoch, root) }
    this.#shards.set(number, shard)
    return shard
  }

  #tell(notice: StoreNotice): void {
    for (const listener of this.#listeners) {
      try {
        listener(notice)
      } catch {
        // What a listener cannot do must not decide what the caller is told.
      }
    }
  }

  #dueAt(): number {
    return ticks.now() + this.deadlineMs
  }
}

function newVersion(): string {
  return toHex(randomBytes(VERSION_BYTES))
}

function endsOf(expiresAt: number | null): string {
  return expiresAt === null ? '-' : String(expiresAt)
}

/** Reads `version expiresAt json`. */
function stored(text: Reply): Stored | null {
  if (text === null) return null
  const found = /^(\S+) (\S+) (.*)$/s.exec(String(text))
  if (found === null) throw new StoreOutage('A record in Redis is none of ours.')
  const [, version, ends, json] = found
  return { value: decodeValue(json!), version: version!, expiresAt: ends === '-' ? null : Number(ends) }
}
