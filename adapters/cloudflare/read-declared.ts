import type { Context } from 'hono'

const MAX_AT_ONCE_BYTES = 16_384

/**
 * Reads a body into as much room as it declares and one byte more, so that one answer tells all: each that is waited for costs Workers a
 * turn of the event loop. Null for what is too long to make room for, or a stream that was made in JavaScript and fills no room of others.
 */
export function readDeclared(c: Context, length: number): Promise<Uint8Array> | null {
  const { body } = c.req.raw
  if (!body || length > MAX_AT_ONCE_BYTES) return null
  let reader: ReadableStreamBYOBReader
  try {
    reader = body.getReader({ mode: 'byob' })
  } catch {
    return null
  }
  return reader.readAtLeast(length + 1, new Uint8Array(length + 1)).then(({ value }) => {
    // Fewer come where the stream ends before; where none is left to come, it has ended.
    if (value !== undefined && value.byteLength > length) reader.cancel().catch(() => undefined)
    return value ?? new Uint8Array()
  })
}
