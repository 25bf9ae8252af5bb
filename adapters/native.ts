import { Buffer } from 'node:buffer'
import type { Platform } from '../src/platform.ts'

type Crypto = typeof import('node:crypto')

/** By 0 and 1. An engine may branch to make a boolean of a bit, and some processes show it by their time; to look it up does not. */
export const ANSWERS = [false, true] as const

let crypto: Crypto | undefined

/** Loaded by the first call: it takes Node longer than all of this package. */
function loaded(): Crypto {
  crypto ??= process.getBuiltinModule('node:crypto')
  return crypto
}

/** The runtime's own synchronous hash and comparison, which Node, Bun and Deno all have. */
export const nativeCrypto: Pick<Platform, 'sha256' | 'equal'> = {
  sha256: (text) => loaded().hash('sha256', text, 'hex'),
  equal(a, b) {
    const left = Buffer.from(a, 'utf8')
    const right = Buffer.from(b, 'utf8')
    if (left.length !== right.length) return false
    return ANSWERS[Number(loaded().timingSafeEqual(left, right))]!
  },
}
