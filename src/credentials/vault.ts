import { fromBase64Url, fromHex, randomBytes, toHex } from '../bytes.ts'
import { type Clock, systemClock } from '../clock.ts'
import { aeadKey } from '../crypto/aead.ts'
import { hkdf } from '../crypto/kdf.ts'
import type { AtomicStore, Stored } from '../store/contract.ts'
import { type EnvelopeKey, openEnvelope, sealEnvelope } from './envelope.ts'

/** What {@link credentialVault} takes. */
export interface VaultOptions {
  readonly store: AtomicStore
  /** At least 32 random bytes, as hex or base64url: `openssl rand -hex 32`. */
  readonly secret?: string
  /** 16 random bytes, as hex: `openssl rand -hex 16`. */
  readonly salt?: string
  /**
   * Gives up keeping credentials over a restart: without secret and salt, both are drawn now and held in memory alone.
   * For development.
   */
  readonly forgetOnRestart?: boolean
  /** The runtime's clock unless told. */
  readonly clock?: Clock
}

/** A credential as lists show it. Its value is not in here. */
export interface CredentialSummary {
  readonly name: string
  /** The last four characters, for values of 16 and more; null for shorter ones. */
  readonly lastFour: string | null
  /** When it was stored, ms since the epoch. */
  readonly storedAt: number
}

/** Credentials of other services, encrypted at rest. */
export interface Vault {
  /** Encrypts and stores a value under a name, in the place of an older one. */
  store(name: string, value: string): Promise<void>
  /** The value of a name, null when there is none. Use it and let it go: keep it off the context, logs and answers. */
  open(name: string): Promise<string | null>
  /** What is stored, without any value. */
  list(): Promise<readonly CredentialSummary[]>
  /** Removes a credential; whether there was one. */
  delete(name: string): Promise<boolean>
}

const PARTITION = 'credentials'

/**
 * A vault over a store: AES-256-GCM under a key derived by HKDF-SHA-256 from secret and salt, a random nonce for every
 * write, each record bound to its name. The store sees envelopes, names and times alone.
 *
 * It does not protect against who can read the process's memory or its settings.
 *
 * @throws {TypeError} at start, naming each setting that is missing or weak, and how to make a good one.
 */
export function credentialVault(options: VaultOptions): Vault {
  const { store, clock = systemClock } = options
  const { secret, salt } = readKeyMaterial(options)
  let ready: EnvelopeKey | undefined
  // Two requests may both derive at first; neither waits for a promise of the other, which workerd would not allow.
  const key = async (): Promise<EnvelopeKey> => (ready ??= await deriveKey(secret, salt))

  return {
    async store(name, value) {
      const lastFour = value.length >= 16 ? value.slice(-4) : null
      const envelope = await sealEnvelope(await key(), name, JSON.stringify({ value, lastFour }))
      await store.set({ partition: PARTITION, name }, { envelope, storedAt: clock.now() }, null)
    },
    async open(name) {
      const stored = await store.get({ partition: PARTITION, name })
      return stored ? (await openRecord(await key(), name, stored)).value : null
    },
    async list() {
      const summaries: CredentialSummary[] = []
      let cursor: string | null = null
      do {
        const page = await store.list(PARTITION, '', cursor)
        for (const entry of page.entries) {
          const { lastFour, storedAt } = await openRecord(await key(), entry.name, entry)
          summaries.push({ name: entry.name, lastFour, storedAt })
        }
        cursor = page.cursor
      } while (cursor !== null)
      return summaries
    },
    async delete(name) {
      return (await store.take({ partition: PARTITION, name })) !== null
    },
  }
}

async function openRecord(
  key: EnvelopeKey,
  name: string,
  stored: Stored,
): Promise<{ value: string; lastFour: string | null; storedAt: number }> {
  const { envelope, storedAt } = stored.value as { envelope: string; storedAt: number }
  return { ...JSON.parse(await openEnvelope(key, name, envelope)), storedAt }
}

async function deriveKey(secret: Uint8Array<ArrayBuffer>, salt: Uint8Array<ArrayBuffer>): Promise<EnvelopeKey> {
  const raw = await hkdf(secret, salt, 'hinoban credential vault v1', 32)
  const kid = toHex(await hkdf(secret, salt, 'hinoban credential vault v1 key id', 4))
  const key = await aeadKey(raw)
  raw.fill(0)
  return { kid, key }
}

function readKeyMaterial({ secret, salt, forgetOnRestart }: VaultOptions): {
  secret: Uint8Array<ArrayBuffer>
  salt: Uint8Array<ArrayBuffer>
} {
  if (forgetOnRestart && secret === undefined && salt === undefined)
    return { secret: randomBytes(32), salt: randomBytes(16) }
  const secretBytes = secret === undefined ? null : decodeSecret(secret)
  const saltBytes = salt === undefined ? null : fromHex(salt)
  const faults = [
    secretBytes === null &&
      `secret ${secret === undefined ? 'is missing' : 'must be at least 32 random bytes in hex or base64url'} (make one: openssl rand -hex 32)`,
    saltBytes?.length !== 16 &&
      `salt ${salt === undefined ? 'is missing' : 'must be 16 bytes in hex'} (make one: openssl rand -hex 16)`,
  ].filter((fault) => fault !== false)
  if (secretBytes && saltBytes && faults.length === 0) return { secret: secretBytes, salt: saltBytes }
  throw new TypeError(`credentialVault(): ${faults.join('; ')}.`)
}

function decodeSecret(text: string): Uint8Array<ArrayBuffer> | null {
  const bytes =
    (/^[0-9a-f]+$/i.test(text) ? fromHex(text) : null) ??
    fromBase64Url(text.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_'))
  // 32 bytes that hold fewer than 8 different values were not drawn at random.
  return bytes && bytes.length >= 32 && new Set(bytes).size >= 8 ? bytes : null
}
