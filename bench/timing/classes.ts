import { randomBytes } from '../../src/bytes.ts'

/** What a guess can be like. One that is said to be `again` is the same by another name: what tells them apart is noise. */
export const CLASSES = [
  'equal',
  'equal again',
  'first byte wrong',
  'last byte wrong',
  'random',
  'random again',
] as const
export type Class = (typeof CLASSES)[number]

const DIGITS = '0123456789abcdef'
/** Hex digits of a digest. */
const LENGTH = 64

/**
 * The text that a guess is held against, and the guess. Both are made alike whatever the class, by the same steps in the
 * same order, so that the engine keeps them in the same form.
 */
export function pair(of: Class): readonly [secret: string, guess: string] {
  const secret = digits()
  const guess = Uint8Array.from(of.startsWith('random') ? digits() : secret)
  const at = of === 'first byte wrong' ? 0 : LENGTH - 1
  const wrong = DIGITS.charCodeAt((DIGITS.indexOf(String.fromCharCode(guess[at]!)) + 1) & 15)
  if (of === 'first byte wrong' || of === 'last byte wrong') guess[at] = wrong
  return [text(secret), text(guess)]
}

function digits(): Uint8Array {
  return randomBytes(LENGTH).map((byte) => DIGITS.charCodeAt(byte & 15))
}

function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}
