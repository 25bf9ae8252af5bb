import type { HeaderTable } from '../../src/header-rules.ts'
import { symbolOf } from '../symbol-of.ts'
import { isKnownDeno } from './known-version.ts'

/** A header as Deno keeps it. */
type Field = readonly [name: string, value: string]

/** Where Deno keeps what `Headers` are made of; it exports no names for it. */
interface Keys {
  readonly list: symbol
  readonly lowerNames: symbol
  readonly guard: symbol
}

/** What `Headers` take as it stands: visible Latin-1, with spaces and tabs inside. */
const VALUE = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/

/** Null where Deno keeps headers otherwise; undefined until somebody asks. */
let known: Keys | null | undefined

/**
 * The headers of a response as the list that Deno makes of them: `Headers` read each name and value letter by letter, and go through
 * all that there are for each.
 *
 * @returns null where this Deno is not known to keep one, or the headers must not change.
 */
export function headerTable(response: Response): HeaderTable | null {
  if (known === undefined) known = findKeys()
  if (known === null) return null
  const headers = response.headers as unknown as Record<symbol, unknown>
  const list = headers[known.list]
  if (!Array.isArray(list) || headers[known.guard] !== 'response') return null
  // Deno makes them anew where they are missing.
  headers[known.lowerNames] = null
  return new ListTable(list as Field[])
}

function findKeys(): Keys | null {
  if (!isKnownDeno()) return null
  const headers = new Headers()
  const list = symbolOf(headers, 'header list')
  const lowerNames = symbolOf(headers, 'lowercase header names')
  const guard = symbolOf(headers, 'guard')
  return list && lowerNames && guard ? { list, lowerNames, guard } : null
}

class ListTable implements HeaderTable {
  readonly #list: Field[]

  constructor(list: Field[]) {
    this.#list = list
  }

  get(name: string): string | null {
    let values: string | null = null
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 1)) {
      const value = this.#list[at]![1]
      values = values === null ? value : `${values}, ${value}`
    }
    return values
  }

  has(name: string): boolean {
    return this.#find(name, 0) >= 0
  }

  /** @throws {TypeError} for a value that no header can hold. */
  set(name: string, given: string): void {
    const value = VALUE.test(given) ? given : normal(given)
    const at = this.#find(name, 0)
    if (at < 0) {
      this.#list.push([name, value])
      return
    }
    this.#list[at] = [name, value]
    this.#removeFrom(name, at + 1)
  }

  delete(name: string): void {
    this.#removeFrom(name, 0)
  }

  #removeFrom(name: string, start: number): void {
    for (let at = this.#find(name, start); at >= 0; at = this.#find(name, at)) this.#list.splice(at, 1)
  }

  #find(name: string, start: number): number {
    for (let at = start; at < this.#list.length; at++) {
      const held = this.#list[at]![0]
      if (held === name || (held.length === name.length && held.toLowerCase() === name)) return at
    }
    return -1
  }
}

/** As `Headers` take a value: without the white space around it. */
function normal(given: string): string {
  const value = given.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
  if (VALUE.test(value)) return value
  throw new TypeError('A header value holds what cannot be sent.')
}
