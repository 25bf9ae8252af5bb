import { fromBase64Url, fromHex } from '../bytes.ts'

/** A secret and a salt as settings hold them. */
export interface KeyMaterial {
  /** At least 32 random bytes, as hex or base64url: `openssl rand -hex 32`. */
  readonly secret: string
  /** 16 random bytes, as hex: `openssl rand -hex 16`. */
  readonly salt: string
}

/** The bytes of a {@link KeyMaterial}. */
export interface KeyBytes {
  readonly secret: Uint8Array<ArrayBuffer>
  readonly salt: Uint8Array<ArrayBuffer>
}

/**
 * Reads a secret and a salt.
 *
 * @param owner how the message names who asks, such as `credentialVault()`
 * @throws {TypeError} naming each that is missing or weak, and how to make a good one; it repeats neither
 */
export function readKeyMaterial(owner: string, { secret, salt }: Partial<KeyMaterial>): KeyBytes {
  const secretBytes = secret === undefined ? null : decodeSecret(secret)
  const saltBytes = salt === undefined ? null : fromHex(salt)
  const faults = [
    secretBytes === null &&
      `secret ${secret === undefined ? 'is missing' : 'must be at least 32 random bytes in hex or base64url'} (make one: openssl rand -hex 32)`,
    saltBytes?.length !== 16 &&
      `salt ${salt === undefined ? 'is missing' : 'must be 16 bytes in hex'} (make one: openssl rand -hex 16)`,
  ].filter((fault) => fault !== false)
  if (secretBytes && saltBytes && faults.length === 0) return { secret: secretBytes, salt: saltBytes }
  throw new TypeError(`${owner}: ${faults.join('; ')}.`)
}

function decodeSecret(text: string): Uint8Array<ArrayBuffer> | null {
  const bytes =
    (/^[0-9a-f]+$/i.test(text) ? fromHex(text) : null) ??
    fromBase64Url(text.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_'))
  // 32 random bytes hold some 30 different values; those with fewer than 16 were typed, not drawn.
  return bytes && bytes.length >= 32 && new Set(bytes).size >= 16 ? bytes : null
}
