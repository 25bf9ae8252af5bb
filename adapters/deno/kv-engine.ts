import { randomBytes } from '../../src/bytes.ts'
import type { Clock } from '../../src/clock.ts'
import { decodeValue, type Json, StoreOutage, SWEEP_DELAY_MS } from '../../src/store/contract.ts'

/** A key of Deno KV, as far as this store needs it: texts alone. */
export type DenoKvKey = readonly string[]

/** What `Deno.Kv` gives for a key; `versionstamp` is null where nothing stands. */
export interface DenoKvEntry {
  readonly key: readonly unknown[]
  readonly value: unknown
  readonly versionstamp: string | null
}

/** What `Deno.Kv` gives for a list. */
export interface DenoKvSelector {
  readonly start: DenoKvKey
  readonly end: DenoKvKey
}

/** An atomic operation of `Deno.Kv`. */
export interface DenoKvAtomic {
  check(check: { readonly key: DenoKvKey; readonly versionstamp: string | null }): unknown
  set(key: DenoKvKey, value: Uint8Array, options: { expireIn?: number }): unknown
  delete(key: DenoKvKey): unknown
  commit(): Promise<{ readonly ok: boolean; readonly versionstamp?: string }>
}

/** What is used of `Deno.Kv`. */
export interface DenoKv {
  getMany(keys: readonly DenoKvKey[]): Promise<readonly DenoKvEntry[]>
  list(selector: DenoKvSelector, options: { limit: number; batchSize: number }): AsyncIterable<DenoKvEntry>
  atomic(): DenoKvAtomic
  close(): void
}

/** Most keys that Deno KV reads in one call, which is one snapshot. */
export const SNAPSHOT_KEYS = 10
/** Most keys that one atomic operation may check. */
export const MAX_CHECKS = 100
/** A hundred years, ms; Deno KV refuses expiries of some 260,000. */
const MAX_EXPIRE_IN_MS = 3_155_760_000_000
/**
 * A key where nothing ever stands. SQLite tells a write that has read before at once that the file is locked; one that has
 * not waits 5 s for the lock, and every verb of the process with it.
 */
const NOTHING: { readonly key: DenoKvKey; readonly versionstamp: null } = {
  key: ['hinoban', 'nothing'],
  versionstamp: null,
}
/** How long a verb tries to write while other connections are faster. */
const PATIENCE_MS = 2_000
const MAX_PAUSE_MS = 32
/** How long Deno KV may take for one answer: while the file is locked, it opens and collects without an end. */
const ANSWER_MS = 5_000

const decoder = new TextDecoder()

/** Deno KV with its failures as {@link StoreOutage}, and with the deciding clock. */
export class KvEngine {
  readonly #kv: DenoKv
  readonly #clock: Clock
  #closed = false

  constructor(kv: DenoKv, clock: Clock) {
    this.#kv = kv
    this.#clock = clock
  }

  /** The deciding clock, ms since the epoch. */
  now(): number {
    return this.#clock.now()
  }

  /** What stands under each key, in their order. Up to {@link SNAPSHOT_KEYS} are of one instant. */
  async read(keys: readonly DenoKvKey[]): Promise<readonly DenoKvEntry[]> {
    return this.#answered(async () => {
      const entries: DenoKvEntry[] = []
      for (let i = 0; i < keys.length; i += SNAPSHOT_KEYS) {
        entries.push(...(await this.#kv.getMany(keys.slice(i, i + SNAPSHOT_KEYS))))
      }
      return entries
    })
  }

  /** The first `limit` entries from `start` up to, not with, `end`. */
  async list(start: DenoKvKey, end: DenoKvKey, limit: number): Promise<readonly DenoKvEntry[]> {
    return this.#answered(async () => {
      const entries: DenoKvEntry[] = []
      for await (const entry of this.#kv.list({ start, end }, { limit, batchSize: limit })) entries.push(entry)
      return entries
    })
  }

  /**
   * Writes what `fill` asks for, all or nothing: the new version, or null when nothing was written, as another connection
   * was first. `fill` checks at least one key.
   */
  async commit(fill: (operation: DenoKvAtomic) => void): Promise<string | null> {
    return this.#answered(async () => {
      const operation = this.#kv.atomic()
      fill(operation)
      try {
        const { ok, versionstamp } = await operation.commit()
        return ok === true && versionstamp !== undefined ? versionstamp : null
      } catch (error) {
        if (isOvertaken(error)) return null
        throw error
      }
    })
  }

  /** Writes what `fill` asks for over whatever stands. */
  async overwrite(fill: (operation: DenoKvAtomic) => void): Promise<void> {
    await this.attempt(async () => {
      const version = await this.commit((operation) => {
        operation.check(NOTHING)
        fill(operation)
      })
      return version === null ? null : { answer: version }
    })
  }

  /**
   * The answer of the first attempt that gives one. Null means that another connection wrote first: the attempt is made
   * again, from what is read then.
   *
   * @throws {StoreOutage} when none gave one for {@link PATIENCE_MS}
   */
  async attempt<T>(once: () => Promise<{ readonly answer: T } | null>): Promise<T> {
    const began = performance.now()
    for (let tries = 1; ; tries++) {
      const made = await once()
      if (made !== null) return made.answer
      if (performance.now() - began >= PATIENCE_MS) {
        throw new StoreOutage(`The Deno KV file was locked, or others wrote first, for ${PATIENCE_MS} ms.`)
      }
      // Writers in step would meet again and again.
      const pauseMs = (randomBytes(1)[0]! / 256) * Math.min(2 ** tries, MAX_PAUSE_MS)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  /** When Deno KV may collect what ends at `endsAt`: an hour late by the deciding clock. Never, for null and far futures. */
  garbageAfter(endsAt: number | null): { expireIn?: number } {
    if (endsAt === null) return {}
    const expireIn = Math.ceil(endsAt - this.now() + SWEEP_DELAY_MS)
    return expireIn > MAX_EXPIRE_IN_MS ? {} : { expireIn: Math.max(1, expireIn) }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    await this.#answered(async () => {
      this.#closed = true
      this.#kv.close()
    })
  }

  async #answered<T>(call: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreOutage('The Deno KV store is closed.')
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`There was no answer for ${ANSWER_MS} ms.`)), ANSWER_MS)
    })
    try {
      return await Promise.race([call(), late])
    } catch (error) {
      throw new StoreOutage('Deno KV could not answer.', { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }
}

/** The JSON that an entry keeps. @throws {StoreOutage} when it keeps none: this store did not write it. */
export function jsonOf({ value }: DenoKvEntry): Json {
  if (!(value instanceof Uint8Array)) throw new StoreOutage('Deno KV holds a value that this store did not write.')
  return decodeValue(decoder.decode(value))
}

/**
 * Whether a write was not made because another connection to the file wrote since its checks were read. SQLite says so at
 * once, before it has changed anything, and Deno hands it on as a TypeError with no code.
 */
function isOvertaken(error: unknown): boolean {
  return error instanceof Error && error.message === 'database is locked'
}
