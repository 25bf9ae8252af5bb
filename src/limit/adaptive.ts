import { Durations } from './durations.ts'

/** The least that is let in at once, however slow it is. */
export const MIN_LIMIT = 5
/** Places above the limit for the privileged, where the limit itself is less. */
const LEAST_RESERVE = 10
/** It judges after so long, once as many samples are there; later than that it begins anew. */
const WINDOW_MS = 100
const WINDOW_SAMPLES = 16
const STALE_MS = 10_000
/** What takes so many times the usual is slow. */
const SLOW = 2
/** What a server answers first is what is quick: so shortly after its first request only what takes three times that is slow. */
const YOUNG_FOR_MS = 3000
const YOUNG_FACTOR = 3
/** Turns of the event loop are slow from this mean on, if they fill most of so long a time and answer several requests each. */
const SLOW_TURN_MS = 15
const BUSY_SHARE = 0.8
const BUSY_MS = 200
const LEAST_TURNS = 3
const REQUESTS_PER_TURN = 2
/** More comes than is answered if it is more by this share, and by so many standard deviations of what chance does. */
const GROWS_BY = 0.05
const DEVIATIONS = 4
const SPAN_MS = 10_000
/** By slowness: a limit grows below, and a limit that fell to half is kept only if slowness fell to this share as well. */
const GROWS_BELOW = 0.8
const FOLLOWS = 0.8
/** Without a refusal for so long, or three times what a request takes, there is no limit any more. */
const QUIET_MS = 1000
/** For so long after a limit that was of no use there is none. */
const DISTRUST_MS = 10_000
/** A limit at its least, with requests still slow, is of no use after so long. */
const AT_LEAST_MS = 10_000
/** A limit that could not be judged for so long, or twice what a request takes, grows. */
const UNDECIDED_MS = 2000
const LONGEST_UNDECIDED_MS = 10_000
/** What is in for so long, and ten times longer than what is answered, waits for something else than this server. */
const STUCK_MS = 1000
const STUCK_TIMES = 10
/** How many requests the mean follows. */
const MEMORY = 64

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

/** A time over which more may have come than was answered. */
interface Span {
  readonly since: number
  windows: number
  entered: number
  left: number
}

/**
 * How many requests may be in at once: any number until there is evidence that this server is overloaded. It knows no time
 * but what it is told, and lets nobody wait. Evidence is either of
 *
 * - slow turns of the event loop, one after the other, that answer several requests each: the server computes all the time;
 * - requests that take far longer than their kind usually does, while more come than are answered: a line grows. That they
 *   take longer is not enough, as what they ask may be slow; nor that many are in, as they may wait for something.
 *
 * The limit is then what was answered in a second by how long it usually takes. It falls while requests or turns are slow, and
 * grows while they are not. It goes after a second without a refusal; and if slowness does not fall with it, load is
 * not the cause: then it goes, and how long requests take now is usual. What cannot be judged is let in.
 */
export class AdaptiveLimit {
  readonly #in = new Set<Admission>()
  /** How many of these have places above the limit. */
  #reserved = 0
  readonly #durations = new Durations()
  #limit = Number.POSITIVE_INFINITY
  /** Samples are of requests that came since. */
  #setAt = Number.NEGATIVE_INFINITY
  #refusedAt = 0
  #distrustedAt = Number.NEGATIVE_INFINITY
  #trial: { readonly limit: number; readonly slowness: number } | null = null
  #span: Span | null = null
  #firstAt: number | null = null
  /** Since when the limit is at its least. */
  #leastSince: number | null = null
  /** How long a request took when none were slow, and how long of late, on average, ms. */
  #usualMs = 0
  #meanMs = 0
  /** The window. */
  #since = Number.NEGATIVE_INFINITY
  #entered = 0
  #left = 0
  /** Turns that answered several requests. */
  #turns = 0
  #turnsMs = 0
  /** Sums of the square of turns' duration, and of it by how many were in: what is long weighs more. */
  #turnsSquared = 0
  #insideByTurn = 0

  /** How many may be in at once; Infinity without evidence. */
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
    if (this.#limit !== Number.POSITIVE_INFINITY) this.#review(now)
    if (this.#in.size >= this.limit) this.#forget(now)
    const { limit } = this
    const isReserved = this.#in.size >= limit
    if (isReserved && (this.#reserved >= Math.max(limit, LEAST_RESERVE) || !isPrivileged())) {
      this.#refusedAt = now
      return null
    }
    if (isReserved) this.#refusedAt = now
    return this.#admit(now, isReserved)
  }

  /** A request waits for something else than this server, in a line of its own: it counts no longer. */
  pause(admission: Admission): void {
    if (this.#drop(admission)) this.#left += 1
  }

  /** It waits no longer: it is in, however many are. */
  resume(now: number): Admission {
    return this.#admit(now, false)
  }

  /**
   * Requests were answered, together as far as can be told. What was answered before, or forgotten, is passed over.
   *
   * @param turnMs how long the turn of the event loop took in which they were answered, 0 where that is not known
   */
  leave(answered: readonly Answered[], now: number, turnMs = 0): void {
    const learns = this.#limit === Number.POSITIVE_INFINITY
    const inside = this.#in.size
    let left = 0
    for (const { admission, kind } of answered) {
      if (!this.#drop(admission)) continue
      left += 1
      const ms = now - admission.startedAt
      this.#meanMs += (Math.max(0, ms) - this.#meanMs) / MEMORY
      if (admission.startedAt >= this.#setAt) this.#durations.add(kind, ms, now, learns)
    }
    this.#left += left
    if (left >= REQUESTS_PER_TURN) {
      this.#turns += 1
      this.#turnsMs += turnMs
      this.#turnsSquared += turnMs ** 2
      this.#insideByTurn += inside * turnMs
    }
    const elapsed = now - this.#since
    const isBusy = this.#turnsMs >= BUSY_SHARE * elapsed
    const isLong = isBusy ? elapsed >= BUSY_MS && this.#turns >= LEAST_TURNS : elapsed >= WINDOW_MS
    if (elapsed < 0 || (elapsed > STALE_MS && !isBusy)) this.#startOver(now)
    else if (isLong && this.#durations.samples >= WINDOW_SAMPLES) {
      this.#judge(now, elapsed, isBusy ? this.#turnsSquared / this.#turnsMs / SLOW_TURN_MS : 0)
      this.#startOver(now)
    }
  }

  #judge(now: number, elapsed: number, turnSlowness: number): void {
    const slowness = this.#durations.slowness / SLOW
    if (this.#limit !== Number.POSITIVE_INFINITY) {
      this.#adjust(slowness, turnSlowness, now)
      return
    }
    if (slowness <= 1) this.#usualMs += (this.#durations.totalMs / this.#durations.samples - this.#usualMs) / 4
    const grows = this.#grows(slowness, now)
    if (Math.abs(now - this.#distrustedAt) < DISTRUST_MS) return
    if (turnSlowness > 1) this.#limitBy(this.#insideByTurn / this.#turnsMs, turnSlowness, now)
    else if (grows) this.#limitBy(this.#durations.totalMs / elapsed, slowness, now)
  }

  /** Whether requests are slow, and for several windows more came than were answered. */
  #grows(slowness: number, now: number): boolean {
    const span = this.#span
    this.#firstAt ??= now
    const isSlow = slowness > (Math.abs(now - this.#firstAt) < YOUNG_FOR_MS ? YOUNG_FACTOR : 1)
    // What became slow has answers missing until the first slow ones are there: that window tells nothing.
    if (!isSlow || span === null || now - span.since > SPAN_MS) {
      this.#span = !isSlow ? null : { since: now, windows: 0, entered: 0, left: 0 }
      return false
    }
    span.windows += 1
    span.entered += this.#entered
    span.left += this.#left
    // Nor do those in which only the quickest of what became slow are there.
    const leastMs = Math.max(2 * this.#usualMs, this.#durations.totalMs / this.#durations.samples / 2)
    if (span.windows < 2 || now - span.since < leastMs) return false
    const surplus = span.entered - span.left
    return (
      surplus > DEVIATIONS * Math.sqrt(span.entered + span.left) &&
      surplus > GROWS_BY * span.entered &&
      this.#entered - this.#left > GROWS_BY * this.#entered
    )
  }

  /** Sets a limit where there was none. */
  #limitBy(inside: number, slowness: number, now: number): void {
    this.#refusedAt = now
    this.#trial = { limit: inside, slowness }
    this.#set(inside / slowness, now)
  }

  #adjust(slowness: number, turnSlowness: number, now: number): void {
    const worst = Math.max(slowness, turnSlowness)
    if (worst <= 1) {
      this.#trial = null
      if (worst < GROWS_BELOW) this.#set(this.#limit * 1.1 + 1, now)
      return
    }
    this.#trial ??= { limit: this.#limit, slowness: worst }
    const isInVain = this.#limit <= this.#trial.limit / 2 && worst > this.#trial.slowness * FOLLOWS
    if (this.#limit > MIN_LIMIT || turnSlowness > 1) this.#leastSince = null
    else this.#leastSince ??= now
    if (isInVain || (this.#leastSince !== null && Math.abs(now - this.#leastSince) > AT_LEAST_MS)) {
      this.#durations.adopt()
      this.#distrustedAt = now
      this.#lift()
    } else {
      this.#set(this.#limit * Math.min(0.9, Math.max(0.5, 1 / worst)), now)
    }
  }

  /** Nothing is refused for what was seen long ago. */
  #review(now: number): void {
    const undecidedMs = Math.min(LONGEST_UNDECIDED_MS, Math.max(UNDECIDED_MS, 2 * this.#meanMs))
    if (Math.abs(now - this.#refusedAt) > Math.max(QUIET_MS, 3 * this.#meanMs)) this.#lift()
    else if (this.#in.size > this.#limit) this.#setAt = now
    else if (Math.abs(now - Math.max(this.#since, this.#setAt)) > undecidedMs) {
      this.#set(this.#limit * 1.5, now)
      this.#startOver(now)
    }
  }

  #set(limit: number, now: number): void {
    this.#limit = Math.max(MIN_LIMIT, limit)
    this.#setAt = now
  }

  #lift(): void {
    this.#limit = Number.POSITIVE_INFINITY
    this.#setAt = Number.NEGATIVE_INFINITY
    this.#trial = null
    this.#span = null
    this.#leastSince = null
  }

  #startOver(now: number): void {
    this.#durations.startOver()
    this.#since = now
    this.#entered = 0
    this.#left = 0
    this.#turns = 0
    this.#turnsMs = 0
    this.#turnsSquared = 0
    this.#insideByTurn = 0
  }

  #admit(now: number, isReserved: boolean): Admission {
    const admission = { startedAt: now, isReserved }
    this.#in.add(admission)
    if (isReserved) this.#reserved += 1
    this.#entered += 1
    return admission
  }

  /** Drops what is stuck; the oldest stand first. */
  #forget(now: number): void {
    const stuckMs = Math.max(STUCK_MS, STUCK_TIMES * this.#meanMs)
    for (const admission of this.#in) {
      if (now - admission.startedAt < stuckMs) return
      this.#drop(admission)
    }
  }

  #drop(admission: Admission): boolean {
    if (!this.#in.delete(admission)) return false
    if (admission.isReserved) this.#reserved -= 1
    return true
  }
}
