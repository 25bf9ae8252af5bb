import type { Refusal } from '../problem.ts'

/** 1 MB, the default cap on request bodies, in bytes. */
export const DEFAULT_MAX_BODY_BYTES = 1_048_576
/** Into how many pieces a body may be cut: each costs some microseconds before anybody is authenticated. */
const MIN_PIECES = 16_384
const BYTES_PER_PIECE = 64
/** How long a body may take to arrive unless told, in seconds. */
export const DEFAULT_BODY_TIMEOUT_SECONDS = 10

/** The refusal of a body that declares more than the cap, or declares nonsense; null when there is nothing to refuse. */
export function declaredFault(contentLength: string | null, maxBytes: number): Refusal | null {
  if (contentLength === null) return null
  if (!/^\d+$/.test(contentLength))
    return { code: 'body.unreadable', detail: 'Content-Length is not a number of bytes.' }
  return Number(contentLength) > maxBytes ? tooLarge(maxBytes) : null
}

/**
 * Reads a body whole, counting what really comes. Memory grows with what has come, never with what was promised.
 *
 * @param declared the length that the request gives, null for none: more than that is refused like more than the cap, as
 *   one of the two lengths is a lie
 * @returns its bytes, or the refusal: over the cap, unlike the declaration, slower than its time, broken off
 */
export async function readBody(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  declared: number | null,
  timeoutSeconds: number,
): Promise<Uint8Array<ArrayBuffer> | Refusal> {
  const reader = body.getReader()
  let late = false
  const timer = setTimeout(() => {
    late = true
    abandon(reader)
  }, timeoutSeconds * 1000)
  const maxPieces = Math.max(MIN_PIECES, Math.ceil(maxBytes / BYTES_PER_PIECE))
  const bytes = new GrowingBytes()
  try {
    for (let pieces = 0; ; pieces++) {
      const { done, value } = await reader.read()
      if (late) return tooSlow(timeoutSeconds)
      if (done) return declared === null || bytes.length === declared ? bytes.whole() : unlikeDeclaration()
      if (bytes.length + value.byteLength > Math.min(maxBytes, declared ?? maxBytes)) {
        abandon(reader)
        return tooLarge(maxBytes)
      }
      if (pieces >= maxPieces) {
        abandon(reader)
        return { code: 'body.unreadable', detail: `The body comes in more than ${maxPieces} pieces.` }
      }
      bytes.add(value)
    }
  } catch {
    // workerd fails a pending read when it is given up.
    if (late) return tooSlow(timeoutSeconds)
    return { code: 'body.unreadable', detail: 'The body broke off before its end.' }
  } finally {
    clearTimeout(timer)
  }
}

/** {@link readBody} where the runtime's own parser ends the body at its declared length, which is within the cap. */
export async function readFramedBody(
  request: Request,
  declared: number,
  maxBytes: number,
  timeoutSeconds: number,
): Promise<Uint8Array<ArrayBuffer> | Refusal> {
  const late = Promise.withResolvers<null>()
  const timer = setTimeout(() => late.resolve(null), timeoutSeconds * 1000)
  try {
    const buffer = await Promise.race([request.arrayBuffer(), late.promise])
    if (buffer === null) return tooSlow(timeoutSeconds)
    if (buffer.byteLength > declared) return tooLarge(maxBytes)
    return buffer.byteLength === declared ? new Uint8Array(buffer) : unlikeDeclaration()
  } catch {
    return { code: 'body.unreadable', detail: 'The body broke off before its end.' }
  } finally {
    clearTimeout(timer)
  }
}

/**
 * One growing buffer: a million chunks of one byte cost what one chunk of a million bytes does. It is nobody else's: who sent a
 * chunk from within this process cannot change it afterwards.
 */
class GrowingBytes {
  length = 0
  #buffer: Uint8Array<ArrayBuffer> | null = null

  add(chunk: Uint8Array): void {
    const { length } = this
    this.length = length + chunk.byteLength
    if (this.#buffer === null) {
      this.#buffer = new Uint8Array(chunk)
      return
    }
    if (this.length > this.#buffer.byteLength) {
      const grown = new Uint8Array(Math.max(this.length, 2 * this.#buffer.byteLength))
      grown.set(this.#buffer.subarray(0, length))
      this.#buffer = grown
    }
    this.#buffer.set(chunk, length)
  }

  whole(): Uint8Array<ArrayBuffer> {
    return this.#buffer?.subarray(0, this.length) ?? new Uint8Array(0)
  }
}

function unlikeDeclaration(): Refusal {
  return { code: 'body.unreadable', detail: 'The body is shorter than its Content-Length.' }
}

function tooSlow(timeoutSeconds: number): Refusal {
  return { code: 'body.timeout', detail: `The body did not arrive within ${timeoutSeconds} seconds.` }
}

function tooLarge(maxBytes: number): Refusal {
  return {
    code: 'body.too_large',
    detail: `The body may hold at most ${maxBytes} bytes, and no more than it declares.`,
  }
}

/** Stops reading. The rest is the server's to drop; how that ends is of no interest here. */
function abandon(reader: ReadableStreamDefaultReader<Uint8Array>): void {
  reader.cancel().catch(() => undefined)
}
