import { type Charge, type Decision, makeRate, type Rate } from '../store/gcra.ts'

/** How many failures lock, and for how long. */
export interface LockNumbers {
  readonly failures: number
  /** How long the first lock stands. Each further one stands twice as long as the one before. */
  readonly lockSeconds: number
  /** Longest that a lock stands. Failures and locks are forgotten in as long, one after the other. */
  readonly maxLockSeconds: number
}

/** What the buckets say. */
export interface Seen {
  /** Attempts that count at present, this one among them. */
  readonly counted: number
  /** Attempts that may still fail before it locks. */
  readonly left: number
  /** Until the lock ends, ms; 0 where none stands. */
  readonly lockedMs: number
  /** How often the first lock's time is to be doubled for the next. */
  readonly level: number
  /** Whether the next lock raises the level. */
  readonly rises: boolean
  /** What the bucket of the lock holds, seconds. */
  readonly heldSeconds: number
}

/**
 * A lock as charges to four buckets of one partition. No records: invented names would fill a store with them, and then nobody
 * could log in. Buckets are dropped when a store is full, those first that are due first.
 *
 * - `failures` counts attempts, and forgets `failures` of them in `maxLockSeconds`. So who is slow enough never to be locked
 *   guesses no more than who is locked as long as can be.
 * - `lock` stands while its bucket holds over `maxLockSeconds`. What lies below is ballast: no count of failures holds more, so a
 *   flood of names that failed cannot drive a lock out of a full store.
 * - `level` counts locks, and forgets one in `maxLockSeconds`.
 * - `pardons` counts the successes that forgave failures. {@link foldAccount} may take two accounts for one: whoever owns the
 *   other one could else log in there after every few guesses, for ever.
 */
export interface Lock {
  /** Counts an attempt, if there is room for one, and looks. */
  readonly count: readonly Charge[]
  /** Looks. */
  readonly look: readonly Charge[]
  /** Gives an attempt back. */
  readonly giveBack: readonly Charge[]
  /** Begins the lock, and counts from none again. Of many at once the store admits one: no two locks fit. */
  begin(seen: Seen): readonly Charge[]
  /** Forgets failures and lock; with `raised`, also that it raised the level, and with `pardons`, at the cost of one. */
  forgive(how: { readonly raised: boolean; readonly pardons: boolean }): readonly Charge[]
  /** Forgets everything. */
  readonly forget: readonly Charge[]
  /** Reads the answer to any charges that begin with those of {@link look}. */
  read(decision: Decision): Seen
}

/** Successes that may forgive failures, in `maxLockSeconds`. */
const PARDONS = 10
const LONGEST_SECONDS = 366 * 86_400

/** How often `lockSeconds` doubles until it reaches `maxLockSeconds`. */
export function doublings({ lockSeconds, maxLockSeconds }: LockNumbers): number {
  let level = 0
  while (lockSeconds * 2 ** level < maxLockSeconds) level++
  return level
}

/** Whether the store can hold such locks: what a bucket says of the future ends after 366 days. */
export function isHeld(numbers: LockNumbers): boolean {
  return Math.max(2, doublings(numbers) + 1) * numbers.maxLockSeconds <= LONGEST_SECONDS
}

/**
 * Makes a lock of good numbers ready.
 *
 * @param name begins the names of its buckets. The numbers follow: other rates would read a bucket wrongly.
 */
export function makeLock(name: string, numbers: LockNumbers): Lock {
  const { failures, lockSeconds, maxLockSeconds } = numbers
  const highest = doublings(numbers)
  const bucket = (kind: string): string => `${name}:${failures}/${lockSeconds}s/${maxLockSeconds}s:${kind}`
  const charge = (kind: string, rate: Rate, cost: number): Charge => ({ name: bucket(kind), rate, cost })
  /** One unit a second. Every such rate has the longest period, lest one takes what another holds for a clock's error. */
  const holding = (seconds: number): Rate => makeRate(2 * maxLockSeconds, 2 * maxLockSeconds, seconds)

  const rates = {
    failures: makeRate(failures, maxLockSeconds),
    lock: holding(2 * maxLockSeconds),
    level: makeRate(1, maxLockSeconds, highest + 1),
    pardons: makeRate(PARDONS, maxLockSeconds),
  }
  const times = Array.from({ length: highest + 1 }, (_, level) => {
    const seconds = maxLockSeconds + Math.min(maxLockSeconds, lockSeconds * 2 ** level)
    return { seconds, rate: holding(seconds) }
  })
  const failed = (cost: number): Charge => charge('failures', rates.failures, cost)
  const locked = (cost: number): Charge => charge('lock', rates.lock, cost)
  const level = (cost: number): Charge => charge('level', rates.level, cost)
  const pardons = (cost: number): Charge => charge('pardons', rates.pardons, cost)
  /** A cost that leaves a bucket as if it had never been charged, whatever was. */
  const all = ({ burst }: Rate): number => -burst - 1
  const none = [failed(all(rates.failures)), locked(all(rates.lock))]

  return {
    count: [failed(1), locked(0), level(0)],
    look: [failed(0), locked(0), level(0)],
    giveBack: [failed(-1)],
    begin(seen) {
      const { seconds, rate } = times[seen.level]!
      const filling = charge('lock', rate, seconds - seen.heldSeconds)
      return [failed(all(rates.failures)), filling, level(seen.rises ? 1 : 0)]
    },
    forgive: ({ raised, pardons: costs }) => [...none, level(raised ? -1 : 0), pardons(costs ? 1 : 0)],
    forget: [...none, level(all(rates.level)), pardons(all(rates.pardons))],
    read({ states }) {
      const [failure, lock, levels] = [states[0]!, states[1]!, states[2]!]
      return {
        counted: failures - failure.remaining,
        left: failure.remaining,
        lockedMs: Math.max(0, lock.resetAfterMs - maxLockSeconds * 1000),
        level: Math.min(highest, highest + 1 - levels.remaining),
        rises: levels.remaining > 0,
        heldSeconds: Math.ceil(lock.resetAfterMs / 1000),
      }
    },
  }
}
