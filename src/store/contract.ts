import { utf8 } from '../bytes.ts'
import { sha256Hex } from '../crypto/hash.ts'
import type { Charge, Decision } from './gcra.ts'

/** A value now, or a promise of one. Ask {@link isPending} which; never read a field to find out. */
export type Awaitable<T> = T | PromiseLike<T>

/** What a store can hold: plain JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [field: string]: Json }

/**
 * Where a record lives. A partition is a client, a principal or a registry: the unit of atomicity and of scale (one
 * Durable Object, one Redis slot). Build both parts from data freely: they are escaped, so no two keys ever meet.
 */
export interface StoreKey {
  readonly partition: string
  readonly name: string
}

/** A live record. `version` changes with every write; `expiresAt` is ms since the epoch, null for never. */
export interface Stored {
  readonly value: Json
  readonly version: string
  readonly expiresAt: number | null
}

/** A live record with its name, as `list` gives it. */
export interface Listed extends Stored {
  readonly name: string
}

/** One page of a listing, in the order of the encoded names. `cursor` is null on the last page. */
export interface Page {
  readonly entries: readonly Listed[]
  readonly cursor: string | null
}

/**
 * Plain state, last write wins. A record is expired when `now >= expiresAt`, whatever the engine still holds.
 * Sizes: a value is at most 48 KiB of JSON (more is a RangeError before any I/O); a name at most 199 bytes encoded where
 * it is written by `set` or `swap`. Every verb throws {@link StoreOutage} when the engine could not answer.
 */
export interface Store {
  /** What messages and events call it, such as `redis`. */
  readonly name: string
  /** What the store promises: `eventual` may answer with old state, `atomic` never does. */
  readonly consistency: 'eventual' | 'atomic'
  /**
   * Longest that a call takes, ms: after it every verb has answered or thrown. 0 for a store that answers at once. Who
   * must not hang sets a deadline of its own on a store that leaves it out.
   */
  readonly deadlineMs?: number
  /** Tells `listener` what the store notices outside of any one answer. Stores that notice nothing leave it out. */
  watch?(listener: (notice: StoreNotice) => void): void
  get(key: StoreKey): Awaitable<Stored | null>
  /** Writes a record. `expiresAt` is ms since the epoch, null for never. */
  set(key: StoreKey, value: Json, expiresAt: number | null): Awaitable<void>
  /** Removes a record; nothing happens when there is none. */
  delete(key: StoreKey): Awaitable<void>
  /** Live records of a partition whose names begin with `prefix`, at most 100 a page, from `cursor` on. */
  list(partition: string, prefix: string, cursor: string | null): Awaitable<Page>
  /** Releases what the store holds. Later calls throw StoreOutage. */
  close(): Awaitable<void>
}

/** What a store noticed: its engine holds less than it acknowledged. Why, in one word, such as `flushed`. */
export interface StoreNotice {
  readonly type: 'lost'
  readonly reason: string
}

/** A store whose single-use and counting verbs are exact under any number of concurrent callers. */
export interface AtomicStore extends Store {
  readonly consistency: 'atomic'
  /** True for the first caller until `expiresAt`, false for every other: replay sets, idempotency. */
  claim(key: StoreKey, expiresAt: number): Awaitable<boolean>
  /** Reads and deletes in one step: tickets, challenges. Null when there was nothing live. */
  take(key: StoreKey): Awaitable<Stored | null>
  /**
   * Writes only over `version` (null: only where nothing live stands). The new version, or null when somebody was
   * first.
   */
  swap(key: StoreKey, version: string | null, value: Json, expiresAt: number | null): Awaitable<string | null>
  /**
   * Charges GCRA buckets of one partition, all or nothing: either every charge fits and all are made, or none is.
   * Names must differ within one call. A bucket is no record: `get` and `list` do not see it.
   */
  consume(partition: string, charges: readonly Charge[]): Awaitable<Decision>
}

/** An {@link AtomicStore} that answers at once: no verb gives a promise. */
export interface ImmediateStore extends AtomicStore {
  get(key: StoreKey): Stored | null
  set(key: StoreKey, value: Json, expiresAt: number | null): void
  delete(key: StoreKey): void
  list(partition: string, prefix: string, cursor: string | null): Page
  close(): void
  claim(key: StoreKey, expiresAt: number): boolean
  take(key: StoreKey): Stored | null
  swap(key: StoreKey, version: string | null, value: Json, expiresAt: number | null): string | null
  consume(partition: string, charges: readonly Charge[]): Decision
}

/** The store could not find out: never a refusal, never an admission. The engine's own error is the `cause`. */
export class StoreOutage extends Error {
  override readonly name = 'StoreOutage'
}

/** Most bytes of JSON in one value. */
export const MAX_VALUE_BYTES = 49_152
/** Most records in one page of `list`. */
export const PAGE_SIZE = 100
/** Engines may drop expired records and idle buckets this long after they ended, ms: a clock stepped back cannot revive them. */
export const SWEEP_DELAY_MS = 3_600_000

const MAX_PART_BYTES = 199
/** A third of it: even all colons fit. */
const MAX_PLAIN_LENGTH = 66
const COLON = 58

/** Whether an answer is still to come. The one place that tells: an RPC promise of workerd is no `Promise`. */
export function isPending<T>(answer: Awaitable<T>): answer is PromiseLike<T> {
  return typeof (answer as { then?: unknown } | null | undefined)?.then === 'function'
}

/** Goes on with an answer: at once where it is there, else when it comes. */
export function whenAnswered<T, R>(
  answer: Awaitable<T>,
  then: (answer: T) => Awaitable<R>,
  failed?: (error: unknown) => Awaitable<R>,
): Awaitable<R> {
  return isPending(answer) ? answer.then(then, failed) : then(answer)
}

/**
 * A partition or name as plain ASCII: `encodeURIComponent`, so that parts may be joined by any character that it
 * escapes. A part over 199 bytes becomes its first characters, `%~` (which no encoded text contains) and its SHA-256.
 *
 * @throws {RangeError} for a lone surrogate, which has no UTF-8.
 */
export function encodePart(part: string): string {
  if (!part.isWellFormed()) throw new RangeError('A store key holds a lone surrogate; keys are Unicode text.')
  const encoded = encodeURIComponent(part)
  return encoded.length <= MAX_PART_BYTES ? encoded : flat(`${encoded.slice(0, 100)}%~${sha256Hex(part)}`)
}

/** The same text in one piece: V8 keeps a slice as a piece of the whole, which lives on with it. */
function flat(text: string): string {
  return decodeURIComponent(encodeURIComponent(text))
}

/**
 * The same at less cost, for a text that is not kept: what a part was cut out of (a header, an address) lives on with it.
 *
 * @throws {RangeError} as {@link encodePart}
 */
export function encodePassingPart(part: string): string {
  return (part.length <= MAX_PLAIN_LENGTH ? encodePlain(part) : null) ?? encodePart(part)
}

/** Null where there is more to escape than colons. */
function encodePlain(part: string): string | null {
  let encoded = ''
  let from = 0
  for (let i = 0; i < part.length; i++) {
    const code = part.charCodeAt(i)
    if (code === COLON) {
      encoded += `${part.slice(from, i)}%3A`
      from = i + 1
    } else if (!isUnreserved(code)) return null
  }
  return from === 0 ? part : encoded + part.slice(from)
}

/** `a-z A-Z 0-9 - . _`, which no URI encoding changes. */
function isUnreserved(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 45 && code <= 57 && code !== 47) ||
    (code >= 65 && code <= 90) ||
    code === 95
  )
}

/** Like {@link encodePart}, for names that `list` must give back. @throws {RangeError} when the name is too long. */
export function encodeListedName(name: string): string {
  const encoded = encodePart(name)
  if (isHashed(encoded)) throw new RangeError(`A record's name holds at most ${MAX_PART_BYTES} bytes once encoded.`)
  return encoded
}

/** Whether {@link encodePart} had to hash: such names cannot be given back, so `list` leaves them out. */
export function isHashed(encoded: string): boolean {
  return encoded.includes('%~')
}

/** The name that {@link encodeListedName} was given. */
export function decodeName(encoded: string): string {
  return decodeURIComponent(encoded)
}

/**
 * JSON of a value.
 *
 * @throws {TypeError} when it is not JSON. @throws {RangeError} when it is over 48 KiB.
 */
export function encodeValue(value: Json): string {
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) throw new TypeError('A store holds JSON; this value has none.')
  if (text.length > MAX_VALUE_BYTES || (text.length * 3 > MAX_VALUE_BYTES && utf8(text).length > MAX_VALUE_BYTES)) {
    throw new RangeError(`A value holds at most ${MAX_VALUE_BYTES} bytes of JSON.`)
  }
  return text
}

/** The value of a JSON text that {@link encodeValue} made. @throws {StoreOutage} for any other; it repeats nothing of the text. */
export function decodeValue(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    throw new StoreOutage('A stored value is not JSON: something else wrote into the store.')
  }
}

/** @throws {RangeError} unless `expiresAt` is null or a safe integer of milliseconds. */
export function checkExpiry(expiresAt: number | null): void {
  if (expiresAt !== null && !Number.isSafeInteger(expiresAt)) {
    throw new RangeError('expiresAt must be whole milliseconds since the epoch, or null for never.')
  }
}
