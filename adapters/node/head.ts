import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { HeaderTable } from '../../src/header-rules.ts'

type Head = [message?: string | Fields, fields?: Fields]
type Fields = OutgoingHttpHeaders | readonly OutgoingHttpHeader[]

/**
 * Has `complete` called with the headers of an answer as it leaves. As long as nobody looks at the headers of its Response,
 * `@hono/node-server` sends a plain object of them: to fill that in costs a small part of what a `Headers` costs.
 *
 * @returns false where they must be written on the Response itself: it is none that the app made, or its head was sent
 */
export function completeHead(c: Context, complete: (table: HeaderTable) => void): boolean {
  const outgoing = (c.env as Partial<HttpBindings>).outgoing as ServerResponse | undefined
  if (outgoing === undefined || outgoing.headersSent) return false
  // A fetched response is none of node-server's, and may be one that cannot be sent: to copy it shows that.
  if (Object.getPrototypeOf(c.res) !== Response.prototype) return false
  const writeHead = outgoing.writeHead as (...head: [status: number, ...Head]) => ServerResponse
  outgoing.writeHead = (status: number, ...head: Head): ServerResponse => {
    outgoing.writeHead = writeHead
    const [message, given] = typeof head[0] === 'string' ? [head[0], head[1]] : [undefined, head[0]]
    const table = new PlainTable(given)
    complete(table)
    if (message === undefined) return writeHead.call(outgoing, status, table.fields)
    return writeHead.call(outgoing, status, message, table.fields)
  }
  return true
}

/** Headers as Node takes them. */
class PlainTable implements HeaderTable {
  readonly fields: OutgoingHttpHeaders = {}

  /** @param given what a handler or server wrote: an object, or a list of names and values in turn */
  constructor(given: Fields | undefined) {
    if (given === undefined) return
    if (isList(given)) {
      for (let i = 0; i + 1 < given.length; i += 2) this.#add(String(given[i]), given[i + 1]!)
    } else {
      for (const name in given) {
        const value = given[name]
        if (value !== undefined) this.fields[name.toLowerCase()] = value
      }
    }
  }

  get(name: string): string | null {
    const value = this.fields[name]
    if (value === undefined) return null
    return Array.isArray(value) ? value.join(', ') : String(value)
  }

  has(name: string): boolean {
    return this.fields[name] !== undefined
  }

  set(name: string, value: string): void {
    this.fields[name] = value
  }

  delete(name: string): void {
    if (this.fields[name] !== undefined) delete this.fields[name]
  }

  #add(name: string, value: OutgoingHttpHeader): void {
    const key = name.toLowerCase()
    const before = this.fields[key]
    this.fields[key] = before === undefined ? value : [before, value].flat().map(String)
  }
}

function isList(fields: Fields): fields is readonly OutgoingHttpHeader[] {
  return Array.isArray(fields)
}
