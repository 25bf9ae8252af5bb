import { zValidator } from '@hono/zod-validator'
import type { Context, Env, Input, MiddlewareHandler, TypedResponse, ValidationTargets } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type * as z from 'zod/v4/core'
import { safeParseAsync } from 'zod/v4/core'
import type { Kit } from '../kit.ts'
import { kitOf } from '../layer.ts'
import { Problem, type ProblemDetails, type Refusal } from '../problem.ts'
import { givenBody } from '../read-request.ts'
import { SetupError } from '../setup-error.ts'
import { fieldErrors } from './issues.ts'
import { jsonFault, MAX_KEYS } from './scan.ts'

/** What a failed validation answers, as Hono's RPC client sees it. */
export type ValidationRefusal = Response & TypedResponse<ProblemDetails, 400, 'json'>

/** How a validated target is typed: what the client sends, and what the handler reads. */
export interface ValidatedInput<Target extends keyof ValidationTargets, Schema extends z.$ZodType> extends Input {
  in: { [T in Target]: z.input<Schema> }
  out: { [T in Target]: z.output<Schema> }
}

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
const FORM_TYPE = /^(?:multipart\/form-data|application\/x-www-form-urlencoded)\s*(?:;|$)/i

/**
 * Checks one part of a request against a Zod schema; the handler reads the result, typed, by `c.req.valid(target)`. What
 * does not fit is refused with 400 and the fields that failed (path, code, message; never the value); a body of another
 * type with 415; one that is no JSON or no UTF-8, is nested deeper than 64 levels, or holds a key twice, more than 10,000
 * keys or one such as `__proto__`, with 400. Stands behind `security()`, which caps the body.
 *
 * @throws {TypeError} at start for what is no schema of Zod 4.
 *
 * @param target `json`, `form`, `query`, `param`, `header` or `cookie`
 *
 * @example
 * api.post('/chat', validate('json', z.object({ message: ChatText })), (c) => c.text(c.req.valid('json').message))
 */
export function validate<Target extends keyof ValidationTargets, Schema extends z.$ZodType>(
  target: Target,
  schema: Schema,
): MiddlewareHandler<Env, string, ValidatedInput<Target, Schema>, ValidationRefusal> {
  if (schema?._zod === undefined) throw new TypeError('validate(): the schema must be one of Zod 4.')
  const handler = target === 'json' ? jsonValidator(schema) : honoValidator(target, schema)
  return handler as MiddlewareHandler<Env, string, ValidatedInput<Target, Schema>, ValidationRefusal>
}

/** JSON is parsed once, and looked through before. */
function jsonValidator(schema: z.$ZodType): MiddlewareHandler {
  return (c, next) => {
    const kit = cappedKit(c)
    const fault = typeFault(c, JSON_TYPE, 'application/json')
    if (fault) return Promise.resolve(refuse(kit, fault.code, fault))
    const check = (body: Uint8Array): Promise<Response | undefined> => {
      const json = parseJson(body)
      if ('fault' in json) return Promise.resolve(refuse(kit, json.reason, json.fault))
      return safeParseAsync(schema, json.value).then((result) => {
        if (!result.success) return refuseIssues(kit, 'json', result.error.issues, json.value)
        c.req.addValidatedData('json', result.data as object)
        return next() as Promise<undefined>
      })
    }
    const given = givenBody(c)
    return (given ? check(given) : c.req.arrayBuffer().then((body) => check(new Uint8Array(body)))) as Promise<Response>
  }
}

type Parsed = { readonly value: unknown } | { readonly fault: Refusal; readonly reason: string }

function parseJson(body: Uint8Array): Parsed {
  let text: string
  try {
    text = STRICT_UTF8.decode(body)
  } catch {
    return { fault: unreadable('The body is not UTF-8.'), reason: 'body.unreadable' }
  }
  const fault = jsonFault(text)
  if (fault) return { fault: unreadable(`The JSON of the body is not taken. ${fault}`), reason: 'body.unreadable' }
  try {
    return { value: JSON.parse(text) }
  } catch {
    return { fault: unreadable('The body is not JSON.'), reason: 'malformed' }
  }
}

/** Every other part of a request, as Hono reads it. */
function honoValidator(target: Exclude<keyof ValidationTargets, 'json'>, schema: z.$ZodType): MiddlewareHandler {
  const check = zValidator(target, schema, (result, c) => {
    if (result.success) return undefined
    return refuseIssues(kitOf(c, 'validate()'), target, result.error.issues, result.data)
  }) as MiddlewareHandler
  if (target !== 'form') {
    return (c, next) => {
      kitOf(c, 'validate()')
      return check(c, next)
    }
  }
  return async (c, next) => {
    const kit = cappedKit(c)
    const fault =
      typeFault(c, FORM_TYPE, 'multipart/form-data or application/x-www-form-urlencoded') ??
      formFault(c, givenBody(c) ?? new Uint8Array(await c.req.arrayBuffer()))
    if (fault) return refuse(kit, fault.code, fault)
    try {
      return await check(c, next)
    } catch (error) {
      // Errors behind next() are caught where they are thrown; a 400 here is Hono's own, for a body that it could not parse.
      if (!(error instanceof HTTPException) || error instanceof Problem || error.status !== 400) throw error
      return refuse(kit, 'malformed', unreadable('The body is not a readable form.'))
    }
  }
}

function cappedKit(c: Context): Kit {
  const kit = kitOf(c, 'validate()')
  if (kit.bodyIsCapped) return kit
  throw new SetupError('validate(): nothing has capped the body. Put app.use(security({ platform })) before it.')
}

function refuse(kit: Kit, reason: string, refusal: Refusal): Response {
  kit.emit({ type: 'validation.refused', level: 'warn', reason })
  return kit.refuse(refusal)
}

function refuseIssues(kit: Kit, target: string, issues: readonly z.$ZodIssue[], value: unknown): Response {
  return refuse(kit, target, {
    code: 'validation.failed',
    detail: 'The request does not fit what this route takes. See errors.',
    errors: fieldErrors(target, issues, value),
  })
}

function unreadable(detail: string): Refusal {
  return { code: 'body.unreadable', detail }
}

function typeFault(c: Context, wanted: RegExp, name: string): Refusal | null {
  if (!wanted.test(c.req.header('content-type') ?? '')) {
    return { code: 'body.unsupported_type', detail: `Send the body as ${name}.` }
  }
  const coding = c.req.header('content-encoding')
  if (coding === undefined || coding.toLowerCase() === 'identity') return null
  return { code: 'body.unsupported_type', detail: 'Send the body without a content coding.' }
}

/** Refuses a form of too many fields before a parser sees it: some take seconds for a million. */
function formFault(c: Context, body: Uint8Array): Refusal | null {
  const multipart = /^multipart\//i.test(c.req.header('content-type') ?? '')
  let fields = 0
  for (let i = 0; i < body.length; i++) {
    // "&" parts a urlencoded form, a line that begins with "--" a multipart one.
    if (multipart ? body[i] === 0x0a && body[i + 1] === 0x2d && body[i + 2] === 0x2d : body[i] === 0x26) fields += 1
  }
  return fields <= MAX_KEYS ? null : unreadable(`The form holds more than ${MAX_KEYS} fields.`)
}
