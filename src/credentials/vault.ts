import { randomBytes, toHex } from '../bytes.ts'
import { type Clock, systemClock } from '../clock.ts'
import { aeadKey, OpenError } from '../crypto/aead.ts'
import { hkdf } from '../crypto/kdf.ts'
import { type KeyBytes, readKeyMaterial } from '../crypto/key-material.ts'
import type { Mode } from '../kit-base.ts'
import type { AtomicStore, Listed, Stored } from '../store/contract.ts'
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
   * Needs `mode: 'development'` and `log`, where it is said once.
   */
  readonly forgetOnRestart?: boolean
  /** `production` unless told. */
  readonly mode?: Mode
  /** Takes the line that says what `forgetOnRestart` gives up, such as a platform's `log`. */
  readonly log?: (line: string) => void
  /** The runtime's clock unless told. */
  readonly clock?: Clock
}

/** A credential as lists show it. Its value is not in here. */
export interface CredentialSummary {
  readonly name: string
  /** The last four characters, for values of 16 and more; null for shorter ones. */
  readonly lastFour: string | null
  /** When it was stored, ms since the epoch; null where the record does not open. */
  readonly storedAt: number | null
  /** False for a record that does not open with this vault's secret and salt: store it anew, or delete it. */
  readonly readable: boolean
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
  const { secret, salt } = keyBytesOf(options)
  let ready: EnvelopeKey | undefined
  // Two requests may both derive at first; neither waits for a promise of the other, which workerd would not allow.
  const key = async (): Promise<EnvelopeKey> => (ready ??= await deriveKey(secret, salt))

  return {
    async store(name, value) {
      if (typeof value !== 'string') throw new TypeError('A credential is a text.')
      const lastFour = value.length >= 16 ? value.slice(-4) : null
      const opened: Opened = { value, lastFour, storedAt: clock.now() }
      await store.set(
        { partition: PARTITION, name },
        await sealEnvelope(await key(), name, JSON.stringify(opened)),
        null,
      )
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
        for (const entry of page.entries) summaries.push(await summaryOf(await key(), entry))
        cursor = page.cursor
      } while (cursor !== null)
      return summaries
    },
    async delete(name) {
      return (await store.take({ partition: PARTITION, name })) !== null
    },
  }
}

/** What an envelope holds. */
interface Opened {
  readonly value: string
  readonly lastFour: string | null
  readonly storedAt: number
}

async function openRecord(key: EnvelopeKey, name: string, stored: Stored): Promise<Opened> {
  if (typeof stored.value !== 'string') throw new OpenError('Sealed data is malformed.')
  return JSON.parse(await openEnvelope(key, name, stored.value)) as Opened
}

async function summaryOf(key: EnvelopeKey, entry: Listed): Promise<CredentialSummary> {
  try {
    const { lastFour, storedAt } = await openRecord(key, entry.name, entry)
    return { name: entry.name, lastFour, storedAt, readable: true }
  } catch (error) {
    if (!(error instanceof OpenError)) throw error
    return { name: entry.name, lastFour: null, storedAt: null, readable: false }
  }
}

async function deriveKey(secret: Uint8Array<ArrayBuffer>, salt: Uint8Array<ArrayBuffer>): Promise<EnvelopeKey> {
  const raw = await hkdf(secret, salt, 'hinoban credential vault v1', 32)
  const kid = toHex(await hkdf(secret, salt, 'hinoban credential vault v1 key id', 4))
  const key = await aeadKey(raw)
  raw.fill(0)
  return { kid, key }
}

function keyBytesOf(options: VaultOptions): KeyBytes {
  const { secret, salt, forgetOnRestart, mode = 'production', log } = options
  if (!forgetOnRestart || secret !== undefined || salt !== undefined) {
    return readKeyMaterial('credentialVault()', options)
  }
  if (mode !== 'development' || !log) {
    throw new TypeError(
      "credentialVault(): forgetOnRestart is for development alone and must be said: give mode: 'development' and log: platform.log.",
    )
  }
  log('Hinoban: no credential secret and salt are set, so stored credentials last only until this process ends.')
  return { secret: randomBytes(32), salt: randomBytes(16) }
}
