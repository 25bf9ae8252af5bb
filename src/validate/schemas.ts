import * as z from 'zod/mini'

/** An id in a path: `^[a-zA-Z0-9\-_]+$`, 1 to 128 characters. */
export const Id: z.ZodMiniString<string> = z
  .string()
  .check(z.minLength(1), z.maxLength(128), z.regex(/^[a-zA-Z0-9\-_]+$/, 'Only letters, digits, "-" and "_".'))

/** The path parameter `id`, checked as {@link Id}: `validate('param', IdParam)`. */
export const IdParam: z.ZodMiniObject<{ id: z.ZodMiniString<string> }, z.core.$strip> = z.object({ id: Id })

/** A chat message: 1 to 10,000 characters (Unicode code points). */
export const ChatText: z.ZodMiniString<string> = text(10_000)

/** A question to an agent's memory: 1 to 2,000 characters (Unicode code points). */
export const MemoryQuestion: z.ZodMiniString<string> = text(2000)

/** A text of 1 to `maxCharacters` characters (Unicode code points), whole surrogate pairs only. */
export function text(maxCharacters: number): z.ZodMiniString<string> {
  return z.string().check(z.minLength(1), z.maxLength(maxCharacters), wellFormed)
}

/** A bare check: `z.refine()` would bring a schema of its own kind into every app. */
function wellFormed({ value, issues }: z.core.ParsePayload<string>): void {
  if (!value.isWellFormed())
    issues.push({ code: 'custom', input: value, message: 'Text must be well-formed Unicode.', continue: true })
}
