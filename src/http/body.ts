import type { Refusal } from '../problem.ts'

/** 1 MB, the default cap on request bodies, in bytes. */
export const DEFAULT_MAX_BODY_BYTES = 1_048_576
/** How long a body may take to arrive, in ms. */
export const BODY_DEADLINE_MS = 10_000

/** The refusal of a body that declares more than the cap, or declares nonsense; null when there is nothing to refuse. */
export function declaredFault(contentLength: string | null, maxBytes: number): Refusal | null {
  if (contentLength === null) return null
  if (!/^\d+$/.test(contentLength))
    return { code: 'body.unreadable', detail: 'Content-Length is not a number of bytes.' }
  return Number(contentLength) > maxBytes ? tooLarge(maxBytes) : null
}

/**
 * Reads a body whole, counting what really comes, whatever was declared.
 *
 * @returns its bytes, or the refusal: over the cap, slower than {@link BODY_DEADLINE_MS}, or broken off
 */
export async function readBody(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | Refusal> {
  const reader = body.getReader()
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), BODY_DEADLINE_MS)
  })
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for (;;) {
      const read = await Promise.race([reader.read(), late])
      if (read === 'late') {
        abandon(reader)
        return { code: 'body.timeout', detail: `The body did not arrive within ${BODY_DEADLINE_MS / 1000} seconds.` }
      }
      if (read.done) return join(chunks, length)
      length += read.value.byteLength
      if (length > maxBytes) {
        abandon(reader)
        return tooLarge(maxBytes)
      }
      chunks.push(read.value)
    }
  } catch {
    return { code: 'body.unreadable', detail: 'The body broke off before its end.' }
  } finally {
    clearTimeout(timer)
  }
}

function tooLarge(maxBytes: number): Refusal {
  return { code: 'body.too_large', detail: `The body may hold at most ${maxBytes} bytes.` }
}

/** Stops reading. The rest is the server's to drop; how that ends is of no interest here. */
function abandon(reader: ReadableStreamDefaultReader<Uint8Array>): void {
  reader.cancel().catch(() => undefined)
}

function join(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.byteLength
  }
  return out
}
