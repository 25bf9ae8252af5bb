import { sha256 } from '@noble/hashes/sha2.js'
import { toHex, utf8 } from '../bytes.ts'

/**
 * SHA-256 of a text's UTF-8 bytes as 64 lower-case hex digits, without a promise. Portable; a platform's native hash is
 * faster and gives the same digits (FIPS 180-4).
 */
export function sha256Hex(text: string): string {
  return toHex(sha256(utf8(text)))
}
