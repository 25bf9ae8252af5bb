import type { Exchange } from '../exchange.ts'
import type { Mode } from '../kit-base.ts'
import type { Principal } from '../principal.ts'
import type { Awaitable } from '../store/contract.ts'

/** A credential was sent, and is not good. The reason goes to the event alone. */
export interface Refused {
  readonly refused: 'invalid' | 'ambiguous'
  /** Why, for the log: such as `unknown_key`, `checksum`, `expired`. Never any part of the credential. */
  readonly reason: string
}

/**
 * What a scheme says of a request: null (no credential of mine here, ask the next), a principal, or a refusal (mine, and
 * not good: nobody else is asked). When it cannot find out, it throws.
 */
export type Outcome<P extends Principal = Principal> = null | { readonly principal: P } | Refused

/** One way to prove who you are. Anyone may write one: two names and a function. */
export interface Scheme<P extends Principal = Principal> {
  /** The `scheme` of its principals. */
  readonly name: string
  /** What a 401 offers in `WWW-Authenticate`, such as `Bearer`. */
  readonly challenge: string
  /** Set by a scheme that lets everybody in: allowed in this mode alone. */
  readonly openIn?: Mode
  /** What a caller without a credential is told. */
  readonly hint: string
  authenticate(exchange: Exchange): Awaitable<Outcome<P>>
}
