import type * as z from 'zod/v4/core'
import type { FieldError } from '../problem.ts'

const MAX_ISSUES = 20
const MAX_PATH = 16

/**
 * What failed, field by field: at most 20 entries. A message that repeats a rejected value (a custom one may: as it came,
 * trimmed or as JSON) is replaced, and so are messages that name unknown keys. A custom message that alters the value before
 * it repeats it is not recognised; paths name keys as the client sent them.
 */
export function fieldErrors(target: string, issues: readonly z.$ZodIssue[], input: unknown): readonly FieldError[] {
  return issues.slice(0, MAX_ISSUES).map((issue) => {
    const path = issue.path
      .slice(0, MAX_PATH)
      .map((part) => (typeof part === 'number' ? part : String(part).slice(0, 64)))
    return { target, path, code: issue.code, message: safeMessage(issue, valueAt(input, issue.path)) }
  })
}

function safeMessage(issue: z.$ZodIssue, value: unknown): string {
  if (issue.code === 'unrecognized_keys') return 'Unknown field.'
  return issue.message === 'Invalid input' || repeats(issue.message, value, 0)
    ? plainMessage(issue)
    : issue.message.slice(0, 256)
}

/** Whether a message holds a text or number of the rejected value: as it came, trimmed, or written as JSON. */
function repeats(message: string, value: unknown, depth: number): boolean {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') {
    const text = String(value).trim()
    const folded = message.toLowerCase()
    return (
      text.length > 2 && [text, JSON.stringify(text).slice(1, -1)].some((form) => folded.includes(form.toLowerCase()))
    )
  }
  if (typeof value !== 'object' || value === null || depth > 64) return false
  return Object.values(value).some((part) => repeats(message, part, depth + 1))
}

/** What zod/mini, which brings no messages of its own, leaves unsaid. */
function plainMessage(issue: z.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `Must be of type ${issue.expected}.`
    case 'too_small':
      return `Too small: at least ${issue.minimum}${unit(issue.origin)}.`
    case 'too_big':
      return `Too big: at most ${issue.maximum}${unit(issue.origin)}.`
    case 'invalid_format':
      return issue.format === 'regex' ? 'Not in the required form.' : `Must be a valid ${issue.format}.`
    case 'invalid_value':
      return `Must be one of: ${issue.values.map(String).join(', ').slice(0, 200)}.`
    default:
      return 'Not valid.'
  }
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters'
  return origin === 'array' || origin === 'set' || origin === 'map' ? ' entries' : ''
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as Record<PropertyKey, unknown>)[part]
  }
  return value
}
