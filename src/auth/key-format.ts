import { randomBytes, utf8 } from '../bytes.ts'
import { sha256Hex } from '../crypto/hash.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const SECRET_LENGTH = 43
const CHECKSUM_LENGTH = 6
const KEY = /^([a-z][a-z0-9]{1,15})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/

/** What our own keys begin with, so that a scanner can spot a leaked one. */
export const API_KEY_PREFIX = 'hnb'

/**
 * Makes an API key: `prefix_`, 256 random bits as 43 base62 characters, and a CRC-32 of what precedes it as 6. Show it
 * once; keep only {@link digestApiKey} of it.
 *
 * @param prefix 2 to 16 lower-case letters and digits, `hnb` unless told: your own name helps a scanner
 * @throws {RangeError} for another prefix.
 */
export function makeApiKey(prefix: string = API_KEY_PREFIX): string {
  if (!/^[a-z][a-z0-9]{1,15}$/.test(prefix))
    throw new RangeError('An API key prefix is 2 to 16 lower-case letters and digits, a letter first.')
  let number = 0n
  for (const byte of randomBytes(32)) number = (number << 8n) | BigInt(byte)
  const body = `${prefix}_${base62(number, SECRET_LENGTH)}`
  return body + checksum(body)
}

/** The SHA-256 of a key as 64 hex digits: what is configured and stored in its place. */
export function digestApiKey(key: string): string {
  return sha256Hex(key)
}

/**
 * Tells a typo from a wrong key, without a look-up: `valid` when the checksum agrees, `mistyped` when the text has the
 * shape of a key but not its checksum, `foreign` for anything else.
 */
export function checkApiKey(text: string): 'valid' | 'mistyped' | 'foreign' {
  if (!KEY.test(text)) return 'foreign'
  const body = text.slice(0, -CHECKSUM_LENGTH)
  return text.endsWith(checksum(body)) ? 'valid' : 'mistyped'
}

function checksum(text: string): string {
  return base62(BigInt(crc32(utf8(text))), CHECKSUM_LENGTH)
}

function base62(number: bigint, length: number): string {
  let out = ''
  for (let rest = number; out.length < length; rest /= 62n) out = ALPHABET[Number(rest % 62n)]! + out
  return out
}

/** CRC-32 (ISO-HDLC, as in zlib), bit by bit: 50 bytes need no table. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}
