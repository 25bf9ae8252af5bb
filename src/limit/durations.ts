/** Added to each duration: what differs by less than a few milliseconds is no sign of load. */
const GRACE_MS = 5
/** How many samples make the usual duration of a kind at first, each as much as the other. */
const FIRST_SAMPLES = 32
/** With fewer nothing is known of a kind. */
const LEAST_SAMPLES = 16
/** How long it takes until the usual follows a change that lasts. A queue that grows must not become usual with it. */
const FOLLOWS_IN_MS = 20_000

/** Durations of one kind of request, as logarithms. */
interface Kind {
  /** The usual one. */
  usual: number
  learned: number
  learnedAt: number
  /** Sum and number of the samples taken since. */
  sum: number
  count: number
}

/**
 * How long requests take, by how long their kind usually takes: so requests of unlike cost tell of one load. Compared are means
 * of logarithms: a route that answers now from a cache and now from a model has a mean as well.
 */
export class Durations {
  readonly #kinds = new Map<string, Kind>()
  #samples = 0
  #ms = 0
  #known = 0
  /** Sum of the logarithms of duration by usual duration, and of their squares. */
  #excess = 0
  #squares = 0

  /** How many kinds are known. */
  get size(): number {
    return this.#kinds.size
  }

  /** How many samples were taken. */
  get samples(): number {
    return this.#samples
  }

  /** The sum of the samples, ms. */
  get totalMs(): number {
    return this.#ms
  }

  /** How many times the usual the samples took, at least: by twice the error of the mean less than what they took. */
  get slowness(): number {
    if (this.#known < LEAST_SAMPLES) return 0
    const mean = this.#excess / this.#known
    const variance = Math.max(0, this.#squares / this.#known - mean * mean)
    return Math.exp(mean - 2 * Math.sqrt(variance / this.#known))
  }

  /** Takes a sample. What is usual follows it slowly if it `learns`; of what is not known it learns in any case. */
  add(name: string, ms: number, now: number, learns: boolean): void {
    const duration = Math.log(Math.max(0, ms) + GRACE_MS)
    let kind = this.#kinds.get(name)
    if (kind === undefined) {
      kind = { usual: duration, learned: 0, learnedAt: now, sum: 0, count: 0 }
      this.#kinds.set(name, kind)
    }
    if (kind.learned >= LEAST_SAMPLES) {
      const excess = duration - kind.usual
      this.#known += 1
      this.#excess += excess
      this.#squares += excess ** 2
    }
    if (learns || kind.learned < LEAST_SAMPLES) learn(kind, duration, now)
    kind.sum += duration
    kind.count += 1
    this.#samples += 1
    this.#ms += Math.max(0, ms)
  }

  /** Takes what the samples took for the usual. */
  adopt(): void {
    for (const kind of this.#kinds.values()) if (kind.count > 0) kind.usual = kind.sum / kind.count
  }

  /** Forgets the samples, not what is usual. */
  startOver(): void {
    this.#samples = 0
    this.#ms = 0
    this.#known = 0
    this.#excess = 0
    this.#squares = 0
    for (const kind of this.#kinds.values()) {
      kind.sum = 0
      kind.count = 0
    }
  }
}

function learn(kind: Kind, duration: number, now: number): void {
  // By time, so that a thousand requests a second teach no faster than ten; a clock that was set teaches little.
  const share = Math.min(1 / FIRST_SAMPLES, Math.abs(now - kind.learnedAt) / FOLLOWS_IN_MS)
  kind.usual += (duration - kind.usual) * (kind.learned < FIRST_SAMPLES ? 1 / (kind.learned + 1) : share)
  kind.learned += 1
  kind.learnedAt = now
}
