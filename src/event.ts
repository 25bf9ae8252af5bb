import type { Clock } from './clock.ts'

/** How much an event matters. Successes are `debug`, refusals `warn`, faults `error`. */
export type EventLevel = 'debug' | 'info' | 'warn' | 'error'

/** What can happen. `docs/events.md` lists each with its reasons. */
export type EventType =
  | 'access.refused'
  | 'auth.accepted'
  | 'auth.refused'
  | 'body.refused'
  | 'cors.refused'
  | 'credential.deleted'
  | 'credential.stored'
  | 'events.dropped'
  | 'fault'
  | 'host.refused'
  | 'limit.refused'
  | 'path.refused'
  | 'store.outage'
  | 'validation.refused'

/**
 * One thing that happened. Logs, audit and alerts are fed with nothing else. Holds no query string, header value but
 * `Origin` and `User-Agent`, body or credential; every text is cut at 256 characters.
 */
export interface SecurityEvent {
  readonly type: EventType
  readonly level: EventLevel
  /** When, ms since the epoch. */
  readonly at: number
  readonly method: string
  /** The path alone, never the query. */
  readonly path: string
  /** The caller's address, or `unknown`. */
  readonly address: string
  /** The principal's key, null for strangers. */
  readonly principal: string | null
  /** A short machine-readable word: why, such as `missing` or `unknown_key`; null where the type says it all. */
  readonly reason: string | null
  /** What it was about, such as a credential's name; null where nothing is. */
  readonly resource: string | null
  readonly origin: string | null
  readonly userAgent: string | null
  /** How many like it were folded into this one, itself included. */
  readonly count: number
}

/** Takes events somewhere. May fail: the failure is caught, and other sinks are served all the same. */
export interface Sink {
  (events: readonly SecurityEvent[]): void | PromiseLike<void>
  /** The least that it looks at; everything unless told. Where no sink looks, no event is made. */
  readonly level?: EventLevel
}

const RANK: Record<EventLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }
const MAX_PENDING = 1000
const MAX_FOLDED_KEYS = 1000
const ABANDONED_AFTER_MS = 30_000
// Line breaks, control and direction characters that JSON leaves bare but a terminal or a log reader obeys.
const UNSAFE_IN_LOG = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** An event as one line of JSON: whatever an attacker puts in, one event stays one line. */
export function eventLine(event: SecurityEvent): string {
  return JSON.stringify(event).replace(UNSAFE_IN_LOG, escapeCharacter)
}

/**
 * A sink that writes one JSON line an event.
 *
 * @param log where lines go; a platform's `log` is the runtime's console
 * @param level the least that is written; `info` unless told, so successes stay quiet
 */
export function lineSink(log: (line: string) => void, level: EventLevel = 'info'): Sink {
  const write = (events: readonly SecurityEvent[]): void => {
    for (const event of events) if (RANK[event.level] >= RANK[level]) log(eventLine(event))
  }
  return Object.assign(write, { level })
}

/** Cuts a text to what an event may hold. */
export function eventText(text: string): string {
  return text.length <= 256 ? text : `${text.slice(0, 255)}…`
}

/**
 * Holds events until a request is answered, then hands them to the sinks. Refusals that repeat (same type, reason and
 * address within one second) are folded: the first goes out at once, the rest as a `count` on the next. At most 1,000
 * events wait or are under way; what comes above that is dropped and counted in an `events.dropped` event.
 */
export class EventQueue {
  readonly #sinks: readonly Sink[]
  readonly #level: number
  readonly #clock: Clock
  #pending: SecurityEvent[] = []
  #dropped = 0
  #folds = new Map<string, { second: number; folded: number }>()
  #underWay = new Set<{ count: number; since: number }>()

  constructor(sinks: readonly Sink[], clock: Clock) {
    this.#sinks = sinks
    this.#level = Math.min(...sinks.map((sink) => RANK[sink.level ?? 'debug']))
    this.#clock = clock
  }

  /** Whether any sink looks at events of this level. */
  takes(level: EventLevel): boolean {
    return RANK[level] >= this.#level
  }

  /** Whether anything waits. */
  get waiting(): boolean {
    return this.#pending.length > 0
  }

  /** Takes an event in, or folds it into its like. */
  push(event: SecurityEvent): void {
    if (!this.takes(event.level)) return
    const count = event.level === 'warn' ? this.#fold(event) : event.count
    if (count === 0) return
    if (this.#pending.length + this.#countUnderWay() >= MAX_PENDING) {
      this.#dropped += 1
      return
    }
    this.#pending.push(count === event.count ? event : { ...event, count })
  }

  /** Hands what waits to every sink. Never rejects. */
  async flush(): Promise<void> {
    const events = this.#pending
    if (events.length === 0) return
    this.#pending = []
    if (this.#dropped > 0) {
      events.push({
        ...events[0]!,
        type: 'events.dropped',
        level: 'error',
        reason: 'queue_full',
        resource: null,
        count: this.#dropped,
      })
      this.#dropped = 0
    }
    const batch = { count: events.length, since: this.#clock.now() }
    this.#underWay.add(batch)
    try {
      await Promise.allSettled(this.#sinks.map(async (sink) => sink(events)))
    } finally {
      this.#underWay.delete(batch)
    }
  }

  #fold(event: SecurityEvent): number {
    const key = `${event.type} ${event.reason} ${event.address}`
    const second = Math.floor(event.at / 1000)
    const fold = this.#folds.get(key)
    if (fold?.second === second) {
      fold.folded += 1
      return 0
    }
    const count = event.count + (fold?.folded ?? 0)
    this.#folds.delete(key)
    if (this.#folds.size >= MAX_FOLDED_KEYS) this.#folds.delete(this.#folds.keys().next().value!)
    this.#folds.set(key, { second, folded: 0 })
    return count
  }

  #countUnderWay(): number {
    let count = 0
    for (const batch of this.#underWay) {
      // A request that its runtime killed never settles; its batch must not block the queue for ever.
      if (this.#clock.now() - batch.since > ABANDONED_AFTER_MS) this.#underWay.delete(batch)
      else count += batch.count
    }
    return count
  }
}

function escapeCharacter(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
}
