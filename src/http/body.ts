import type { DeclaredBody } from '../platform.ts'
import type { Refusal } from '../problem.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** 1 MB, the default cap on request bodies, in bytes. */
export const DEFAULT_MAX_BODY_BYTES = 1_048_576
/** Into how many pieces a body may be cut: each costs some microseconds before anybody is authenticated. */
const MIN_PIECES = 16_384
const BYTES_PER_PIECE = 64
/** How often others may go before a body that is in memory is read. */
const TURNS_WITHOUT_TIMER = 8
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
export function readBody(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  declared: number | null,
  timeoutSeconds: number,
): Promise<Bytes | Refusal> {
  const reader = body.getReader()
  return inTime(readPieces(reader, maxBytes, declared), timeoutSeconds, () => abandon(reader))
}

/** {@link readBody} of what a platform reads at once, where the length that is declared is within the cap. */
export function readDeclaredBody(
  { bytes, giveUp }: DeclaredBody,
  declared: number,
  maxBytes: number,
  timeoutSeconds: number,
): Promise<Bytes | Refusal> {
  const reading = bytes.then(
    (read) => {
      if (read.byteLength > declared) {
        giveUp?.()
        return tooLarge(maxBytes)
      }
      return read.byteLength === declared ? new Uint8Array(read) : unlikeDeclaration()
    },
    () => brokenOff(),
  )
  return inTime(reading, timeoutSeconds, giveUp)
}

async function readPieces(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
  declared: number | null,
): Promise<Bytes | Refusal> {
  const maxPieces = Math.max(MIN_PIECES, Math.ceil(maxBytes / BYTES_PER_PIECE))
  const bytes = new GrowingBytes()
  try {
    for (let pieces = 0; ; pieces++) {
      const { done, value } = await reader.read()
      if (done) return declared === null || bytes.length === declared ? bytes.whole() : unlikeDeclaration()
      if (!isBytes(value)) {
        abandon(reader)
        return { code: 'body.unreadable', detail: 'The body holds something else than bytes.' }
      }
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
    return brokenOff()
  }
}

/** What is read within its time; the reading never rejects. A body that is here already, as most are, needs no timer. */
async function inTime(
  reading: Promise<Bytes | Refusal>,
  timeoutSeconds: number,
  giveUp?: () => void,
): Promise<Bytes | Refusal> {
  let read: Bytes | Refusal | undefined
  const noted = reading.then((settled) => {
    read = settled
  })
  for (let turn = 0; turn < TURNS_WITHOUT_TIMER; turn++) {
    await undefined
    if (read !== undefined) return read
  }
  const late = Promise.withResolvers<void>()
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    late.resolve()
    giveUp?.()
  }, timeoutSeconds * 1000)
  await Promise.race([noted, late.promise])
  clearTimeout(timer)
  // What is given up ends as if it were whole.
  return isLate ? tooSlow(timeoutSeconds) : read!
}

/**
 * One growing buffer: a million chunks of one byte cost what one chunk of a million bytes does. It is nobody else's: who sent a
 * chunk from within this process cannot change it afterwards.
 */
class GrowingBytes {
  length = 0
  #buffer: Bytes | null = null

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

  whole(): Bytes {
    const buffer = this.#buffer ?? new Uint8Array(0)
    return buffer.byteLength === this.length ? buffer : buffer.slice(0, this.length)
  }
}

/** Whoever makes a stream in this process may put anything into it; it may come from another realm. */
function isBytes(chunk: unknown): chunk is Uint8Array {
  return (
    chunk instanceof Uint8Array ||
    (ArrayBuffer.isView(chunk) && Object.prototype.toString.call(chunk) === '[object Uint8Array]')
  )
}

function brokenOff(): Refusal {
  return { code: 'body.unreadable', detail: 'The body broke off before its end.' }
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
