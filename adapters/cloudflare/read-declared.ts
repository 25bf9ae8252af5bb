import type { Context } from 'hono'
import type { DeclaredBody } from '../../src/platform.ts'

const MAX_AT_ONCE_BYTES = 16_384

/**
 * Reads a body into as much room as it declares and one byte more, so that one answer tells all: each that is waited for costs Workers a
 * turn of the event loop. Null for what is too long to make room for, and for a stream that fills no room of others: one that is read
 * already, or was made in JavaScript of chunks.
 */
export function readDeclared(c: Context, length: number): DeclaredBody | null {
  const { body } = c.req.raw
  if (!body || length > MAX_AT_ONCE_BYTES) return null
  let reader: ReadableStreamBYOBReader
  try {
    reader = body.getReader({ mode: 'byob' })
  } catch {
    return null
  }
  // Fewer come where the stream ends before; where none is left to come, it has ended.
  const bytes = reader
    .readAtLeast(length + 1, new Uint8Array(length + 1))
    .then(({ value }) => value ?? new Uint8Array())
  return { bytes, giveUp: () => void reader.cancel().catch(() => undefined) }
}
