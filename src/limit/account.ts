import { sha256Hex } from '../crypto/hash.ts'

/** No account is named by more; such a text is not folded, as that would cost more than its client is worth. */
const MAX_UNITS = 1024
/** Marks, format and control characters, every kind of space, and what is drawn as nothing. */
const UNSEEN = /[\p{M}\p{Cf}\p{Cc}\p{Z}\p{Default_Ignorable_Code_Point}]/gu
/** The full stop that domain names may be typed with in East Asia (UTS #46); NFKD turns its half-width form into it. */
const IDEOGRAPHIC_STOP = /\u3002/g

/**
 * One text for all spellings of an account's name that a database or a mail server may take for the same: composed or
 * not, full-width or not, upper or lower case (Turkish dotted and dotless i are one), with or without accents, spaces,
 * invisible and bidirectional characters, and dots at the end. Look-alikes of another script stay apart, and so do
 * `xn--` domains from what they stand for. A text of over 1,024 units is taken as it is, by its digest.
 *
 * Keep it in a unique column beside the name, so that no two accounts of yours differ in nothing else. Never show it,
 * send to it, or fold a password.
 *
 * @example
 * foldAccount(' Ｂｏｂ＠example.com.') === 'bob@example.com'
 */
export function foldAccount(account: string): string {
  if (account.length > MAX_UNITS) return `~${sha256Hex(account.toWellFormed())}`
  // By way of the small letters: a capital sharp s has no other capital. And back from capitals, stripped before, so that
  // whether a sigma ends a word does not hang on what is not seen.
  const capitals = account.toWellFormed().normalize('NFKD').toLowerCase().toUpperCase()
  const folded = capitals.replace(UNSEEN, '').replace(IDEOGRAPHIC_STOP, '.').toLowerCase()
  let end = folded.length
  while (folded[end - 1] === '.') end--
  return folded.slice(0, end)
}
