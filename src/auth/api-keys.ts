import { sha256Hex } from '../crypto/hash.ts'
import type { Exchange } from '../exchange.ts'
import { bearerToken } from '../fields.ts'
import type { Mode } from '../kit-base.ts'
import { makePrincipal, type Principal } from '../principal.ts'
import { Recent } from '../recent.ts'
import { checkApiKey } from './key-format.ts'
import type { Outcome, Scheme } from './scheme.ts'

/** One key, as the server knows it. The key itself is never kept. */
export interface ApiKeyRecord {
  /** The principal's id. */
  readonly id: string
  /** SHA-256 of the key, 64 hex digits: see `digestApiKey()`. */
  readonly digest: string
  /** What the key may do. Nothing beyond being let in unless told. */
  readonly scopes?: readonly string[]
}

/** What {@link apiKeys} takes. */
export interface ApiKeysOptions {
  /** The keys that are let in: records, or bare digests (the id is then `key-` and the digest's first 8 digits). */
  readonly keys: readonly (string | ApiKeyRecord)[]
  /**
   * Gives up authentication: with no keys, everybody is let in as `anonymous`. Needs `mode: 'development'` and `log`, where
   * it is said once; a request of an app whose `security()` is in production is answered 500.
   */
  readonly openWithoutKeys?: boolean
  /** `production` unless told. */
  readonly mode?: Mode
  /**
   * Gives up that no key is kept: so many keys that were let in last, up to twice as many at times, stay in this process's
   * memory as they were sent (a key that is sent in two ways counts twice), and are not hashed again. They are found by the engine's own look-up, which is not made to take
   * the same time for every guess. 0 unless told. Worth some microseconds a request on Workers, less elsewhere.
   */
  readonly keepKeysInMemory?: number
  /** Takes the line that says what `openWithoutKeys` gives up, such as a platform's `log`. */
  readonly log?: (line: string) => void
}

const MAX_KEY_LENGTH = 512

/**
 * API keys by `Authorization: Bearer <key>` or `X-API-Key: <key>`. Only digests are compared, in constant time. A request
 * that brings `X-API-Key` beside any `Authorization` is refused as ambiguous.
 *
 * @throws {TypeError} at start: without keys (unless `openWithoutKeys`), for what is no digest, for a digest or id twice.
 *
 * @example
 * authenticate(apiKeys({ keys: [{ id: 'ci', digest: '9f86…0a08', scopes: ['audit:read'] }] }))
 */
export function apiKeys(options: ApiKeysOptions): Scheme {
  const { keys, openWithoutKeys = false, keepKeysInMemory = 0, mode = 'production', log } = options
  if (!Number.isSafeInteger(keepKeysInMemory) || keepKeysInMemory < 0) {
    throw new TypeError('apiKeys(): keepKeysInMemory must be a whole number of keys, 0 or more.')
  }
  if (!Array.isArray(keys)) throw new TypeError('apiKeys(): keys must be a list of digests or records.')
  const known = index(keys)
  if (known.size === 0 && !openWithoutKeys) {
    throw new TypeError(
      'apiKeys(): keys is empty. Make a key with makeApiKey(), keep it, and pass digestApiKey(key); for development alone there is openWithoutKeys: true.',
    )
  }
  const scheme = {
    name: 'api-key',
    challenge: 'Bearer',
    hint: 'Send an API key as "Authorization: Bearer <key>" or "X-API-Key: <key>".',
  }
  if (known.size === 0) {
    if (mode !== 'development' || !log) {
      throw new TypeError(
        "apiKeys(): openWithoutKeys is for development alone and must be said: give mode: 'development' and log: platform.log.",
      )
    }
    log('Hinoban: no API keys are set, so EVERYBODY is let in. This is for development alone.')
    const anonymous = { principal: makePrincipal({ scheme: scheme.name, id: 'anonymous' }) }
    return { ...scheme, openIn: 'development', authenticate: () => anonymous }
  }
  const kept = keepKeysInMemory > 0 ? new Recent<Accepted>(keepKeysInMemory) : null
  return { ...scheme, authenticate: (exchange) => lookUp(exchange, known, kept) }
}

interface Accepted {
  readonly principal: Principal
}

interface KnownKey {
  readonly digest: string
  readonly accepted: Accepted
}

function lookUp(exchange: Exchange, known: ReadonlyMap<string, KnownKey>, kept: Recent<Accepted> | null): Outcome {
  const authorization = exchange.header('authorization')
  const apiKey = exchange.header('x-api-key')
  // No header holds a line break, so what was sent in one is never taken for what was sent in the other.
  const sent = apiKey === null ? authorization : authorization === null ? `\n${apiKey}` : null
  const seen = sent === null ? undefined : kept?.get(sent)
  if (seen) return seen
  const bearer = bearerToken(authorization)
  if (bearer.kind === 'absent' && apiKey === null) return null
  if (authorization !== null && apiKey !== null) return { refused: 'ambiguous', reason: 'two_headers' }
  if (bearer.kind === 'malformed') return { refused: 'invalid', reason: 'malformed' }
  const key = bearer.kind === 'token' ? bearer.token : apiKey!
  if (key === '' || key.length > MAX_KEY_LENGTH) return { refused: 'invalid', reason: 'malformed' }
  const digest = exchange.sha256(key)
  const found = known.get(digest)
  // This look-up is by a digest, which tells an attacker nothing of the key; the comparison holds that in any engine's Map.
  if (found && exchange.equal(digest, found.digest)) {
    if (sent !== null) kept?.set(sent, found.accepted)
    return found.accepted
  }
  return { refused: 'invalid', reason: checkApiKey(key) === 'mistyped' ? 'checksum' : 'unknown_key' }
}

function index(keys: readonly (string | ApiKeyRecord)[]): ReadonlyMap<string, KnownKey> {
  const known = new Map<string, KnownKey>()
  const ids = new Set<string>()
  const emptyDigest = sha256Hex('')
  for (const [i, entry] of keys.entries()) {
    const record = typeof entry === 'string' ? { id: '', digest: entry } : entry
    const digest = typeof record?.digest === 'string' ? record.digest.toLowerCase() : ''
    if (!/^[0-9a-f]{64}$/.test(digest)) {
      throw new TypeError(
        `apiKeys(): keys[${i}] is no SHA-256 digest (64 hex digits). Never configure the key itself: pass digestApiKey(key).`,
      )
    }
    if (digest === emptyDigest) throw new TypeError(`apiKeys(): keys[${i}] is the digest of an empty key.`)
    const id = record.id || `key-${digest.slice(0, 8)}`
    if (known.has(digest) || ids.has(id)) throw new TypeError(`apiKeys(): keys[${i}] repeats an id or digest.`)
    ids.add(id)
    const principal = makePrincipal({ scheme: 'api-key', id, scopes: record.scopes ?? [] })
    known.set(digest, { digest, accepted: { principal } })
  }
  return known
}
