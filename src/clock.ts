/** Time, from one place. Instants are milliseconds since the Unix epoch. */
export interface Clock {
  /** The present instant, ms since the epoch. */
  now(): number
}

/** The runtime's own clock. */
export const systemClock: Clock = { now: () => Date.now() }
