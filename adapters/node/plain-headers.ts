import type { HeaderTable } from '../../src/header-rules.ts'
import { symbolOf } from '../symbol-of.ts'

/**
 * What `@hono/node-server` keeps of a Response as long as nobody looks into it: status, body and headers, as they were given. It
 * exports no name for it.
 */
type Kept = readonly [status: number, body: unknown, headers: unknown]

let keptKey: symbol | undefined
/** The class of Response that was looked at last: node-server puts its own in the place of Node's. */
let lookedAt: typeof Response | undefined

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** What Node and the Fetch standard both take in a header: visible Latin-1, spaces and tabs. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * A response like this one with its headers filled in, which node-server sends as they stand: to make a `Headers` of them costs many
 * times that.
 *
 * @returns null for a response that is none of node-server's, or that somebody looked into
 */
export function withHeaders(response: Response, fill: (table: HeaderTable) => void): Response | null {
  const kept = keptOf(response)
  if (kept === null) return null
  const [status, body, given] = kept
  const table = PlainTable.of(given)
  if (table === null) return null
  // As node-server has it where it makes a Headers.
  if (body !== null && !table.has('content-type')) table.set('content-type', 'text/plain; charset=UTF-8')
  fill(table)
  const Light = response.constructor as typeof Response
  return new Light(body as BodyInit | null, { status, headers: table.fields })
}

function keptOf(response: Response): Kept | null {
  if (lookedAt !== globalThis.Response) {
    lookedAt = globalThis.Response
    keptKey = symbolOf(new lookedAt(''), 'cache')
  }
  if (keptKey === undefined) return null
  const kept = (response as unknown as Record<symbol, unknown>)[keptKey]
  return Array.isArray(kept) && kept.length === 3 && typeof kept[0] === 'number' ? (kept as unknown as Kept) : null
}

/** Headers as a plain object. */
class PlainTable implements HeaderTable {
  readonly fields: Record<string, string> = {}

  /** Null for what only a `Headers` reads rightly: lists, names twice, and what no header can hold. */
  static of(given: unknown): PlainTable | null {
    const table = new PlainTable()
    if (given === undefined || given === null) return table
    if (Object.getPrototypeOf(given) !== Object.prototype) return null
    for (const [name, value] of Object.entries(given as Record<string, unknown>)) {
      const key = name.toLowerCase()
      if (typeof value !== 'string' || !VALUE.test(value) || !NAME.test(key) || key === '__proto__') return null
      if (table.has(key)) return null
      table.set(key, value)
    }
    return table
  }

  get(name: string): string | null {
    return this.fields[name] ?? null
  }

  has(name: string): boolean {
    return Object.hasOwn(this.fields, name)
  }

  set(name: string, value: string): void {
    this.fields[name] = value
  }

  delete(name: string): void {
    if (this.has(name)) delete this.fields[name]
  }
}
