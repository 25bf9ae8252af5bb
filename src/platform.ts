import type { Context } from 'hono'
import type { Address } from './address.ts'
import type { HeaderTable } from './header-rules.ts'

/** A body that is being read at once. */
export interface DeclaredBody {
  /** What came, at most one byte more than was declared. Rejects where it broke off. */
  readonly bytes: Promise<ArrayBuffer | Uint8Array>
  /** Tells who sends it to stop. Left out where the runtime has no way. */
  readonly giveUp?: () => void
}

/** What a runtime brings. `hinoban/node`, `/bun`, `/deno` and `/cloudflare` each export theirs as `platform`. */
export interface Platform {
  readonly name: string
  /** Where the request came from, as the runtime itself knows it; no header that a client can write. */
  address(c: Context): Address
  /** Keeps a running task alive after the response, where the runtime would stop it. The task never rejects. */
  defer(c: Context, task: Promise<void>): void
  /** SHA-256 of a text's UTF-8 bytes, 64 lower-case hex digits, without a promise. */
  sha256(text: string): string
  /** Compares two ASCII texts in time that depends on their lengths alone: the one comparison for secrets and digests. */
  equal(a: string, b: string): boolean
  /**
   * Whether a request may wait for what another one does, and finish after it was answered. On Workers it may not: the
   * runtime kills what waits so.
   */
  readonly sharesRequests: boolean
  /**
   * A response like this one with its headers filled in, where that is cheaper than to write them on it; null where it is not. Left
   * out where the runtime has no such way.
   */
  withHeaders?(response: Response, fill: (table: HeaderTable) => void): Response | null
  /** A way to the headers of a response that is cheaper than its own; null where there is none. Left out where there never is. */
  headerTable?(response: Response): HeaderTable | null
  /**
   * Reads a body of a declared length, in bytes, at once, which is cheaper than piece by piece. Null where that is not known to end one byte
   * beyond at the latest, or too much would be held before it came. Left out where that cannot be told.
   */
  readDeclared?(c: Context, length: number): DeclaredBody | null
  /** Whether `request.signal` tells of a client that goes away, and of nothing else. */
  readonly signalsAbort: boolean
  /** Writes one line to the runtime's console. */
  log(line: string): void
}
