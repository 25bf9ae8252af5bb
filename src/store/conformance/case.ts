import type { Clock } from '../../clock.ts'
import {
  type AtomicStore,
  type Awaitable,
  isPending,
  type Json,
  MAX_VALUE_BYTES,
  type Page,
  type Store,
} from '../contract.ts'

/** How the suite reaches the store under test. What a store cannot do is said here, by its type: no case is skipped. */
export interface StoreHarness {
  /** What the store promises. An `eventual` store is held to the cases of `Store` alone. */
  readonly consistency: Store['consistency']
  /** An empty store, independent of every other, that decides by `clock`. */
  open(clock: Clock): Awaitable<Store>
  /** Most bytes of JSON that the store takes in one value; 48 KiB unless told. */
  readonly maxValueBytes?: number
  /** Stores that several connections can share: one more over what `store` holds, while `store` stays open. */
  another?(store: Store, clock: Clock): Awaitable<Store>
  /** Durable stores only: ends `store` as its process might end, and opens again what it held. */
  reopen?(store: Store, clock: Clock): Awaitable<Store>
}

/** One requirement of the contract. `run` rejects with an Error that says what was expected and what came. */
export interface StoreCase {
  readonly name: string
  /** The type of store that must meet it. */
  readonly needs: 'store' | 'atomic'
  /** Whether only a harness with `reopen` must meet it. */
  readonly durable: boolean
  /** Whether only a harness with `another` must meet it. */
  readonly shared: boolean
  run(harness: StoreHarness): Promise<void>
}

/** What a case works with: an open store and the hand of its clock. */
export interface Bench<T extends Store> {
  readonly store: T
  readonly clock: TestClock
  /** Most bytes of JSON in one value. */
  readonly maxValueBytes: number
  /** Ends the store and opens it again; throws when the harness cannot. */
  reopen(): Promise<T>
  /** One more connection to what the store holds, closed after the case; throws when the harness cannot. */
  another(): Promise<T>
}

/** A clock that a case moves. */
export interface TestClock extends Clock {
  /** The instant it shows, ms since the epoch. */
  at: number
}

/** Where the clock of every case begins: a whole second of 2026. */
export const START = 1_780_000_000_000

/** A requirement of every `Store`. */
export function storeCase(name: string, body: (bench: Bench<Store>) => Promise<void>): StoreCase {
  return { name, needs: 'store', durable: false, shared: false, run: (harness) => withBench(harness, body) }
}

/** A requirement of every `AtomicStore`. */
export function atomicCase(name: string, body: (bench: Bench<AtomicStore>) => Promise<void>): StoreCase {
  return { name, needs: 'atomic', durable: false, shared: false, run: (harness) => withBench(harness, body) }
}

/** The same requirement for stores that outlive their process. */
export function durable(storeCase: StoreCase): StoreCase {
  return { ...storeCase, durable: true }
}

/** The same requirement for stores that several connections can share. */
export function shared(storeCase: StoreCase): StoreCase {
  return { ...storeCase, shared: true }
}

/** Fails unless `actual` equals `expected` to the depth of plain data. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  if (!same(actual, expected)) throw new Error(`${what}: expected ${show(expected)}, got ${show(actual)}.`)
}

/** Fails unless `condition` is true itself. */
export function check(condition: boolean, what: string): void {
  if (condition !== true) throw new Error(what)
}

/** Fails unless the call throws, or rejects with, an error of that name. */
export async function throws(name: string, call: () => unknown, what: string): Promise<void> {
  let came = 'nothing'
  try {
    await call()
  } catch (error) {
    came = error instanceof Error ? error.name : String(error)
  }
  equal(came, name, `${what}, the error's name`)
}

/** The answer, checked to be a plain value or a native promise: any other thenable reads as truthy everywhere. */
export async function answer<T>(given: Awaitable<T>): Promise<T> {
  check(!isPending(given) || given instanceof Promise, 'An answer is a thenable that is no native Promise.')
  return given
}

/** A text for a message, cut short. */
export function show(value: unknown): string {
  const text = value === undefined ? 'undefined' : JSON.stringify(value)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

/** Every record of a partition, over as many pages as the store takes. */
export async function listAll(store: Store, partition: string, prefix = ''): Promise<Record<string, Json>> {
  const found: Record<string, Json> = Object.create(null) // '__proto__' is a name like any other.
  let cursor: string | null = null
  do {
    const page: Page = await answer(store.list(partition, prefix, cursor))
    check(page.entries.length <= 100, 'A page holds over 100 records.')
    for (const { name, value } of page.entries) {
      check(!Object.hasOwn(found, name), `list() gave ${show(name)} twice.`)
      found[name] = value
    }
    cursor = page.cursor
  } while (cursor !== null)
  return found
}

async function withBench<T extends Store>(
  harness: StoreHarness,
  body: (bench: Bench<T>) => Promise<void>,
): Promise<void> {
  const clock: TestClock = { at: START, now: () => clock.at }
  let store = (await harness.open(clock)) as T
  equal(store.consistency, harness.consistency, 'store.consistency')
  const reopen = async (): Promise<T> => {
    if (harness.reopen === undefined) throw new Error('This harness cannot reopen its store.')
    store = (await harness.reopen(store, clock)) as T
    return store
  }
  const others: Store[] = []
  const another = async (): Promise<T> => {
    if (harness.another === undefined) throw new Error('This harness has one connection alone.')
    const other = (await harness.another(store, clock)) as T
    others.push(other)
    return other
  }
  const { maxValueBytes = MAX_VALUE_BYTES } = harness
  try {
    await body({ store, clock, maxValueBytes, reopen, another })
  } finally {
    for (const other of others) await other.close()
    await store.close()
  }
}

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && same(a[key as keyof typeof a], b[key as keyof typeof b]))
  )
}
