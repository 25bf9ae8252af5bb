/** HTTP grammar: the few rules that headers are written and read by. */

const TOKEN68 = /^[A-Za-z0-9._~+/-]+=*$/
const PLAIN = /^[\w.:-]*$/
const VISIBLE = /^[\x20-\x7e]*$/

/**
 * A quoted-string (RFC 9110 section 5.6.4).
 *
 * @throws {RangeError} for anything but printable ASCII, so that no line break can leave the header.
 */
export function quotedString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  if (!VISIBLE.test(text)) throw new RangeError('A header value holds printable ASCII only.')
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** What an `Authorization` header holds for the scheme Bearer (RFC 6750 section 2.1; the scheme's case is free). */
export type BearerField =
  | { readonly kind: 'absent' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'token'; readonly token: string }

/** Reads a Bearer token. Another scheme is `absent`: not ours; a Bearer without one clean token is `malformed`. */
export function bearerToken(authorization: string | null): BearerField {
  if (authorization === null || !/^bearer(?![^\s,])/i.test(authorization)) return { kind: 'absent' }
  const token = authorization.slice(7)
  return authorization[6] === ' ' && TOKEN68.test(token) ? { kind: 'token', token } : { kind: 'malformed' }
}

/** A host and port, lower case, without the scheme's default port; null for what is no authority. */
export function normalAuthority(authority: string, scheme: string): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/.exec(authority.toLowerCase())
  if (!match) return null
  const port = match[2] === undefined ? '' : String(Number(match[2]))
  const standard = scheme === 'https:' ? '443' : '80'
  return port === '' || port === standard ? match[1]! : `${match[1]}:${port}`
}

/** {@link requestAuthority}, which remembers the last answer: most requests of an app name one host. */
export class AuthorityReader {
  /** What the last URL began with, up to the path; '' for none. */
  #origin = ''
  #host: string | null = null
  #authority: string | null = null

  of(url: string, host: string | null): string | null {
    if (this.#origin !== '' && host === this.#host && url.startsWith(this.#origin)) return this.#authority
    const colon = url.indexOf('://')
    const origin = url.slice(0, url.indexOf('/', colon + 3) + 1)
    this.#origin = colon < 0 || /[?#]/.test(origin) ? '' : origin
    this.#host = host
    this.#authority = requestAuthority(url, host)
    return this.#authority
  }
}

/** The host of an authority, without its port. */
export function hostOf(authority: string): string {
  return authority.replace(/:\d+$/, '')
}

/**
 * The one authority of a request: what its URL names, which must be what `Host` names (a request in absolute form may
 * carry two, and runtimes differ in which they read). Null when they disagree or are no authority.
 *
 * @param url the request's URL
 * @param host the `Host` header, null where the runtime gives none (HTTP/2, tests)
 */
export function requestAuthority(url: string, host: string | null): string | null {
  const colon = url.indexOf('://')
  const scheme = url.slice(0, colon + 1)
  const end = url.slice(colon + 3).search(/[/?#]/)
  const named = normalAuthority(end < 0 ? url.slice(colon + 3) : url.slice(colon + 3, colon + 3 + end), scheme)
  if (named === null || host === null) return named
  return normalAuthority(host, scheme) === named ? named : null
}
