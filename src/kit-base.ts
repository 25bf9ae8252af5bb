import { type Clock, systemClock } from './clock.ts'
import { EventQueue, eventText, lineSink, type Sink } from './event.ts'
import { AuthorityReader } from './fields.ts'
import type { HeaderRules } from './header-rules.ts'
import type { Platform } from './platform.ts'
import type { ProblemFormat } from './problem.ts'
import type { AtomicStore } from './store/contract.ts'

/** `production` is the default everywhere; `development` allows what its options name, and nothing by itself. */
export type Mode = 'production' | 'development'

/**
 * The parts that layers share. `security()` takes them for the whole app; a layer that stands alone takes them itself.
 */
export interface KitOptions {
  /** What the runtime brings: `import { platform } from 'hinoban/node'` (or `/bun`, `/deno`, `/cloudflare`). */
  readonly platform?: Platform
  /** Where exact state lives. An eventually consistent store does not compile here, and throws in plain JavaScript. */
  readonly store?: AtomicStore
  /** `production` unless told. */
  readonly mode?: Mode
  /** The runtime's clock unless told. */
  readonly clock?: Clock
  /** Where events go. One JSON line each on the platform's console, from level `info`, unless told. */
  readonly events?: Sink | readonly Sink[]
  /** Another shape for refusals' bodies; RFC 9457 unless told. */
  readonly formatProblem?: ProblemFormat
}

/** The kit of one app: made once, when its options are known to be good. */
export class KitBase {
  readonly platform: Platform
  readonly store: AtomicStore | null
  readonly mode: Mode
  readonly clock: Clock
  readonly events: EventQueue
  readonly formatProblem: ProblemFormat | undefined
  /** Reads the authority of requests. */
  readonly authorities: AuthorityReader = new AuthorityReader()
  /** What is done to the headers of every answer. */
  readonly headerRules: HeaderRules
  readonly #watched = new WeakSet<AtomicStore>()

  /** @throws {TypeError} naming the option that is missing or wrong, and the mend. */
  constructor(owner: string, options: KitOptions, headerRules: HeaderRules = []) {
    const { platform, store, mode = 'production', clock = systemClock, events, formatProblem } = options
    if (!platform) {
      throw new TypeError(
        `${owner}: platform is missing. Pass the runtime's: import { platform } from 'hinoban/node' (or /bun, /deno, /cloudflare).`,
      )
    }
    if (mode !== 'production' && mode !== 'development') {
      throw new TypeError(`${owner}: mode must be 'production' or 'development'.`)
    }
    this.platform = platform
    this.store = store ? requireAtomic(owner, store) : null
    this.mode = mode
    this.clock = clock
    this.events = new EventQueue(events === undefined ? [lineSink(platform.log)] : [events].flat(), clock)
    this.formatProblem = formatProblem
    this.headerRules = headerRules
    if (this.store) this.watch(this.store)
  }

  /** Makes events of what a store notices. */
  watch(store: AtomicStore): void {
    if (store.watch === undefined || this.#watched.has(store)) return
    this.#watched.add(store)
    store.watch(({ type, reason }) => {
      this.events.push({
        type: `store.${type}`,
        level: 'error',
        at: this.clock.now(),
        method: '',
        path: '',
        address: 'unknown',
        principal: null,
        reason: eventText(reason),
        resource: eventText(store.name),
        origin: null,
        userAgent: null,
        count: 1,
      })
    })
  }
}

/** @throws {TypeError} for a store that may answer with old state, where exactness is promised. */
export function requireAtomic(owner: string, store: AtomicStore): AtomicStore {
  if (store.consistency === 'atomic') return store
  throw new TypeError(
    `${owner}: store '${store.name}' is eventually consistent, so limits and single use could not be exact. Use an AtomicStore: memoryStore(), sqliteStore(), redisStore(), denoKvStore() or durableObjectStore().`,
  )
}
