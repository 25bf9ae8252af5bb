import { addressBucket, makeAddress } from './address.ts'
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
  | 'limit.degraded'
  | 'limit.locked'
  | 'limit.overloaded'
  | 'limit.overrun'
  | 'limit.refused'
  | 'limit.reset'
  | 'path.refused'
  | 'store.lost'
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
const MAX_KINDS = 16
const ABANDONED_AFTER_MS = 30_000
// Line breaks, control and direction characters that JSON leaves bare but a terminal or a log reader obeys.
const UNSAFE_IN_LOG =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g
// Texts of clients that look like a credential: our own keys and all of that shape, others' of a known one, what follows
// Bearer. Each starts at a boundary, so that a long text is read once.
const CREDENTIAL =
  /(?<![a-z0-9])[a-z][a-z0-9]{1,15}(?:_|%5f)[0-9a-z]{32,}|(?<![\w-])sk-(?=[\w-]*\d)[\w-]{20,}|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|(?<!\w)bearer(?:%20|[\s+]){1,8}(?=[\w.~+/=-]*\d)[\w.~+/=-]{16,}/gi
/** No text that {@link CREDENTIAL} matches is shorter. */
const SHORTEST_CREDENTIAL = 21
const MAX_TEXT = 256

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

/** A text as an event may hold it: at most 256 characters, without what looks like a credential. */
export function eventText(text: string): string {
  if (text.length < SHORTEST_CREDENTIAL) return text
  const read = text.slice(0, 2 * MAX_TEXT).replace(CREDENTIAL, '[redacted]')
  if (text.length <= 2 * MAX_TEXT && read.length <= MAX_TEXT) return read
  // A credential that the first cut halved was not told for one: what is left of such a word goes. The rest stays, so that a
  // long path does not hide where it leads.
  const whole = text.length <= 2 * MAX_TEXT ? read : read.replace(/[\w.~%+=-]{1,64}$/, '')
  return `${whole.slice(0, MAX_TEXT - 1)}…`
}

interface Fold {
  last: SecurityEvent
  folded: number
}

/** What tells an event from others, as its maker has it. */
export type EventSign = Pick<SecurityEvent, 'type' | 'address' | 'method' | 'path'> & {
  readonly reason: string
  readonly resource: string
  readonly principal: string | undefined
}

/**
 * Holds events until a request is answered, then hands them to the sinks. Refusals and faults that repeat (same type,
 * reason, address, principal, method, path and resource within one second) are folded: the first goes out at once, the
 * rest as one event with a `count` when the second is over and something else happens. At most 1,000 events wait or are
 * under way; from the 17th different event of a type that one client causes in a second, only reason and principal are told apart. What comes above that, or what a sink failed to take, is counted in an `events.dropped` event.
 */
export class EventQueue {
  readonly #sinks: readonly Sink[]
  readonly #level: number
  readonly #clock: Clock
  #pending: SecurityEvent[] = []
  #dropped = 0
  #second = 0
  readonly #folds = new Map<string, Fold>()
  /** The same by what their makers call them, so that a repetition need not be made to be counted. */
  readonly #repeated = new Map<string, Fold>()
  /** The last of them, as a flood brings the same again and again. */
  #lastRepeated: { readonly sign: EventSign; readonly fold: Fold } | null = null
  /** How many different events of one type a client caused in this second. */
  readonly #kinds = new Map<string, number>()
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

  /**
   * Takes an event in, or folds it into its like.
   *
   * @param sign lets {@link repeats} know it again
   */
  push(event: SecurityEvent, sign?: EventSign): void {
    if (!this.takes(event.level)) return
    this.#unfold(event.at)
    if (RANK[event.level] >= RANK.warn && this.#fold(event, sign)) return
    this.#wait(event)
  }

  /** Whether an event of this sign came within this second: then this one is counted with it, and need not be made. */
  repeats(sign: EventSign, now: number): boolean {
    this.#unfold(now)
    const last = this.#lastRepeated
    const fold = last !== null && isSame(last.sign, sign) ? last.fold : this.#repeated.get(textOf(sign))
    if (fold === undefined) return false
    if (fold !== last?.fold) this.#lastRepeated = { sign, fold }
    fold.folded += 1
    return true
  }

  #wait(event: SecurityEvent): void {
    if (this.#pending.length + this.#countUnderWay() >= MAX_PENDING) this.#dropped += event.count
    else this.#pending.push(event)
  }

  /** Hands what waits to every sink. Never rejects. */
  async flush(): Promise<void> {
    const events = this.#pending
    if (events.length === 0) return
    this.#pending = []
    if (this.#dropped > 0) {
      events.push(dropped(events[0]!, 'queue_full', this.#dropped))
      this.#dropped = 0
    }
    const batch = { count: events.length, since: this.#clock.now() }
    this.#underWay.add(batch)
    try {
      const taken = await Promise.allSettled(this.#sinks.map(async (sink) => sink(events)))
      const working = this.#sinks.filter((_sink, i) => taken[i]!.status === 'fulfilled')
      if (working.length === taken.length) return
      const failure = [dropped(events[0]!, 'sink_failed', events.length)]
      await Promise.allSettled(working.map(async (sink) => sink(failure)))
    } finally {
      this.#underWay.delete(batch)
    }
  }

  /** Whether the event is a repetition, and was counted. */
  #fold(event: SecurityEvent, sign: EventSign | undefined): boolean {
    const { type, reason, principal, method, path, resource } = event
    // One client is one network, as for limits: rotating inside a /64 must not flood the log.
    const client = event.address.includes(':') ? addressBucket(makeAddress(event.address, 'socket')) : event.address
    const kinds = this.#kinds.get(`${type} ${client}`) ?? 0
    const detail = kinds < MAX_KINDS ? [reason, principal, method, path, resource] : [reason, principal]
    const key = JSON.stringify([type, client, ...detail])
    const fold = this.#folds.get(key)
    if (fold === undefined && this.#folds.size >= MAX_FOLDED_KEYS) return false
    this.#kinds.set(`${type} ${client}`, fold ? kinds : kinds + 1)
    const kept = fold ?? { last: event, folded: 0 }
    if (fold) {
      fold.last = event
      fold.folded += event.count
    }
    this.#folds.set(key, kept)
    if (sign !== undefined && this.#repeated.size < MAX_FOLDED_KEYS) this.#repeated.set(textOf(sign), kept)
    return fold !== undefined
  }

  /** When a second is over, lets out what was folded in it. */
  #unfold(now: number): void {
    const second = Math.floor(now / 1000)
    if (second === this.#second) return
    this.#second = second
    for (const { last, folded } of this.#folds.values()) if (folded > 0) this.#wait({ ...last, count: folded })
    this.#folds.clear()
    this.#repeated.clear()
    this.#lastRepeated = null
    this.#kinds.clear()
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

function textOf({ type, reason, resource, address, principal, method, path }: EventSign): string {
  return `${type}\0${reason}\0${resource}\0${address}\0${principal}\0${method}\0${path}`
}

function isSame(one: EventSign, other: EventSign): boolean {
  return (
    one.type === other.type &&
    one.reason === other.reason &&
    one.resource === other.resource &&
    one.address === other.address &&
    one.principal === other.principal &&
    one.method === other.method &&
    one.path === other.path
  )
}

function escapeCharacter(text: string): string {
  return text.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function dropped(like: SecurityEvent, reason: string, count: number): SecurityEvent {
  return { ...like, type: 'events.dropped', level: 'error', principal: null, reason, resource: null, count }
}
