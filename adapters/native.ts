import { Buffer } from 'node:buffer'
import { hash, timingSafeEqual } from 'node:crypto'
import type { Platform } from '../src/platform.ts'

/** The runtime's own synchronous hash and comparison, which Node, Bun and Deno all have. */
export const nativeCrypto: Pick<Platform, 'sha256' | 'equal'> = {
  sha256: (text) => hash('sha256', text, 'hex'),
  equal(a, b) {
    const left = Buffer.from(a, 'utf8')
    const right = Buffer.from(b, 'utf8')
    return left.length === right.length && timingSafeEqual(left, right)
  },
}
