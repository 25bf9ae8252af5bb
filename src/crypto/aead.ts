import { randomBytes } from '../bytes.ts'

/** Bytes of a nonce in what we write. */
export const NONCE_BYTES = 12
/** Bytes of the authentication tag, at the end of every ciphertext. */
export const TAG_BYTES = 16

/** What {@link seal} makes: a fresh random nonce, and the ciphertext with its tag. */
export interface Sealed {
  readonly nonce: Uint8Array<ArrayBuffer>
  readonly ciphertext: Uint8Array<ArrayBuffer>
}

/** Why nothing could be opened: another key, another name, or a changed byte. It does not say which. */
export class OpenError extends Error {
  override readonly name = 'OpenError'
}

/** An AES-256 key for GCM that cannot be read out again. @throws {RangeError} unless given 32 bytes. */
export async function aeadKey(raw: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  if (raw.length !== 32) throw new RangeError('An AES-256 key has 32 bytes.')
  return crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt'])
}

/**
 * Encrypts by AES-256-GCM (NIST SP 800-38D) under a random 96-bit nonce. One key must not seal more than 2^32 times.
 *
 * @param aad what is not secret but must not change: opening asks for the same bytes
 */
export async function seal(
  key: CryptoKey,
  plaintext: Uint8Array<ArrayBuffer>,
  aad: Uint8Array<ArrayBuffer>,
): Promise<Sealed> {
  const nonce = randomBytes(NONCE_BYTES)
  const ciphertext = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce, additionalData: aad }, key, plaintext)
  return { nonce, ciphertext: new Uint8Array(ciphertext) }
}

/**
 * Opens what {@link seal} made. Also takes 16-byte nonces, which others write.
 *
 * @throws {OpenError} when key, aad, nonce or ciphertext are not those of the sealing: one error for all.
 */
export async function open(
  key: CryptoKey,
  sealed: Sealed,
  aad: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const { nonce, ciphertext } = sealed
  if ((nonce.length !== NONCE_BYTES && nonce.length !== 16) || ciphertext.length < TAG_BYTES)
    throw new OpenError('Sealed data is malformed.')
  try {
    const params = { name: 'AES-GCM', iv: nonce, additionalData: aad }
    return new Uint8Array(await crypto.subtle.decrypt(params, key, ciphertext))
  } catch {
    throw new OpenError('Sealed data could not be opened.')
  }
}
