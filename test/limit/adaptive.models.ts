import { AdaptiveLimit, type Admission, type Answered } from '../../src/limit/adaptive.ts'
import { Random } from '../torture/random.ts'

/** Requests that come to a model of a server. */
export interface Load {
  /** Requests a second, at random instants, at a time in ms. */
  readonly perSecond: (at: number) => number
  readonly seconds: number
  /** What a request is and how long it works, ms; `random` is from 0 to 1. */
  readonly job: (at: number, random: () => number) => Job
  readonly seed?: number
}

export interface Job {
  readonly kind: string
  readonly ms: number
  readonly isPrivileged?: boolean
}

/** One second of a model's life. */
export interface Second {
  readonly served: number
  readonly shed: number
  readonly privilegedShed: number
  /** The limit at its end. */
  readonly limit: number
  /** The longest that a request was in, ms. */
  readonly longestMs: number
}

/** Numbers from 0 to 1, the same for the same seed. */
export function seeded(seed: number): () => number {
  const random = new Random(seed)
  return () => random.below(2 ** 32) / 2 ** 32
}

/** A duration of this mean: exponential, as of work of unlike size. */
export function exponential(mean: number, random: () => number): number {
  return -mean * Math.log(1 - random())
}

interface Arrival extends Job {
  readonly at: number
}

function* arrivals({ perSecond, seconds, job, seed = 7 }: Load): Generator<Arrival> {
  const random = seeded(seed)
  for (let at = 0; ; ) {
    at += exponential(1000 / perSecond(at), random)
    if (at >= seconds * 1000) return
    yield { at, ...job(at, random) }
  }
}

/**
 * A server that any number of requests may use at once: whatever it refuses, it refuses wrongly. Its clock may be set ahead or back.
 */
export function boundless(load: Load, clockAt: (at: number) => number = (at) => at): readonly Second[] {
  const limit = new AdaptiveLimit()
  const diary = new Diary()
  // By the millisecond in which they end.
  const ends = new Map<number, { admission: Admission; kind: string }[]>()
  let ended = 0
  for (const { at, kind, ms } of arrivals(load)) {
    for (; ended <= at; ended++) {
      for (const answered of ends.get(ended) ?? []) {
        limit.leave([answered], Math.floor(clockAt(ended)), 1)
        diary.at(ended).served += 1
      }
      ends.delete(ended)
    }
    const admission = limit.enter(Math.floor(clockAt(at)), () => false)
    diary.at(at).limit = limit.limit
    if (admission === null) {
      diary.at(at).shed += 1
      continue
    }
    const end = Math.ceil(at + ms)
    const others = ends.get(end)
    if (others) others.push({ admission, kind })
    else ends.set(end, [{ admission, kind }])
  }
  return diary.seconds.slice(0, load.seconds)
}

/** How many were refused from one second to another. */
export function shedIn(life: readonly Second[], from = 0, to: number = life.length): number {
  return life.slice(from, to).reduce((sum, { shed }) => sum + shed, 0)
}

class Diary {
  readonly seconds: { -readonly [Key in keyof Second]: Second[Key] }[] = []
  at(now: number) {
    const index = Math.floor(now / 1000)
    while (this.seconds.length <= index) {
      this.seconds.push({ served: 0, shed: 0, privilegedShed: 0, limit: 0, longestMs: 0 })
    }
    return this.seconds[index]!
  }
}

/**
 * A server that waits for something of which there are so many: connections of a database, say. Requests beyond wait in
 * line there. Time is told in whole milliseconds, as a runtime's clock does.
 */
export function pool(workers: number, load: Load, limit: AdaptiveLimit = new AdaptiveLimit()): readonly Second[] {
  const diary = new Diary()
  const freeAt = new Array<number>(workers).fill(0)
  const leaving: { at: number; admission: Admission; kind: string }[] = []
  const leaveUntil = (now: number): void => {
    while (leaving.length > 0 && leaving[0]!.at <= now) {
      const { at, admission, kind } = leaving.shift()!
      limit.leave([{ admission, kind }], Math.floor(at))
      const second = diary.at(at)
      second.served += 1
      second.longestMs = Math.max(second.longestMs, at - admission.startedAt)
      second.limit = limit.limit
    }
  }
  for (const { at, kind, ms, isPrivileged = false } of arrivals(load)) {
    leaveUntil(at)
    const admission = limit.enter(Math.floor(at), () => isPrivileged)
    if (admission === null) {
      diary.at(at).shed += 1
      if (isPrivileged) diary.at(at).privilegedShed += 1
      continue
    }
    let worker = 0
    for (let i = 1; i < workers; i++) if (freeAt[i]! < freeAt[worker]!) worker = i
    const end = Math.max(at, freeAt[worker]!) + ms
    freeAt[worker] = end
    let place = leaving.length
    while (place > 0 && leaving[place - 1]!.at > end) place -= 1
    leaving.splice(place, 0, { at: end, admission, kind })
  }
  leaveUntil(Number.POSITIVE_INFINITY)
  return diary.seconds.slice(0, load.seconds)
}

/**
 * A server that computes: in each turn of its event loop it answers what came during the last, one after the other, and
 * everything leaves when the turn is over. A refusal takes time as well.
 */
export function loop(refusalMs: number, load: Load, limit: AdaptiveLimit = new AdaptiveLimit()): readonly Second[] {
  const diary = new Diary()
  let now = 0
  let turn: Answered[] = []
  /** Ends turns until one would begin after this instant with nothing in it. */
  let waiting: Arrival[] = []
  const run = (until: number): void => {
    while (waiting.length > 0 && now <= until) {
      const ready = waiting.filter(({ at }) => at <= now)
      if (ready.length === 0) {
        now = waiting[0]!.at
        continue
      }
      waiting = waiting.slice(ready.length)
      const since = now
      for (const { at, kind, ms, isPrivileged = false } of ready) {
        const admission = limit.enter(Math.floor(now), () => isPrivileged)
        now += admission === null ? refusalMs : ms
        const second = diary.at(now)
        second.longestMs = Math.max(second.longestMs, now - at)
        if (admission !== null) {
          turn.push({ admission, kind })
          second.served += 1
        } else {
          second.shed += 1
          if (isPrivileged) second.privilegedShed += 1
        }
      }
      now += 0.1
      limit.leave(turn, Math.floor(now), now - since)
      diary.at(now).limit = limit.limit
      turn = []
    }
  }
  for (const arrival of arrivals(load)) {
    run(arrival.at)
    waiting.push(arrival)
  }
  run(load.seconds * 1000)
  return diary.seconds.slice(0, load.seconds)
}

/** How many were served in a second, on average from one second to another. */
export function servedPerSecond(life: readonly Second[], from: number, to: number = life.length): number {
  const part = life.slice(from, to)
  return part.reduce((sum, { served }) => sum + served, 0) / part.length
}

/** The mean limit from one second to another. */
export function meanLimit(life: readonly Second[], from: number, to: number = life.length): number {
  const part = life.slice(from, to)
  return part.reduce((sum, { limit }) => sum + limit, 0) / part.length
}
