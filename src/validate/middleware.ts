import { zValidator } from '@hono/zod-validator'
import type { Context, Env, Input, MiddlewareHandler, TypedResponse, ValidationTargets } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type * as z from 'zod/v4/core'
import { SetupError } from '../kit.ts'
import { kitOf } from '../layer.ts'
import { Problem, type ProblemDetails, type Refusal } from '../problem.ts'
import { givenBody } from '../read-request.ts'
import type { Awaitable } from '../store/contract.ts'
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
 * @param target `json`, `form`, `query`, `param`, `header` or `cookie`
 *
 * @example
 * api.post('/chat', validate('json', z.object({ message: ChatText })), (c) => c.text(c.req.valid('json').message))
 */
export function validate<Target extends keyof ValidationTargets, Schema extends z.$ZodType>(
  target: Target,
  schema: Schema,
): MiddlewareHandler<Env, string, ValidatedInput<Target, Schema>, ValidationRefusal> {
  const refuse = (c: Context, reason: string, refusal: Refusal): Response => {
    const kit = kitOf(c, 'validate()')
    kit.emit({ type: 'validation.refused', level: 'warn', reason })
    return kit.refuse(refusal)
  }
  const check = zValidator(target, schema, (result, c) => {
    if (result.success) return undefined
    const errors = fieldErrors(target, result.error.issues, result.data)
    return refuse(c, target, {
      code: 'validation.failed',
      detail: 'The request does not fit what this route takes. See errors.',
      errors,
    })
  }) as MiddlewareHandler

  const takesBody = target === 'json' || target === 'form'
  const handler: MiddlewareHandler = async (c, next) => {
    const { bodyIsCapped } = kitOf(c, 'validate()')
    if (takesBody && !bodyIsCapped) {
      throw new SetupError('validate(): nothing has capped the body. Put app.use(security({ platform })) before it.')
    }
    const unreadable = takesBody ? await bodyFault(c, target) : null
    if (unreadable) return refuse(c, unreadable.code, unreadable)
    try {
      return await check(c, next)
    } catch (error) {
      // Errors behind next() are caught where they are thrown; a 400 here is Hono's own, for a body that it could not parse.
      if (!(error instanceof HTTPException) || error instanceof Problem || error.status !== 400) throw error
      const detail = target === 'json' ? 'The body is not JSON.' : 'The body is not a readable form.'
      return refuse(c, 'malformed', { code: 'body.unreadable', detail })
    }
  }
  return handler as MiddlewareHandler<Env, string, ValidatedInput<Target, Schema>, ValidationRefusal>
}

function bodyFault(c: Context, target: 'json' | 'form'): Awaitable<Refusal | null> {
  const wanted = target === 'json' ? JSON_TYPE : FORM_TYPE
  if (!wanted.test(c.req.header('content-type') ?? '')) {
    const detail =
      target === 'json'
        ? 'Send the body as application/json.'
        : 'Send the body as multipart/form-data or application/x-www-form-urlencoded.'
    return { code: 'body.unsupported_type', detail }
  }
  const coding = c.req.header('content-encoding')
  if (coding !== undefined && coding.toLowerCase() !== 'identity')
    return { code: 'body.unsupported_type', detail: 'Send the body without a content coding.' }
  const fault = target === 'json' ? jsonBodyFault : formFault
  const given = givenBody(c)
  return given ? fault(c, given) : c.req.arrayBuffer().then((body) => fault(c, new Uint8Array(body)))
}

function jsonBodyFault(c: Context, body: Uint8Array): Refusal | null {
  let text: string
  try {
    text = STRICT_UTF8.decode(body)
  } catch {
    return { code: 'body.unreadable', detail: 'The body is not UTF-8.' }
  }
  const fault = jsonFault(text)
  if (fault) return { code: 'body.unreadable', detail: `The JSON of the body is not taken. ${fault}` }
  // Hono's cache holds promises, whatever its type says; this spares it a second decoding, and a lenient one.
  c.req.bodyCache = { text: Promise.resolve(text) as unknown as string }
  return null
}

/** Refuses a form of too many fields before a parser sees it: some take seconds for a million. */
function formFault(c: Context, body: Uint8Array): Refusal | null {
  const multipart = /^multipart\//i.test(c.req.header('content-type') ?? '')
  let fields = 0
  for (let i = 0; i < body.length; i++) {
    // "&" parts a urlencoded form, a line that begins with "--" a multipart one.
    if (multipart ? body[i] === 0x0a && body[i + 1] === 0x2d && body[i + 2] === 0x2d : body[i] === 0x26) fields += 1
  }
  return fields <= MAX_KEYS ? null : { code: 'body.unreadable', detail: `The form holds more than ${MAX_KEYS} fields.` }
}
