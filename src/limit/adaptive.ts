import { Durations } from './durations.ts'

/** The least that is let in at once, however slow it is. */
export const MIN_LIMIT = 4
/** The most that is ever let in at once. */
export const MAX_LIMIT = 10_000
/** What is let in at once while nothing was measured. */
export const FIRST_LIMIT = 100
/** Places above the limit for the privileged, where the limit itself is less. */
const LEAST_RESERVE = 10
/** What is not answered after so long tells nothing of load: it waits for something, or will never be answered. */
const FORGOTTEN_AFTER_MS = 60_000
/** The share of the limit from which on it is in use. */
const IN_USE = 0.8
/** By slowness: below the first the limit grows, above the last it falls, to where the second is expected. */
const GROWS_BELOW = 1.2
const FALLS_TO = 1.3
const FALLS_ABOVE = 1.5
/** The share of a fall that durations must follow for the load to be their cause. */
const FOLLOWS = 0.35
/** A turn of the event loop that takes this long is as slow as what takes {@link FALLS_ABOVE} times the usual. */
const SLOW_TURN_MS = 15
/** For how long each turn must be slow to be a sign of load although the limit is not in use. */
const SLOW_FOR_MS = 200
/** How often usual durations are probed for while the limit is in use. */
const PROBE_EVERY_MS = 10_000
/** A probe takes at most this share of the time. */
const PROBE_SHARE = 0.1

/** A request that was let in. */
export interface Admission {
  readonly startedAt: number
  /** Whether it has a place above the limit. */
  readonly isReserved: boolean
}

/** A request that was answered, and of what kind it was: durations are compared within a kind. */
export interface Answered {
  readonly admission: Admission
  readonly kind: string
}

/** A fall of the limit that is watched: if durations do not follow it, the load is not their cause. */
interface Trial {
  readonly limit: number
  readonly slowness: number
  /** Since when the limit falls only to find usual durations, null if it falls because requests were slow. */
  readonly probingSince: number | null
}

/**
 * How many requests may be in at once, found by measuring: as many as are answered in less than one and a half times what
 * their kind usually takes. It knows no time but what it is told, and lets nobody wait.
 *
 * - What is usual is learned while the limit is not in use.
 * - While it is in use, nothing can be learned so: each request waits for others. A probe then halves the limit or more,
 *   again and again, until durations no longer fall with it; those are usual. This takes at most a tenth of the time, and little of it
 *   with less let in than could be served.
 * - When requests are slow, the limit falls. If durations do not follow until it is half, something else made them slow:
 *   the limit returns, and those durations are usual from then on.
 * - Between two settings of the limit, as many must leave as were in before samples count: at first what is quick leaves, and
 *   what is slow does not.
 *
 * After TCP Vegas and the limiters made after it, with two differences. Usual is a mean, not the least that was ever seen: a route
 * that answers now from a cache and now from a model would else always seem slow. And it is probed for, so that it
 * does not creep upwards under a load that lasts.
 */
export class AdaptiveLimit {
  readonly #in = new Set<Admission>()
  /** How many of these have places above the limit. */
  #reserved = 0
  readonly #durations = new Durations()
  #limit = FIRST_LIMIT
  #inUse = false
  /** The most that were in since samples are taken. */
  #mostIn = 0
  /** How many must leave before samples count. */
  #unsettled = 0
  #trial: Trial | null = null
  /** When the last probe ended, null for never. */
  #probedAt: number | null = null
  #probeAfterMs = PROBE_EVERY_MS
  /** Since when each turn of the event loop was slow, null if the last was not. */
  #slowSince: number | null = null

  /** How many may be in at once. */
  get limit(): number {
    return Math.floor(this.#limit)
  }

  /** How many are in. */
  get size(): number {
    return this.#in.size
  }

  /** How many kinds of request are known. */
  get kinds(): number {
    return this.#durations.size
  }

  /**
   * Lets a request in, or gives null: too many are.
   *
   * @param now ms, always of the same clock
   * @param isPrivileged asked only above the limit, where such requests have as many places again
   */
  enter(now: number, isPrivileged: () => boolean): Admission | null {
    const { limit } = this
    if (this.#in.size >= limit) this.#forget(now)
    const isReserved = this.#in.size >= limit
    if (isReserved && (this.#reserved >= Math.max(limit, LEAST_RESERVE) || !isPrivileged())) return null
    const admission = { startedAt: now, isReserved }
    this.#in.add(admission)
    if (isReserved) this.#reserved += 1
    const size = this.#in.size
    this.#mostIn = Math.max(this.#mostIn, size)
    if (!this.#inUse && size >= IN_USE * this.#limit) {
      this.#inUse = true
      this.#startOver(size)
    }
    return admission
  }

  /**
   * Requests were answered, together as far as can be told. What was answered before, or forgotten, is passed over.
   *
   * @param turnMs how long the turn of the event loop took in which they were answered, 0 where that is not known
   */
  leave(answered: readonly Answered[], now: number, turnMs = 0): void {
    let sampled = false
    for (const { admission, kind } of answered) {
      if (!this.#drop(admission)) continue
      const ms = now - admission.startedAt
      if (!this.#inUse) this.#durations.learn(kind, ms)
      else if (this.#unsettled > 0) this.#unsettled -= 1
      else {
        this.#durations.add(kind, ms, turnMs)
        sampled = true
      }
    }
    if (sampled) this.#durations.endTurn()
    this.#noteTurn(turnMs, now)
    if (this.#durations.isSure(this.#limit)) this.#decide(now)
  }

  #decide(now: number): void {
    const slowness = Math.max(this.#durations.slowness, (FALLS_ABOVE * this.#durations.turnMs) / SLOW_TURN_MS)
    const trial = this.#trial
    if (this.#mostIn < IN_USE * this.#limit) {
      // Whoever pressed against the limit has gone.
      this.#inUse = false
      this.#set(Math.max(this.#limit, trial?.limit ?? 0))
    } else if (trial !== null && this.#fellInVain(trial, slowness)) {
      this.#adopt()
      this.#set(trial.limit)
      this.#endProbe(trial, now)
    } else if (trial !== null && trial.probingSince !== null) {
      this.#goOnProbing(trial, slowness, now)
    } else if (this.#isProbeDue(now)) {
      this.#fall(fallBy(slowness, 0.1, 0.5), { limit: this.#limit, slowness, probingSince: now })
    } else if (slowness > FALLS_ABOVE && this.#limit > MIN_LIMIT) {
      // One trial goes on until the limit is half: less would not tell what follows from what is chance.
      const goesOn = trial !== null && this.#limit > trial.limit / 2
      this.#fall(fallBy(slowness, 0.5, 0.75), goesOn ? trial : { limit: this.#limit, slowness, probingSince: null })
    } else if (slowness > FALLS_ABOVE) {
      // At the least limit, what takes long is usual.
      this.#adopt()
      this.#startOver(0)
    } else {
      this.#trial = null
      if (slowness < GROWS_BELOW) this.#set(Math.max(this.#limit + 1, this.#limit * 1.25))
      else this.#startOver(0)
    }
  }

  /** Whether the limit fell to half or less, and durations not with it. */
  #fellInVain({ limit, slowness: before, probingSince }: Trial, slowness: number): boolean {
    if (probingSince === null && slowness <= FALLS_ABOVE) return false
    const fall = limit / this.#limit
    return fall >= 1.99 && before / slowness < fall ** FOLLOWS
  }

  #goOnProbing(trial: Trial, slowness: number, now: number): void {
    if (this.#limit > MIN_LIMIT) {
      if (slowness < 1) this.#adopt()
      const next = { limit: this.#limit, slowness: Math.max(1, slowness), probingSince: trial.probingSince }
      this.#fall(fallBy(slowness, 0.1, 0.5), next)
    } else {
      this.#adopt()
      this.#set(this.#limit)
      this.#endProbe(trial, now)
    }
  }

  #isProbeDue(now: number): boolean {
    // A clock that was set back must not put the next probe off.
    if (this.#probedAt !== null && now < this.#probedAt) this.#probedAt = now
    return this.#probedAt === null || now - this.#probedAt > this.#probeAfterMs
  }

  #endProbe({ probingSince }: Trial, now: number): void {
    if (probingSince === null) return
    this.#probedAt = now
    this.#probeAfterMs = Math.max(PROBE_EVERY_MS, (now - probingSince) / PROBE_SHARE)
  }

  /** Takes what was just measured for usual. Before the first probe, what was learned may be of a server already loaded. */
  #adopt(): void {
    this.#durations.adopt(this.#probedAt === null)
  }

  #fall(factor: number, trial: Trial): void {
    this.#set(Math.max(MIN_LIMIT, this.#limit * factor))
    this.#trial = trial
  }

  #set(limit: number): void {
    this.#limit = Math.min(MAX_LIMIT, limit)
    this.#trial = null
    this.#startOver(this.#in.size)
  }

  #startOver(unsettled: number): void {
    this.#durations.startOver()
    this.#unsettled = unsettled
    this.#mostIn = 0
  }

  /**
   * When each turn is slow for a while, as many as are in are too many although the limit is higher: more stand in the
   * kernel, where nobody counts them. Then the limit is set to what is in, so that it is in use, and found.
   */
  #noteTurn(turnMs: number, now: number): void {
    if (turnMs < SLOW_TURN_MS) this.#slowSince = null
    else this.#slowSince ??= now
    if (this.#inUse || this.#slowSince === null || Math.abs(now - this.#slowSince) < SLOW_FOR_MS) return
    this.#slowSince = null
    this.#inUse = true
    this.#set(Math.max(MIN_LIMIT, Math.min(this.#limit, this.#mostIn)))
  }

  /** Drops what came too long ago; the oldest stand first. */
  #forget(now: number): void {
    for (const admission of this.#in) {
      if (now - admission.startedAt < FORGOTTEN_AFTER_MS) return
      this.#drop(admission)
    }
  }

  #drop(admission: Admission): boolean {
    if (!this.#in.delete(admission)) return false
    if (admission.isReserved) this.#reserved -= 1
    return true
  }
}

/** What share of the limit would make so slow requests as quick as they should be, within bounds. */
function fallBy(slowness: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, FALLS_TO / slowness))
}
