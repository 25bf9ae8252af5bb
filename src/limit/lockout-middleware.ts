import { addressBucket, makeAddress } from '../address.ts'
import { sha256Hex } from '../crypto/hash.ts'
import type { Kit } from '../kit.ts'
import { requireAtomic } from '../kit-base.ts'
import { type Context, kitOf, orFault } from '../layer.ts'
import type { AtomicStore } from '../store/contract.ts'
import { foldAccount } from './account.ts'
import { seconds } from './fields.ts'
import { boundedStore } from './limiter-store.ts'
import { doublings, isHeld, type Lock, type LockNumbers, makeLock } from './lock.ts'
import { forgive, type Tried, tryOnce } from './lockout.ts'
import { checkName } from './name.ts'
import { checkIpv6Prefix } from './subject.ts'

/** What {@link lockout} takes. */
export interface LockoutOptions {
  /**
   * Its name, in events and in the store: 1 to 64 printable ASCII characters. Lockouts of one name and the same numbers share
   * what they count, so give each kind of proof its own: a right password must not clear the guesses at a second factor.
   */
  readonly name: string
  /** Failures that lock, a whole number from 1 to 100. */
  readonly failures: number
  /** How long the first lock stands, whole seconds. Each further one stands twice as long as the one before. */
  readonly lockSeconds: number
  /**
   * Longest that a lock stands, whole seconds; a day (86,400) unless told, or `lockSeconds` if that is longer. In as long all
   * failures are forgotten, one after the other, and one doubling of the time.
   */
  readonly maxLockSeconds?: number
  /**
   * Failures from all clients together that lock an account for everyone, its owner among them: up to 10,000. It stops guesses
   * from many addresses, and lets anybody lock anybody out. Off unless told.
   */
  readonly lockForEveryoneAfter?: number
  /** Bits of an IPv6 address that count as one client. 64 unless told. */
  readonly ipv6Prefix?: number
  /** A store of its own, in place of the app's. */
  readonly store?: AtomicStore
}

/** An attempt that may be checked, or the answer to one that may not. */
export type Attempt =
  | { readonly refused: Response }
  | {
      readonly refused: null
      /**
       * The proof was right: neither this attempt nor the failures before count any more, for this client and account. Call it
       * before the answer. Without it the attempt counts as failed, whatever becomes of the handler.
       *
       * @throws {Problem} 503 when the store could not take note.
       */
      succeeded(): Promise<void>
    }

/** Whose lock support staff ask about. */
export interface LockoutSubject {
  /** The account, in any spelling that `attempt` was given. */
  readonly account: string
  /** The client's address as events give it, `unknown` among them; null for the lock of everyone. */
  readonly address: string | null
}

/** What a lockout holds of a client and account. */
export interface LockoutState {
  /** Until the lock ends, seconds rounded up; 0 where none stands. */
  readonly lockedForSeconds: number
  /** Attempts that may fail before the next lock. */
  readonly failuresLeft: number
}

/** Made by {@link lockout}. */
export interface Lockout {
  /**
   * Counts an attempt at an account, before anything is checked. Any text may name the account, whether it exists or not; a
   * constant one counts a client's attempts at all accounts together.
   *
   * @throws {Problem} 503 when the store fails: then nothing is to be checked.
   */
  attempt(c: Context, account: string): Promise<Attempt>
  /**
   * What a client has left at an account.
   *
   * @throws {RangeError} for an address that is none. @throws {Problem} 503 when the store fails.
   */
  peek(c: Context, subject: LockoutSubject): Promise<LockoutState>
  /**
   * Forgets what a client failed at an account, its locks among it; an event says so.
   *
   * @throws {RangeError} for an address that is none. @throws {Problem} 503 when the store fails.
   */
  reset(c: Context, subject: LockoutSubject): Promise<void>
}

const OWNER = 'lockout()'
/** What is longer is looked up by its digest. */
const MAX_FOLD_UNITS = 256

/**
 * Locks a client out of an account after some failures, for a time that doubles with each lock. Client and account lock as a
 * pair: nobody can lock out somebody behind another address, nor do failures at one account touch another. Of any number of
 * attempts at once no more than `failures` are let through, and each counts before it is checked: a handler that throws, a client
 * that hangs up, a process that dies give nothing back. So a client that proves itself many times at once wants a key in place of
 * a log-in. Clients whose address is unknown count as one. `attempt` tells the same of accounts that exist and others.
 * When the store fails, the request gets 503 and is not let through.
 *
 * Spellings that may mean one account share its lock: see {@link foldAccount}. Where two accounts of yours fold alike, each
 * owner's log-in forgives what his client failed at the other, ten times in `maxLockSeconds`. Fold names where accounts are
 * made, or pass the id of an account that you looked up. It does not stop a client that tries one password at many accounts: put
 * `rateLimit()` before it.
 *
 * @throws {TypeError | RangeError} at start, naming the setting that is wrong.
 *
 * @example
 * const logins = lockout({ name: 'login', failures: 5, lockSeconds: 900 })
 * app.post('/login', validate('json', Login), async (c) => {
 *   const { email, password } = c.req.valid('json')
 *   const attempt = await logins.attempt(c, email)
 *   if (attempt.refused) return attempt.refused
 *   if (!(await passwordMatches(email, password))) return c.json({ error: 'Wrong e-mail or password.' }, 401)
 *   await attempt.succeeded()
 *   return c.json({ token: await makeToken(email) }, 200)
 * })
 */
export function lockout(options: LockoutOptions): Lockout {
  const { name, ipv6Prefix = 64, lockForEveryoneAfter } = checkOptions(options)
  const one = makeLock(`lockout:${name}`, numbersOf(options, options.failures))
  const everyone =
    lockForEveryoneAfter === undefined ? null : makeLock(`lockout:${name}`, numbersOf(options, lockForEveryoneAfter))

  /** A fold holds no space, so the client ends where it does. */
  const placeOf = (client: string, account: string): string => {
    const folded = foldAccount(account)
    return `lockout:${client} ${folded.length <= MAX_FOLD_UNITS ? folded : `~${sha256Hex(folded)}`}`
  }
  const storeOf = (kit: Kit): AtomicStore => boundedStore(kit.store(OWNER, options.store))
  const lockOf = ({ account, address }: LockoutSubject): { readonly lock: Lock; readonly partition: string } => {
    if (address !== null) {
      return { lock: one, partition: placeOf(addressBucket(addressOf(address), ipv6Prefix), account) }
    }
    if (everyone) return { lock: everyone, partition: placeOf('everyone', account) }
    throw new RangeError(`${OWNER}: address null is for a lockout that has lockForEveryoneAfter.`)
  }
  const refuse = (kit: Kit, lockedMs: number): Attempt => {
    kit.emit({ type: 'limit.locked', level: 'warn', reason: 'refused', resource: name })
    const wait = Math.max(1, seconds(lockedMs))
    return {
      refused: kit.refuse({
        code: 'limit.locked',
        detail: `Too many attempts failed. Try again in ${wait} s.`,
        headers: { 'retry-after': String(wait) },
      }),
    }
  }

  const attempt = async (kit: Kit, account: string): Promise<Attempt> => {
    const store = storeOf(kit)
    const rows = [
      { lock: one, partition: placeOf(addressBucket(kit.address(), ipv6Prefix), account), reason: 'locked' },
    ]
    if (everyone) {
      // Looked at first: a client's own count is not for attempts that nobody checks.
      const partition = placeOf('everyone', account)
      const { lockedMs } = everyone.read(await store.consume(partition, everyone.look))
      if (lockedMs > 0) return refuse(kit, lockedMs)
      rows.push({ lock: everyone, partition, reason: 'locked_for_everyone' })
    }
    const counted: (() => Promise<void>)[] = []
    for (const { lock, partition, reason } of rows) {
      const tried: Tried = await tryOnce(store, partition, lock)
      if (tried.began) kit.emit({ type: 'limit.locked', level: 'warn', reason, resource: name })
      if (tried.type === 'locked') return refuse(kit, tried.lockedMs)
      counted.push(() => forgive(store, partition, lock, tried))
    }
    return {
      refused: null,
      // Emptied as it goes: an attempt is given back once.
      succeeded: () =>
        orFault(kit, async () => {
          for (const giveBack of counted.splice(0)) await giveBack()
        }),
    }
  }

  return {
    attempt: (c, account) => {
      const kit = kitOf(c, OWNER)
      return orFault(kit, () => attempt(kit, account))
    },
    async peek(c, subject) {
      const kit = kitOf(c, OWNER)
      const { lock, partition } = lockOf(subject)
      const decision = await orFault(kit, async () => storeOf(kit).consume(partition, lock.look))
      const { lockedMs, left } = lock.read(decision)
      return { lockedForSeconds: seconds(lockedMs), failuresLeft: left }
    },
    async reset(c, subject) {
      const kit = kitOf(c, OWNER)
      const { lock, partition } = lockOf(subject)
      await orFault(kit, async () => storeOf(kit).consume(partition, lock.forget))
      kit.emit({ type: 'limit.reset', level: 'info', reason: 'lockout', resource: name })
    },
  }
}

function addressOf(text: string): ReturnType<typeof makeAddress> {
  const address = makeAddress(text, 'socket')
  if (address.ip !== null || text === 'unknown') return address
  throw new RangeError(`${OWNER}: address must be an IP address, 'unknown', or null.`)
}

function numbersOf(options: LockoutOptions, failures: number): LockNumbers {
  const { lockSeconds, maxLockSeconds = Math.max(86_400, lockSeconds) } = options
  return { failures, lockSeconds, maxLockSeconds }
}

function checkOptions(options: LockoutOptions): LockoutOptions {
  const { name, failures, lockForEveryoneAfter, ipv6Prefix, store } = options
  checkName(OWNER, name)
  checkWhole('failures', failures, 1, 100)
  checkIpv6Prefix(OWNER, ipv6Prefix ?? 64)
  checkWhole('lockForEveryoneAfter', lockForEveryoneAfter ?? failures, failures, 10_000)
  const numbers = numbersOf(options, failures)
  checkWhole('lockSeconds', numbers.lockSeconds, 1, 183 * 86_400)
  checkWhole('maxLockSeconds', numbers.maxLockSeconds, numbers.lockSeconds, 183 * 86_400)
  if (!isHeld(numbers)) {
    const times = doublings(numbers) + 1
    throw new RangeError(
      `${OWNER}: maxLockSeconds is too long: ${times} locks until it is reached, each forgotten in as long, must stay within 366 days.`,
    )
  }
  if (store) requireAtomic(OWNER, store)
  return options
}

function checkWhole(setting: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new RangeError(`${OWNER}: ${setting} must be a whole number from ${least} to ${most}.`)
  }
}
