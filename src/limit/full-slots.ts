import type { AtomicStore } from '../store/contract.ts'

/** For so long all slots of a subject are taken for granted to be taken, ms, unless one of this process is given back. */
const REMEMBERED_MS = 150
/** Subjects remembered at once in one store. */
const MAX_SUBJECTS = 1024

/** One look at a subject's slots. */
export interface Search {
  untilMs: number
}

/**
 * Whose slots were all taken a moment ago: a flood of one client costs about one search in that time. It never gives a slot,
 * and knows of none that another process gives back.
 */
export class FullSlots {
  readonly #searches = new Map<string, Search>()

  /** Whether all slots were taken so lately that it need not be found out again. */
  has(subject: string, now: number): boolean {
    const search = this.#searches.get(subject)
    // A longer wait than is ever remembered: the clock was set back.
    return search !== undefined && now < search.untilMs && search.untilMs - now <= REMEMBERED_MS
  }

  /** A search begins: what is given back from now on makes its outcome worthless. */
  begin(subject: string): Search {
    const known = this.#searches.get(subject)
    if (known !== undefined) return known
    if (this.#searches.size >= MAX_SUBJECTS) {
      const [oldest] = this.#searches.keys()
      this.#searches.delete(oldest!)
    }
    const search = { untilMs: Number.NEGATIVE_INFINITY }
    this.#searches.set(subject, search)
    return search
  }

  /**
   * The search found none free. One that was forgotten meanwhile changes nothing.
   *
   * @param endsAt when the first lease that it saw ends, unless it is renewed
   */
  foundFull(search: Search, now: number, endsAt: number): void {
    search.untilMs = Math.min(now + REMEMBERED_MS, endsAt)
  }

  /** A slot was given back. */
  forget(subject: string): void {
    this.#searches.delete(subject)
  }
}

/** One for each store: what one limiter gives back is free for every other. */
const known = new WeakMap<AtomicStore, FullSlots>()

/** What is remembered of a store's slots. */
export function fullSlotsOf(store: AtomicStore): FullSlots {
  const found = known.get(store)
  if (found !== undefined) return found
  const made = new FullSlots()
  known.set(store, made)
  return made
}
