import type { Env, MiddlewareHandler } from 'hono'
import { normalAuthority } from '../fields.ts'
import type { KitOptions } from '../kit-base.ts'
import { layer } from '../layer.ts'
import { LOOPBACK_HOSTS, localFault } from './local.ts'

/** What {@link localOnly} takes besides the parts of a kit. */
export interface LocalOnlyOptions extends KitOptions {
  /** Further host names by which this machine's own programs call the app, besides `localhost`, `127.0.0.1` and `[::1]`. */
  readonly hosts?: readonly string[]
  /** Origins whose pages may call all the same, such as a desktop shell's `tauri://localhost`. None unless told. */
  readonly origins?: readonly string[]
}

/**
 * Lets through only what a program on this machine sends straight to the app; everything else gets 403, and on Workers
 * that is everyone. A web page that the user visits is not let through, nor is anything with a forwarding header. A proxy
 * or tunnel on this machine that adds none and calls by a loopback name looks like a local program; and nothing is said of
 * who the caller is: keep `authenticate()` before it.
 *
 * @example
 * api.post('/credentials', localOnly(), validate('json', Credential), store)
 */
export function localOnly(options: LocalOnlyOptions = {}): MiddlewareHandler<Env> {
  const hosts = [...LOOPBACK_HOSTS, ...(options.hosts ?? [])]
  const origins = options.origins ?? []
  for (const host of hosts) {
    if (normalAuthority(host, 'http:') !== host)
      throw new TypeError(`localOnly(): hosts holds ${JSON.stringify(host)}; write lower-case host names without port.`)
  }
  for (const origin of origins) {
    if (!/^[a-z][a-z0-9+.-]*:\/\/[^\s/*]+$/.test(origin))
      throw new TypeError(
        `localOnly(): origins holds ${JSON.stringify(origin)}; write exact origins, such as "tauri://localhost".`,
      )
  }
  return layer('localOnly()', options, (kit) => {
    const fault = localFault(
      {
        address: kit.address(),
        authority: kit.authority,
        scheme: kit.scheme,
        header: (name) => kit.header(name),
        headerNames: () => kit.headerNames(),
      },
      hosts,
      origins,
    )
    if (fault === null) return undefined
    kit.emit({ type: 'access.refused', level: 'warn', reason: fault })
    return kit.refuse({
      code: 'access.local_only',
      detail: 'This is reached only by programs on the same machine, called directly by a loopback address.',
    })
  })
}

/** What {@link requireScope} takes: the parts of a kit, where it stands alone. */
export type RequireScopeOptions = KitOptions

/**
 * Lets through only principals whose record holds a scope; 403 for others, strangers among them. Stands after
 * `authenticate()`.
 *
 * @example
 * api.get('/audit/recent', requireScope('audit:read'), (c) => c.json(recent))
 */
export function requireScope(scope: string, options: RequireScopeOptions = {}): MiddlewareHandler<Env> {
  if (!/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope))
    throw new TypeError(
      'requireScope(): a scope is printable ASCII without spaces, quotes or backslashes (RFC 6749 section 3.3).',
    )
  return layer('requireScope()', options, (kit) => {
    if (kit.principal?.scopes.includes(scope)) return undefined
    kit.emit({ type: 'access.refused', level: 'warn', reason: 'scope', resource: scope })
    return kit.refuse({ code: 'access.scope_missing', detail: `This needs the permission ${scope}.` })
  })
}
