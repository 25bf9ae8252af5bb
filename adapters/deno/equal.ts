import { Buffer } from 'node:buffer'
import { ANSWERS } from '../native.ts'

/**
 * `equal()` of the platform. Deno's own `timingSafeEqual` is such a loop as well, in JavaScript, but branches on what it found,
 * which some processes show by their time. Here the answer is looked up: no branch depends on what the texts hold.
 */
export function equal(a: string, b: string): boolean {
  const left = Buffer.from(a, 'utf8')
  const right = Buffer.from(b, 'utf8')
  if (left.length !== right.length) return false
  let difference = 0
  for (let i = 0; i < left.length; i++) difference |= left[i]! ^ right[i]!
  // The top bit: 1 where there is no difference, as of -1, and 0 where there is one.
  return ANSWERS[(difference - 1) >>> 31]!
}
