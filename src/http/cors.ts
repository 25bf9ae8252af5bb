import type { HeaderRules } from '../header-rules.ts'

/** Which other origins' pages may call this app and read its answers. */
export interface CorsOptions {
  /** Exact origins, such as `https://app.example.com` or `tauri://localhost`. `*` and `null` are refused. */
  readonly origins: readonly string[]
  /** Whether browsers may send cookies. False unless told. */
  readonly credentials?: boolean
  /** Request headers that pages may set. `authorization`, `content-type` and `x-api-key` unless told. */
  readonly allowHeaders?: readonly string[]
  /** Methods that pages may use. GET, HEAD, POST, PUT, PATCH and DELETE unless told. */
  readonly allowMethods?: readonly string[]
  /** Response headers that pages may read besides the limit fields, `Retry-After` and `WWW-Authenticate`. */
  readonly exposeHeaders?: readonly string[]
  /** How long a browser may remember a preflight, in seconds. 600 unless told. */
  readonly maxAgeSeconds?: number
}

/** agtOS lets its desktop shell in whatever is configured: add these to `origins`. */
export const TAURI_ORIGINS: readonly string[] = ['tauri://localhost', 'https://tauri.localhost']

/** CORS, checked and ready. */
export interface Cors {
  /** Whether a page of this origin may read answers. Exact match; nothing is ever reflected that was not configured. */
  allows(origin: string): boolean
  /** What the 204 to a preflight of an allowed origin carries besides `answerHeaders`. */
  readonly preflightHeaders: Readonly<Record<string, string>>
  /** What an actual answer to an allowed origin carries, besides `Vary: Origin`. */
  answerHeaders(origin: string): HeaderRules
}

/** For every answer: a handler, or a server that it proxies, must not open what is closed here. */
export const CORS_RULES: HeaderRules = [
  ['vary', 'Origin', 'append'],
  ['access-control-allow-origin', '', 'remove'],
  ['access-control-allow-credentials', '', 'remove'],
]

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const EXPOSED = [
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
]

/**
 * Checks CORS settings and makes them ready (Fetch standard, HTTP-network-or-cache fetch).
 *
 * @throws {TypeError} naming the setting, for `*`, `null`, a pattern, a path, a name that is no token or a bad age.
 */
export function makeCors(options: CorsOptions): Cors {
  const origins = new Set(options.origins.map(checkOrigin))
  const credentials: [string, string][] = options.credentials ? [['access-control-allow-credentials', 'true']] : []
  const expose = list('exposeHeaders', [...EXPOSED, ...(options.exposeHeaders ?? [])])
  const maxAgeSeconds = options.maxAgeSeconds ?? 600
  if (!Number.isSafeInteger(maxAgeSeconds) || maxAgeSeconds < 0) {
    throw new TypeError('security(): cors.maxAgeSeconds must be a whole number of seconds, 0 or more.')
  }
  return {
    allows: (origin) => origins.has(origin),
    preflightHeaders: {
      'access-control-allow-methods': list(
        'allowMethods',
        options.allowMethods ?? ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      ),
      'access-control-allow-headers': list(
        'allowHeaders',
        options.allowHeaders ?? ['authorization', 'content-type', 'x-api-key'],
      ),
      'access-control-max-age': String(maxAgeSeconds),
    },
    answerHeaders: (origin) => [
      ['access-control-allow-origin', origin],
      ...credentials,
      ['access-control-expose-headers', expose],
    ],
  }
}

function checkOrigin(origin: string): string {
  const parts = /^([a-z][a-z0-9+.-]*):\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/.exec(origin)
  const port = Number(parts?.[3]?.slice(1) ?? 1)
  if (parts && port > 0 && port <= 65_535 && !/^http:\/\/.*:80$|^https:\/\/.*:443$/.test(origin)) return origin
  throw new TypeError(
    `security(): cors.origins holds ${JSON.stringify(origin)}; write exact origins as browsers send them, such as "https://app.example.com": scheme, lower-case host and any unusual port; no "*", "null", path or pattern.`,
  )
}

function list(option: string, names: readonly string[]): string {
  for (const name of names) {
    if (!TOKEN.test(name) || name === '*')
      throw new TypeError(`security(): cors.${option} holds ${JSON.stringify(name)}, which is no name.`)
  }
  return names.join(', ')
}
