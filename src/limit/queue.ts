/** How many keys may have something running at once. Each takes a few hundred bytes. */
export const MAX_KEYS = 65_536
/** The mean run follows this many runs. */
const MEMORY = 32
/** With all keys taken, so many lines are looked at for runs that are dead. */
const SWEPT_AT_ONCE = 64

/** Where one run of a key stands. It is given back with {@link KeyedQueue.leave}. */
export interface Place {
  readonly line: Line
  readonly since: number
}

/** One who waits for a place. */
export interface Waiter {
  readonly line: Line
  /** Told once, when the place is its own. */
  readonly called: (place: Place) => void
}

/** What runs of one key, and what waits: each set is in order of arrival. */
interface Line {
  readonly key: string
  readonly running: Set<Place>
  readonly waiting: Set<Waiter>
  /** How long its runs took of late. */
  meanRunMs: number
  runs: number
}

/**
 * Places to run, and lines of those who wait for one, for each key apart: first come, first served. A key takes memory only
 * while something of it runs or waits. Knows no time but what it is told, and starts no timer.
 */
export class KeyedQueue {
  readonly #maxRunning: number
  readonly #maxWaiting: number
  readonly #longestMs: number
  readonly #lines = new Map<string, Line>()

  /** @param longestMs after so long a run is forgotten that never left: for runtimes that kill requests */
  constructor(maxRunning: number, maxWaiting: number, longestMs: number = Number.POSITIVE_INFINITY) {
    this.#maxRunning = maxRunning
    this.#maxWaiting = maxWaiting
    this.#longestMs = longestMs
  }

  /** How many keys have something running. */
  get size(): number {
    return this.#lines.size
  }

  /** A place, or null when all of the key are taken. */
  enter(key: string, now: number): Place | null {
    const line = this.#lines.get(key)
    if (line === undefined) {
      if (this.#lines.size >= MAX_KEYS) this.#sweep(now)
      if (this.#lines.size >= MAX_KEYS) return null
      const first: Line = { key, running: new Set(), waiting: new Set(), meanRunMs: 0, runs: 0 }
      this.#lines.set(key, first)
      return take(first, now)
    }
    if (line.running.size >= this.#maxRunning) this.#forget(line, now)
    return line.running.size < this.#maxRunning ? take(line, now) : null
  }

  /** Stands in line for a place; null when the line is full. */
  wait(key: string, called: (place: Place) => void): Waiter | null {
    const line = this.#lines.get(key)
    if (line === undefined || line.waiting.size >= this.#maxWaiting) return null
    const waiter = { line, called }
    line.waiting.add(waiter)
    return waiter
  }

  /** Leaves the line. False if it was called before: then the place is its own. */
  giveUp(waiter: Waiter): boolean {
    return waiter.line.waiting.delete(waiter)
  }

  /** Gives a place back, and to who waits longest. What was given back before, or forgotten, is passed over. */
  leave(place: Place, now: number): void {
    const { line, since } = place
    if (!line.running.delete(place)) return
    line.runs = Math.min(MEMORY, line.runs + 1)
    line.meanRunMs += (Math.max(0, now - since) - line.meanRunMs) / line.runs
    const [next] = line.waiting
    if (next !== undefined) {
      line.waiting.delete(next)
      next.called(take(line, now))
    } else if (line.running.size === 0) {
      this.#lines.delete(line.key)
    }
  }

  /**
   * How long it takes until a place is free and all who wait now were served: by what runs of this key took since its line
   * formed, or by the age of those that run, if they are older by now. Other keys change nothing about it.
   */
  waitMs(key: string, now: number): number {
    const line = this.#lines.get(key)
    if (line === undefined) return 0
    let agesMs = 0
    for (const { since } of line.running) agesMs += Math.max(0, now - since)
    const runMs = Math.max(line.meanRunMs, agesMs / Math.max(1, line.running.size))
    return (runMs * (line.waiting.size + 1)) / this.#maxRunning
  }

  /** Drops some of the oldest lines of which nothing lives; those that live are looked at again after all others. */
  #sweep(now: number): void {
    if (this.#longestMs === Number.POSITIVE_INFINITY) return
    let left = SWEPT_AT_ONCE
    for (const line of this.#lines.values()) {
      if (left-- === 0) return
      this.#forget(line, now)
      this.#lines.delete(line.key)
      if (line.running.size + line.waiting.size > 0) this.#lines.set(line.key, line)
    }
  }

  /** Drops what runs for too long; the oldest stand first. */
  #forget(line: Line, now: number): void {
    for (const place of line.running) {
      if (now - place.since < this.#longestMs) return
      line.running.delete(place)
    }
  }
}

function take(line: Line, now: number): Place {
  const place = { line, since: now }
  line.running.add(place)
  return place
}
