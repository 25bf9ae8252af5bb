/** Who the caller is: the only identity type, on `c.var.principal`. */
export interface Principal {
  /** The scheme that proved it, such as `api-key`. */
  readonly scheme: string
  /** Who vouches for the id where the scheme knows several (a token's `iss`), else null. */
  readonly issuer: string | null
  /** The id within scheme and issuer. */
  readonly id: string
  /** What the principal may do, as the server's own record says; never what the request claims. */
  readonly scopes: readonly string[]
  /** Scheme, issuer and id in one text that no other principal shares. Limits, locks and logs use only this. */
  readonly key: string
}

/**
 * Makes a principal with its `key`: the three parts escaped and joined by `:`, so that two schemes' `alice` never meet.
 *
 * @throws {RangeError} when a part is no well-formed Unicode text or the id is empty.
 */
export function makePrincipal(parts: {
  readonly scheme: string
  readonly issuer?: string | null
  readonly id: string
  readonly scopes?: readonly string[]
}): Principal {
  const { scheme, issuer = null, id, scopes = [] } = parts
  for (const part of [scheme, issuer ?? '', id]) {
    if (!part.isWellFormed()) throw new RangeError('A principal is named by well-formed Unicode text.')
  }
  if (id === '') throw new RangeError('A principal needs an id.')
  const key = [scheme, issuer ?? '', id].map(encodeURIComponent).join(':')
  return Object.freeze({ scheme, issuer, id, scopes: Object.freeze([...scopes]), key })
}
