import { randomBytes, toHex } from '../bytes.ts'
import type { Clock } from '../clock.ts'
import { type AtomicStore, type Awaitable, StoreOutage, whenAnswered } from '../store/contract.ts'
import { type FullSlots, fullSlotsOf } from './full-slots.ts'
import type { Subject } from './subject.ts'

/** The slots of one subject: at most `limit` leases live at once. */
export interface Slots {
  readonly store: AtomicStore
  readonly clock: Clock
  readonly partition: string
  /** What is leased. Within a partition one name has one limit. */
  readonly name: string
  readonly limit: number
  readonly clocks: ClockCheck
}

/** When the two clocks were last seen to be near enough: a limiter's own, looked at again every minute. */
export class ClockCheck {
  #seenAt = Number.NEGATIVE_INFINITY

  isDue(now: number): boolean {
    return now < this.#seenAt || now - this.#seenAt >= CLOCK_CHECK_MS
  }

  passed(now: number): void {
    this.#seenAt = now
  }
}

const CLOCK_CHECK_MS = 60_000
const OWNER_BYTES = 12
/** So often a search looks at what is free. Each time, whoever loses a race leaves at least one slot taken by another. */
const ROUNDS = 8
/** So many of the free slots one look tries: of many searchers each soon looks again rather than try what others took. */
const TRIES = 2
/** An end that every store knows to be past. */
const ENDED = 0

/** Where a subject's slots lie: no two subjects share a partition, and no two limits, whose slots would be unlike. */
export function slotPartition({ partition, within }: Subject, limit: number): string {
  return `lease:${limit}:${within}:${partition}`
}

/**
 * Takes one of the slots for `forMs`; null when all are taken. Of any number that ask at once exactly as many get one as
 * are free: a slot is a record of the store, written only where nothing live stands. That all are taken is remembered for
 * 150 ms, or until this process gives one back or a lease ends: so much later one is found that another process gave back.
 *
 * When a lease ends is told by this process's clock and judged by the store's. Of a process that died, a clock that is
 * ahead keeps the slots longer by as much, one that is behind frees them earlier.
 *
 * @throws {StoreOutage} also when the clock is seen to be behind the store's by `forMs` or more: such leases never live. A slot
 *   that the store gave although it could not say so is free again after `forMs`.
 */
export function takeSlot(slots: Slots, forMs: number): Awaitable<Lease | null> {
  const full = fullSlotsOf(slots.store)
  if (full.has(subjectOf(slots), slots.clock.now())) return null
  const owner = toHex(randomBytes(OWNER_BYTES))
  const first = randomBelow(slots.limit)
  return whenAnswered(trySlot(slots, owner, first, forMs), (lease) => lease ?? searchSlot(slots, full, owner, forMs))
}

/** Tries what a listing shows to be free. Only who finds none free, or loses every race of several rounds, gets none. */
async function searchSlot(slots: Slots, full: FullSlots, owner: string, forMs: number): Promise<Lease | null> {
  const subject = subjectOf(slots)
  for (let round = 0; round < ROUNDS; round++) {
    // Another search may have found out meanwhile.
    if (full.has(subject, slots.clock.now())) return null
    const search = full.begin(subject)
    const { free, endsAt } = await look(slots)
    if (free.length === 0) {
      full.foundFull(search, slots.clock.now(), endsAt)
      return null
    }
    for (const slot of free.slice(0, TRIES)) {
      const lease = await trySlot(slots, owner, slot, forMs)
      if (lease !== null) return lease
    }
  }
  return null
}

function subjectOf({ partition, name }: Slots): string {
  return `${name}\n${partition}`
}

function trySlot(slots: Slots, owner: string, slot: number, forMs: number): Awaitable<Lease | null> {
  const { store, clock, partition, name, clocks } = slots
  const key = { partition, name: `${name}/${slot}` }
  const now = Math.floor(clock.now())
  const expiresAt = now + forMs
  return whenAnswered(store.swap(key, null, owner, expiresAt), (version) => {
    if (version === null) return null
    const lease = new Lease(slots, key.name, owner, version, expiresAt)
    if (!clocks.isDue(now)) return lease
    return whenAnswered(lease.isLive(), (live) => {
      if (live) {
        clocks.passed(now)
        return lease
      }
      throw new StoreOutage('The clocks of this process and of the store are too far apart for a lease.')
    })
  })
}

/** Slots that nobody holds, from a random one of them on, and when the first of the others ends. */
async function look({ store, partition, name, limit }: Slots): Promise<{ free: readonly number[]; endsAt: number }> {
  const taken = new Set<string>()
  let endsAt = Number.POSITIVE_INFINITY
  let cursor: string | null = null
  do {
    const page = await store.list(partition, `${name}/`, cursor)
    for (const entry of page.entries) {
      taken.add(entry.name)
      endsAt = Math.min(endsAt, entry.expiresAt ?? endsAt)
    }
    cursor = page.cursor
  } while (cursor !== null)
  const free = Array.from({ length: limit }, (_, slot) => slot).filter((slot) => !taken.has(`${name}/${slot}`))
  const from = free.length === 0 ? 0 : randomBelow(free.length)
  return { free: [...free.slice(from), ...free.slice(0, from)], endsAt }
}

/** One slot, held until it is released or ends. */
export class Lease {
  readonly #slots: Slots
  readonly #key: { readonly partition: string; readonly name: string }
  readonly #owner: string
  #version: string
  #expiresAt: number
  #renewing: Promise<unknown> | null = null
  #released = false

  constructor(slots: Slots, name: string, owner: string, version: string, expiresAt: number) {
    this.#slots = slots
    this.#key = { partition: slots.partition, name }
    this.#owner = owner
    this.#version = version
    this.#expiresAt = expiresAt
  }

  /** From then on the slot may be another's: ms since the epoch, by this process's clock. */
  get expiresAt(): number {
    return this.#expiresAt
  }

  /** After so long the store has answered a call, ms; null where it does not say. */
  get deadlineMs(): number | null {
    return this.#slots.store.deadlineMs ?? null
  }

  /** Whether the store, by its own clock, holds the lease to be live. */
  isLive(): Awaitable<boolean> {
    return whenAnswered(this.#slots.store.get(this.#key), (found) => found?.value === this.#owner)
  }

  /**
   * Holds the slot for `forMs` from now. False when it is another's by now, or was released. A lease that ended and that
   * nobody took is taken again.
   *
   * @throws {StoreOutage} when the store could not answer: the lease then ends as it would have, or later.
   */
  async renew(forMs: number): Promise<boolean> {
    if (this.#released) return false
    const renewal = this.#renew(forMs)
    this.#renewing = renewal.catch(() => undefined)
    return renewal
  }

  /** Gives the slot back, and never anybody else's: a lease that was lost before changes nothing. */
  release(): Awaitable<void> {
    if (this.#released) return
    this.#released = true
    // A renewal under way knows the version that comes next.
    return this.#renewing === null ? this.#giveBack() : this.#renewing.then(() => this.#giveBack())
  }

  async #renew(forMs: number): Promise<boolean> {
    const { store, clock } = this.#slots
    const expiresAt = Math.floor(clock.now()) + forMs
    let version = await store.swap(this.#key, this.#version, this.#owner, expiresAt)
    if (version === null) {
      // Lost, ended, or an earlier renewal was carried out whose answer never came.
      const found = await store.get(this.#key)
      if (found !== null && found.value !== this.#owner) return false
      version = await store.swap(this.#key, found?.version ?? null, this.#owner, expiresAt)
    }
    if (version === null) return false
    this.#version = version
    this.#expiresAt = expiresAt
    return true
  }

  #giveBack(): Awaitable<void> {
    const { store } = this.#slots
    return whenAnswered(store.swap(this.#key, this.#version, this.#owner, ENDED), (done) =>
      done === null ? this.#giveBackUnseen() : this.#givenBack(),
    )
  }

  #givenBack(): void {
    fullSlotsOf(this.#slots.store).forget(subjectOf(this.#slots))
  }

  /** As {@link #giveBack}, where a renewal was carried out whose answer never came. */
  async #giveBackUnseen(): Promise<void> {
    const { store } = this.#slots
    const found = await store.get(this.#key)
    if (found?.value === this.#owner) await store.swap(this.#key, found.version, this.#owner, ENDED)
    this.#givenBack()
  }
}

function randomBelow(limit: number): number {
  return limit === 1 ? 0 : new DataView(randomBytes(4).buffer).getUint32(0) % limit
}
