import { fromBase64Url, fromHex, toBase64Url, utf8 } from '../bytes.ts'
import { aeadKey, NONCE_BYTES, OpenError, open, type Sealed, seal, TAG_BYTES } from '../crypto/aead.ts'
import { pbkdf2 } from '../crypto/kdf.ts'

/** A key and the id by which envelopes name it. */
export interface EnvelopeKey {
  /** 8 hex digits. */
  readonly kid: string
  readonly key: CryptoKey
}

const VERSION = 'hnb1'
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Encrypts a text for storage under a name: `hnb1.<kid>.<nonce>.<ciphertext and tag>`, the last two base64url. Version,
 * key id and name are authenticated, so an envelope moved to another name does not open.
 */
export async function sealEnvelope(key: EnvelopeKey, name: string, plaintext: string): Promise<string> {
  const sealed = await seal(key.key, utf8(plaintext), aad(key.kid, name))
  return [VERSION, key.kid, toBase64Url(sealed.nonce), toBase64Url(sealed.ciphertext)].join('.')
}

/**
 * The text of an envelope that was sealed under this name with this key.
 *
 * @throws {OpenError} for anything else: one error, whatever was wrong.
 */
export async function openEnvelope(key: EnvelopeKey, name: string, envelope: string): Promise<string> {
  const [version, kid, nonceText = '', ciphertextText = '', ...more] = envelope.split('.')
  const nonce = fromBase64Url(nonceText)
  const ciphertext = fromBase64Url(ciphertextText)
  if (
    version !== VERSION ||
    kid !== key.kid ||
    !nonce ||
    nonce.length !== NONCE_BYTES ||
    !ciphertext ||
    more.length > 0
  ) {
    throw new OpenError('Sealed data could not be opened.')
  }
  return decoder.decode(await open(key.key, { nonce, ciphertext }, aad(key.kid, name)))
}

/** How a seed (agtOS) sealed: AES-256-GCM, key by PBKDF2 from a passphrase, random 16-byte IV, no additional data. */
export interface SeedLayout {
  readonly passphrase: string
  /** 16 bytes in hex. */
  readonly saltHex: string
  /** 100,000 unless told. */
  readonly iterations?: number
  /** The hash of PBKDF2. `SHA-256` unless told. */
  readonly hash?: 'SHA-256' | 'SHA-512'
  /** 16 bytes in hex. */
  readonly ivHex: string
  /** 16 bytes in hex. */
  readonly tagHex: string
  readonly ciphertextHex: string
}

/**
 * Reads data that agtOS sealed, to take it over: nothing is ever written so, as 100,000 iterations are weak today.
 *
 * @throws {OpenError} when it does not open. @throws {RangeError} for more than 2,000,000 iterations.
 */
export async function openSeedLayout(data: SeedLayout): Promise<string> {
  const salt = fromHex(data.saltHex)
  const sealed = seedSealed(data)
  if (salt?.length !== 16 || !sealed) throw new OpenError('Sealed data is malformed.')
  const key = await aeadKey(await pbkdf2(data.passphrase, salt, data.iterations ?? 100_000, data.hash))
  return decoder.decode(await open(key, sealed, new Uint8Array()))
}

function seedSealed({ ivHex, tagHex, ciphertextHex }: SeedLayout): Sealed | null {
  const nonce = fromHex(ivHex)
  const tag = fromHex(tagHex)
  const body = fromHex(ciphertextHex)
  if (nonce?.length !== 16 || tag?.length !== TAG_BYTES || !body) return null
  const ciphertext = new Uint8Array(body.length + tag.length)
  ciphertext.set(body)
  ciphertext.set(tag, body.length)
  return { nonce, ciphertext }
}

function aad(kid: string, name: string): Uint8Array<ArrayBuffer> {
  return utf8(`${VERSION}.${kid}.${name}`)
}
