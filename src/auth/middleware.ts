import type { Context, Env, MiddlewareHandler } from 'hono'
import { quotedString } from '../fields.ts'
import type { Kit } from '../kit.ts'
import type { KitOptions } from '../kit-base.ts'
import { layer, type StepAnswer } from '../layer.ts'
import type { Principal } from '../principal.ts'
import { SetupError } from '../setup-error.ts'
import { isPending } from '../store/contract.ts'
import { publicPathTest } from './public-paths.ts'
import type { Outcome, Refused, Scheme } from './scheme.ts'

/** What {@link authenticate} and {@link identify} take besides schemes; the parts of a kit where they stand alone. */
export interface AuthenticateOptions extends KitOptions {
  /** The `realm` of a 401. `api` unless told. */
  readonly realm?: string
}

/** Options that let some paths pass without a credential. */
export interface PublicPathsOptions extends AuthenticateOptions {
  /**
   * Paths that stay open: `/openapi.json` alone, `/health/*` for `/health` and all below, `GET /x` for one method. No
   * credential is looked at there, and `c.var.principal` is null. A sub-app that simply stands before `authenticate()` is plainer, where routes allow it.
   */
  readonly publicPaths: readonly string[]
}

/** The variables behind {@link authenticate}. */
export interface PrincipalEnv<P> extends Env {
  Variables: { principal: P }
}

/**
 * Lets in only who proves who they are: sets `c.var.principal`, or answers 401 (400 for two credentials at once). The
 * schemes are asked in order; the first that finds a credential of its own decides.
 *
 * @throws {TypeError} at start without a scheme, or for a bad public path.
 *
 * @example
 * const api = new Hono().use(authenticate(apiKeys({ keys }))).get('/me', (c) => c.text(c.var.principal.id))
 */
export function authenticate<P extends Principal>(
  schemes: Scheme<P> | readonly Scheme<P>[],
  options: PublicPathsOptions,
): MiddlewareHandler<PrincipalEnv<P | null>>
export function authenticate<P extends Principal>(
  schemes: Scheme<P> | readonly Scheme<P>[],
  options?: AuthenticateOptions,
): MiddlewareHandler<PrincipalEnv<P>>
export function authenticate<P extends Principal>(
  schemes: Scheme<P> | readonly Scheme<P>[],
  options: AuthenticateOptions & Partial<PublicPathsOptions> = {},
): MiddlewareHandler<PrincipalEnv<P | null>> {
  const isPublic = publicPathTest(options.publicPaths ?? [])
  return authLayer('authenticate()', schemes, options, { isPublic, admitsStrangers: false })
}

/**
 * Recognises callers without turning strangers away: `c.var.principal` is a principal or null. A credential that is sent
 * and not good is still refused with 401.
 */
export function identify<P extends Principal>(
  schemes: Scheme<P> | readonly Scheme<P>[],
  options: AuthenticateOptions = {},
): MiddlewareHandler<PrincipalEnv<P | null>> {
  return authLayer('identify()', schemes, options, { isPublic: () => false, admitsStrangers: true })
}

function authLayer<P extends Principal>(
  owner: string,
  given: Scheme<P> | readonly Scheme<P>[],
  options: AuthenticateOptions,
  policy: { readonly isPublic: (method: string, path: string) => boolean; readonly admitsStrangers: boolean },
): MiddlewareHandler<PrincipalEnv<P | null>> {
  const schemes = [given].flat() as readonly Scheme<P>[]
  if (schemes.length === 0) throw new TypeError(`${owner}: no scheme. Pass one, such as apiKeys({ keys }).`)
  const realm = quotedString(options.realm ?? 'api')
  const challenges = [...new Set(schemes.map((scheme) => scheme.challenge))]
  const hint = schemes.map((scheme) => scheme.hint).join(' Or: ')

  const answer = (kit: Kit, c: Context, outcome: Outcome<P>): Response | undefined => {
    if (outcome && 'principal' in outcome) {
      kit.principal = outcome.principal
      c.set('principal', outcome.principal)
      kit.emit({ type: 'auth.accepted', level: 'debug' })
      return undefined
    }
    if (!outcome && policy.admitsStrangers) {
      if (c.get('principal') === undefined) c.set('principal', null)
      return undefined
    }
    kit.emit({ type: 'auth.refused', level: 'warn', reason: outcome ? outcome.reason : 'missing' })
    return kit.refuse(refusal(outcome, challenges, realm, hint))
  }

  const ask = (kit: Kit, c: Context, i: number): StepAnswer => {
    const scheme = schemes[i]
    if (!scheme) return answer(kit, c, null)
    if (scheme.openIn) checkOpen(kit, scheme, owner)
    const outcome = scheme.authenticate(kit)
    if (isPending(outcome)) return outcome.then((settled) => (settled ? answer(kit, c, settled) : ask(kit, c, i + 1)))
    return outcome ? answer(kit, c, outcome) : ask(kit, c, i + 1)
  }

  return layer(owner, options, (kit, c) => {
    if (!policy.isPublic(kit.method, kit.path)) return ask(kit, c, 0)
    // Behind another authenticate() the principal stands, as its type says.
    if (c.get('principal') === undefined) c.set('principal', null)
    return undefined
  })
}

function refusal(outcome: Refused | null, challenges: readonly string[], realm: string, hint: string) {
  const challenge = (error: string): string => challenges.map((name) => `${name} realm=${realm}${error}`).join(', ')
  if (!outcome) {
    return {
      code: 'auth.missing',
      detail: `This needs a credential, and none that it knows was sent. ${hint}`,
      headers: { 'www-authenticate': challenge('') },
    } as const
  }
  if (outcome.refused === 'ambiguous') {
    return { code: 'auth.ambiguous', detail: 'The request carries more than one credential. Send one.' } as const
  }
  // RFC 6750 section 3.1: an error code only where a credential was sent.
  const headers = { 'www-authenticate': challenge(', error="invalid_token"') }
  return { code: 'auth.invalid', detail: 'The credential that was sent is not valid.', headers } as const
}

function checkOpen(kit: Kit, scheme: Scheme, owner: string): void {
  if (kit.base.mode === scheme.openIn) return
  throw new SetupError(
    `${owner}: openWithoutKeys is for development alone. Configure keys, or give security() mode: 'development' too.`,
  )
}
