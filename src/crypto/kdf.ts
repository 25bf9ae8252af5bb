import { utf8 } from '../bytes.ts'

/** PBKDF2-SHA-256 iterations for new data (OWASP, 2023). */
export const PBKDF2_ITERATIONS = 600_000
/** The most iterations that are believed of stored data: more would only keep the server busy. */
export const MAX_PBKDF2_ITERATIONS = 2_000_000

/**
 * Bytes from a secret by HKDF-SHA-256 (RFC 5869). For secrets that a machine made, of at least 32 random bytes; never for
 * passwords.
 *
 * @param info what the bytes are for: other purposes get unrelated bytes
 * @param length how many bytes
 */
export async function hkdf(
  secret: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
  info: string,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits'])
  const params = { name: 'HKDF', hash: 'SHA-256', salt, info: utf8(info) }
  return new Uint8Array(await crypto.subtle.deriveBits(params, key, length * 8))
}

/**
 * 32 bytes from a passphrase by PBKDF2 (RFC 8018). Production Workers run at most 100,000 iterations.
 *
 * @throws {RangeError} for a count that is no whole number from 1 to 2,000,000.
 */
export async function pbkdf2(
  passphrase: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
  hash: 'SHA-256' | 'SHA-512' = 'SHA-256',
): Promise<Uint8Array<ArrayBuffer>> {
  if (!Number.isSafeInteger(iterations) || iterations < 1 || iterations > MAX_PBKDF2_ITERATIONS) {
    throw new RangeError(`PBKDF2 iterations must be a whole number from 1 to ${MAX_PBKDF2_ITERATIONS}.`)
  }
  const key = await crypto.subtle.importKey('raw', utf8(passphrase), 'PBKDF2', false, ['deriveBits'])
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash, salt, iterations }, key, 256))
}
