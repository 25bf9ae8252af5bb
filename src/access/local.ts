import { type Address, isLoopback } from '../address.ts'
import { hostOf } from '../fields.ts'

/** Names that reach only this machine. */
export const LOOPBACK_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

// What proxies add. Behind one on this machine every caller has a loopback peer, so none of these may be present.
const FORWARDING_HEADER =
  /^(?:forwarded|via|x-forwarded.*|x-original-.*|x-proxyuser-ip|x-remote-(?:ip|addr)|x-(?:real|client|cluster-client)-ip|true-client-ip|client-ip|cf-.*|x-envoy-.*|x-azure-.*|x-appengine-.*|tailscale-.*|cdn-loop|fastly-.*|fly-.*)$/

/** A request as {@link localFault} needs it. */
export interface LocalRequest {
  readonly address: Address
  /** The host and port that URL and `Host` agree on, null when they do not. */
  readonly authority: string | null
  /** `http:` or `https:`. */
  readonly scheme: string
  header(name: string): string | null
  /** The names of all headers, lower case. */
  headerNames(): readonly string[]
}

/**
 * Why a request is not one that a program on this machine made on its own, or null when it is. Stops remote callers, and
 * whoever comes through a proxy on this host that says so; DNS rebinding (a foreign name that resolves to 127.0.0.1:
 * `Host`); and web pages that the user merely visits (`Origin`, `Sec-Fetch-Site`), other ports of this machine among them.
 */
export function localFault(request: LocalRequest, hosts: readonly string[], origins: readonly string[]): string | null {
  if (!isLoopback(request.address)) return 'not_loopback'
  if (request.headerNames().some((name) => FORWARDING_HEADER.test(name.replaceAll('_', '-')))) return 'forwarded'
  if (request.authority === null || !hosts.includes(hostOf(request.authority))) return 'foreign_host'
  const origin = request.header('origin')
  if (origin !== null && origins.includes(origin)) return null
  if (origin !== null && origin !== `${request.scheme}//${request.authority}`) return 'foreign_origin'
  const site = request.header('sec-fetch-site')
  return site === null || site === 'same-origin' || site === 'none' ? null : 'cross_site'
}
