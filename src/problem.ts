import { HTTPException } from 'hono/http-exception'

/**
 * Every error that a request can meet, by its stable code. `docs/problems.md` says what each means and what mends it.
 * The `type` URI of a problem is {@link PROBLEM_TYPE_PREFIX} and the code, but for the two that have a registered one.
 */
export const PROBLEMS = {
  'access.local_only': { status: 403, title: 'Only from this machine' },
  'access.scope_missing': { status: 403, title: 'Permission missing' },
  'auth.ambiguous': { status: 400, title: 'More than one credential' },
  'auth.invalid': { status: 401, title: 'Credential not valid' },
  'auth.missing': { status: 401, title: 'Credential missing' },
  'body.timeout': { status: 408, title: 'Body too slow' },
  'body.too_large': { status: 413, title: 'Body too large' },
  'body.unreadable': { status: 400, title: 'Body not readable' },
  'body.unsupported_type': { status: 415, title: 'Content type not supported' },
  'cors.origin_not_allowed': { status: 403, title: 'Origin not allowed' },
  'host.not_allowed': { status: 403, title: 'Host not allowed' },
  internal: { status: 500, title: 'Internal error' },
  'limit.busy': { status: 429, title: 'Too much at once' },
  'limit.cost_too_large': { status: 413, title: 'Costs more than is ever allowed' },
  'limit.exceeded': { status: 429, title: 'Too many requests' },
  'limit.locked': { status: 429, title: 'Locked for a while' },
  'limit.overloaded': { status: 503, title: 'Too busy at the moment' },
  'path.not_canonical': { status: 400, title: 'Path not canonical' },
  'route.not_found': { status: 404, title: 'Not found' },
  'store.outage': { status: 503, title: 'Temporarily unavailable' },
  'validation.failed': { status: 400, title: 'Input not valid' },
} as const

/** The stable code of a problem, such as `auth.missing`. */
export type ProblemCode = keyof typeof PROBLEMS

/** What every problem's `type` URI begins with. It is a name, not an address. */
export const PROBLEM_TYPE_PREFIX = 'urn:hinoban:problem:'

/** Types of draft-ietf-httpapi-ratelimit-headers-10 section 6. */
const REGISTERED_TYPES: Partial<Record<ProblemCode, string>> = {
  'limit.exceeded': 'https://iana.org/assignments/http-problem-types#quota-exceeded',
  'limit.overloaded': 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
}

/** One field that failed validation. Never holds the rejected value. */
export interface FieldError {
  /** Where: `json`, `query`, `param`, `header`, `cookie` or `form`. */
  readonly target: string
  /** The way to the field, such as `['messages', 0, 'text']`. */
  readonly path: readonly (string | number)[]
  /** The kind of failure, such as `too_big`. */
  readonly code: string
  readonly message: string
}

/** The body of a refusal: RFC 9457 problem details, with `code` and, after validation, `errors`. */
export interface ProblemDetails {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ProblemCode
  readonly detail: string
  readonly errors?: readonly FieldError[]
  /** After `limit.exceeded`: the policies that refuse, by name. */
  readonly 'violated-policies'?: readonly string[]
}

/** A refusal as data: what a pure step returns, and the kit renders. It is written once: nothing may change it afterwards. */
export interface Refusal {
  readonly code: ProblemCode
  /** One sentence for the caller: what was wrong and what would be right. Never a secret, never the rejected value. */
  readonly detail: string
  readonly errors?: readonly FieldError[]
  /** Limits that refuse, by the names that the limit fields give them. */
  readonly violatedPolicies?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Renders a problem in another shape (the seeds' own bodies, say). Returns the body; the status, the security headers and
 * `Cache-Control` stay. The media type is `application/json`.
 *
 * @example
 * const openFangShape: ProblemFormat = (problem) => ({ error: problem.detail })
 */
export type ProblemFormat = (problem: ProblemDetails) => unknown

/**
 * What Hinoban's layers may answer in place of a handler, for Hono's RPC client:
 *
 * @example
 * const client = hc<ApplyGlobalResponse<typeof app, Refusals>>('https://api.example')
 */
export type Refusals = {
  [Status in (typeof PROBLEMS)[ProblemCode]['status']]: { json: ProblemDetails }
}

/** The details of a refusal. */
export function problemDetails(refusal: Refusal): ProblemDetails {
  const { code, detail, errors, violatedPolicies } = refusal
  const { status, title } = PROBLEMS[code]
  const type = REGISTERED_TYPES[code] ?? PROBLEM_TYPE_PREFIX + code
  const details = { type, title, status, code, detail }
  // Most have neither.
  if (!errors && !violatedPolicies) return details
  return {
    ...details,
    ...(errors && { errors }),
    ...(violatedPolicies && { 'violated-policies': violatedPolicies }),
  }
}

/** What a refusal is written as. */
interface Written {
  readonly body: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/**
 * The one renderer: a refusal as a Response, `application/problem+json` unless a format is given.
 *
 * @param headersOf where headers are cheaper set on a Response than given to it, those of one
 */
export function renderProblem(
  refusal: Refusal,
  format?: ProblemFormat,
  headersOf?: (response: Response) => Pick<Headers, 'set'>,
): Response {
  const { body, status, headers } = format ? written(refusal, format) : standard(refusal)
  if (!headersOf) return new Response(body, { status, headers: { ...headers } })
  const response = new Response(body, { status })
  const table = headersOf(response)
  for (const name in headers) table.set(name, headers[name]!)
  return response
}

const standards = new WeakMap<Refusal, Written>()

/** A refusal that is given again and again is written once. */
function standard(refusal: Refusal): Written {
  const known = standards.get(refusal)
  if (known !== undefined) return known
  const made = written(refusal)
  standards.set(refusal, made)
  return made
}

function written(refusal: Refusal, format?: ProblemFormat): Written {
  const details = problemDetails(refusal)
  const headers: Record<string, string> = {
    'content-type': format ? 'application/json' : 'application/problem+json',
    'cache-control': 'no-store',
  }
  for (const name in refusal.headers) headers[name.toLowerCase()] = refusal.headers[name]!
  return { body: JSON.stringify(format ? format(details) : details), status: PROBLEMS[refusal.code].status, headers }
}

/**
 * A fault as an exception: what a layer throws when it could not find out, or was set up wrongly. Hono's own error
 * handler answers it as a problem; an app's `onError` may take over. Its message is its detail and holds no secret.
 */
export class Problem extends HTTPException {
  readonly code: ProblemCode
  readonly refusal: Refusal

  constructor(refusal: Refusal, options: { readonly cause?: unknown } = {}) {
    super(PROBLEMS[refusal.code].status, { message: refusal.detail, cause: options.cause })
    this.name = 'Problem'
    this.code = refusal.code
    this.refusal = refusal
  }

  override getResponse(): Response {
    return renderProblem(this.refusal)
  }
}
