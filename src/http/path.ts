// Unreserved characters (RFC 3986 section 2.3) need no encoding; encoded, they only serve to slip past a match.
const UNRESERVED = /[A-Za-z0-9._~-]/
/** What most URLs are: an authority, and a path whose segments are of unreserved characters and begin with no dot. */
const PLAIN_URL = /^https?:\/\/[\w.:[\]-]+\/(?:[\w~-][\w.~-]*(?:\/[\w~-][\w.~-]*)*\/?)?(?:\?|$)/
/** An authority, and the raw path, before any decoding, without query or fragment. */
const URL_PARTS = /^https?:\/\/[^/?#\\]+([^?#]*)/
const CONTROL_OR_BACKSLASH = /[\u0000-\u0020\u007f\\]/

/**
 * Why the URL of a request is not taken, or null where it is: it names no authority, or its path is not canonical, as
 * {@link pathFault} tells.
 */
export function urlFault(url: string): string | null {
  if (PLAIN_URL.test(url)) return null
  // HTTP/1.0 without Host leaves Bun's URL without one, and the path would be read as it.
  const parts = URL_PARTS.exec(url)
  if (!parts) return 'no_authority'
  // Deno gives an absolute-form target as it came. Where it has no path, Hono would find one behind the first slash: in the query.
  return parts[1] ? pathFault(parts[1]) : 'not_absolute'
}

/**
 * Why a raw request path is not canonical, or null when it is. Two spellings of one path are how a guard and a router come
 * to disagree, so every doubtful one is refused: `//`, `.` and `..` segments, encoded `/`, `\`, `%` and unreserved
 * characters, control characters, broken escapes and broken UTF-8. Upper and lower hex digits, a trailing slash and
 * encoded UTF-8 are fine.
 *
 * @param path the raw path, before any decoding, without query
 */
export function pathFault(path: string): string | null {
  if (path.charCodeAt(0) !== 47) return 'not_absolute'
  if (path.includes('//')) return 'empty_segment'
  if (CONTROL_OR_BACKSLASH.test(path)) return 'control_or_backslash'
  if (path.includes('/.') && /\/\.{1,2}(?:\/|$)/.test(path)) return 'dot_segment'
  return path.includes('%') ? escapeFault(path) : null
}

function escapeFault(path: string): string | null {
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    return 'broken_escape'
  }
  if (/[\u0000-\u001f\u007f-\u009f]/.test(decoded)) return 'encoded_control'
  for (const [triplet] of path.matchAll(/%[0-9A-Fa-f]{2}/g)) {
    const char = String.fromCharCode(Number.parseInt(triplet.slice(1), 16))
    if (char === '/' || char === '\\') return 'encoded_slash'
    if (char === '%') return 'double_encoding'
    if (UNRESERVED.test(char)) return 'encoded_unreserved'
  }
  return null
}
