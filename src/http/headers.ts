/** Security headers. Each option turns one header off with `false` or sets its value. */
export interface HeaderOptions {
  /**
   * `Content-Security-Policy`. {@link API_CSP} unless told. A handler that sets its own keeps it.
   */
  readonly contentSecurityPolicy?: string | false
  /** `Strict-Transport-Security`, sent in production only. One year with subdomains unless told. */
  readonly strictTransportSecurity?: string | false
  /** `Referrer-Policy`; `no-referrer` unless told. */
  readonly referrerPolicy?: string | false
  /** `Cross-Origin-Opener-Policy`; `same-origin` unless told. */
  readonly crossOriginOpenerPolicy?: string | false
  /** `Cross-Origin-Resource-Policy`; `same-origin` unless told. CORS is not affected by it. */
  readonly crossOriginResourcePolicy?: string | false
  /** `Permissions-Policy`; no camera, microphone, geolocation, payment or USB unless told. */
  readonly permissionsPolicy?: string | false
  /**
   * `false` leaves out what guards nothing in today's browsers, whatever the other options say: `X-XSS-Protection`,
   * `X-DNS-Prefetch-Control`, `X-Permitted-Cross-Domain-Policies` and `Origin-Agent-Cluster`. Each costs a request up to a
   * microsecond. `X-Frame-Options` stays: a page's own `Content-Security-Policy` may not say who may frame it. `true` unless told.
   */
  readonly legacy?: boolean
}

/** For answers that are data: nothing may be loaded, run, framed or submitted. */
export const API_CSP: string =
  "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** OpenMotoko's policy, exactly. Weak by today's measure (`'unsafe-inline'`, no `object-src`): for that app's own pages. */
export const OPENMOTOKO_CSP: string =
  "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:;"

const LEGACY = [
  'x-xss-protection',
  'x-dns-prefetch-control',
  'x-permitted-cross-domain-policies',
  'origin-agent-cluster',
]

/**
 * The headers of every answer, checked and ready. `Cross-Origin-Embedder-Policy` is never sent, as it would stop pages
 * that open WebSockets elsewhere.
 *
 * @throws {TypeError} naming the option that is wrong, such as a value that could not stand in a header.
 */
export function securityHeaders(options: HeaderOptions, production: boolean): readonly (readonly [string, string])[] {
  const { legacy = true } = options
  if (typeof legacy !== 'boolean') throw new TypeError('security(): headers.legacy must be true or false.')
  const hsts = options.strictTransportSecurity ?? 'max-age=31536000; includeSubDomains'
  const table: [option: string, name: string, value: string | false][] = [
    ['contentSecurityPolicy', 'content-security-policy', options.contentSecurityPolicy ?? API_CSP],
    ['strictTransportSecurity', 'strict-transport-security', production && hsts],
    ['referrerPolicy', 'referrer-policy', options.referrerPolicy ?? 'no-referrer'],
    ['crossOriginOpenerPolicy', 'cross-origin-opener-policy', options.crossOriginOpenerPolicy ?? 'same-origin'],
    ['crossOriginResourcePolicy', 'cross-origin-resource-policy', options.crossOriginResourcePolicy ?? 'same-origin'],
    [
      'permissionsPolicy',
      'permissions-policy',
      options.permissionsPolicy ?? 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
    ],
    ['', 'x-content-type-options', 'nosniff'],
    ['', 'x-frame-options', 'DENY'],
    ['', 'x-xss-protection', '0'],
    ['', 'x-dns-prefetch-control', 'off'],
    ['', 'x-permitted-cross-domain-policies', 'none'],
    ['', 'origin-agent-cluster', '?1'],
  ]
  const headers: [string, string][] = []
  for (const [option, name, value] of table) {
    if (value === false || (!legacy && LEGACY.includes(name))) continue
    if (typeof value !== 'string' || value === '' || !/^[\x20-\x7e]+$/.test(value)) {
      throw new TypeError(
        `security(): headers.${option} must be printable ASCII on one line, or false to leave the header out.`,
      )
    }
    headers.push([name, value])
  }
  return headers
}
