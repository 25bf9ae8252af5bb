/** Added to each duration: what differs by less than a few milliseconds is no sign of load. */
const GRACE_MS = 5
/** There are samples enough when there are so many. */
const LEAST_SAMPLES = 16
/** What is answered in one turn of the event loop is alike: samples must come from as many turns. */
const LEAST_TURNS = 8
/** Turns that took so long on average need no more proof than this many. */
const SURELY_SLOW_TURN_MS = 60
const LEAST_SLOW_TURNS = 3
/** Where durations of a kind differ much, it takes more: until the standard error of their mean logarithm is so small. */
const MOST_ERROR = 0.08
/** How many samples the usual duration of a kind is the mean of, at most. */
const MEMORY = 64

/** Durations of one kind of request. */
interface Kind {
  /** The usual one. */
  usual: number
  /** How many samples made it, at most {@link MEMORY}. */
  learned: number
  /** Sum and number of the samples taken since. */
  sum: number
  count: number
}

/**
 * How long requests take, by how long their kind usually takes: so requests of unlike cost tell of one load. All means are of
 * logarithms: the few that take very long weigh no more than those that take very little.
 */
export class Durations {
  readonly #kinds = new Map<string, Kind>()
  #samples = 0
  #turns = 0
  #turnsMs = 0
  /** Sum of the logarithms of duration by usual duration, and of their squares. */
  #excess = 0
  #squares = 0

  /** How many kinds are known. */
  get size(): number {
    return this.#kinds.size
  }

  /** How many times the usual the samples took, on average. */
  get slowness(): number {
    return Math.exp(this.#excess / this.#samples)
  }

  /** How long the turns of the event loop took in which the samples ended, ms, on average. */
  get turnMs(): number {
    return this.#turnsMs / this.#samples
  }

  /** Learns from a request how long its kind usually takes. */
  learn(name: string, ms: number): void {
    const duration = logarithm(ms)
    const kind = this.#kind(name, duration)
    kind.learned = Math.min(MEMORY, kind.learned + 1)
    kind.usual += (duration - kind.usual) / kind.learned
  }

  /** Takes a sample, to be compared with what is usual. What is of a new kind is usual for it. */
  add(name: string, ms: number, turnMs: number): void {
    const duration = logarithm(ms)
    const kind = this.#kind(name, duration)
    const excess = duration - kind.usual
    kind.sum += duration
    kind.count += 1
    this.#samples += 1
    this.#excess += excess
    this.#squares += excess ** 2
    this.#turnsMs += turnMs
  }

  /** Notes that samples were taken in one turn. */
  endTurn(): void {
    this.#turns += 1
  }

  /** Whether there are so many samples, and enough of them that what they tell is no chance. */
  isSure(least: number): boolean {
    if (this.#samples < Math.max(least, LEAST_SAMPLES)) return false
    if (this.turnMs >= SURELY_SLOW_TURN_MS) return this.#turns >= LEAST_SLOW_TURNS
    if (this.#turns < LEAST_TURNS) return false
    const mean = this.#excess / this.#samples
    return this.#squares / this.#samples - mean * mean <= MOST_ERROR ** 2 * this.#samples
  }

  /** Takes what the samples took for the usual: in part, as they may be few, or wholly if nothing before can be trusted. */
  adopt(wholly: boolean): void {
    for (const kind of this.#kinds.values()) {
      if (kind.count === 0) continue
      const weight = wholly ? 1 : kind.count / (kind.count + LEAST_SAMPLES)
      kind.usual += (kind.sum / kind.count - kind.usual) * weight
      kind.learned = Math.max(kind.learned, Math.min(MEMORY, kind.count))
    }
  }

  /** Forgets the samples, not what is usual. */
  startOver(): void {
    this.#samples = 0
    this.#turns = 0
    this.#turnsMs = 0
    this.#excess = 0
    this.#squares = 0
    for (const kind of this.#kinds.values()) {
      kind.sum = 0
      kind.count = 0
    }
  }

  #kind(name: string, duration: number): Kind {
    let kind = this.#kinds.get(name)
    if (kind === undefined) {
      kind = { usual: duration, learned: 0, sum: 0, count: 0 }
      this.#kinds.set(name, kind)
    }
    return kind
  }
}

/** A clock that was set back gives less than nothing. */
function logarithm(ms: number): number {
  return Math.log(Math.max(0, ms) + GRACE_MS)
}
