/**
 * What becomes of one header when the answer leaves: its name, lower case, its value, and how. A pair alone replaces the
 * handler's value; `default` yields to it, `append` adds to its list, `remove` takes it away, `unless-private` replaces it but
 * where it keeps the answer out of shared caches.
 */
export type HeaderRule = readonly [
  name: string,
  value: string,
  how?: 'default' | 'append' | 'remove' | 'unless-private',
]

/** The headers of an answer, however a runtime holds them; names are lower case. `Headers` is one. */
export interface HeaderTable {
  get(name: string): string | null
  has(name: string): boolean
  set(name: string, value: string): void
  delete(name: string): void
}

const PRIVATE = /(?:^|[\s,])(?:no-store|private)(?:$|[\s,])/i

/**
 * Applies rules in their order: a later one has the last word.
 *
 * @param holdsNone whether the table holds none of the headers that the rules name: then it need not be asked
 */
export function applyRules(table: HeaderTable, rules: readonly HeaderRule[], holdsNone = false): void {
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!
    const name = rule[0]
    const value = rule[1]
    const how = rule[2]
    if (how === undefined) table.set(name, value)
    else if (holdsNone && !isNamed(rules, i, name)) {
      if (how !== 'remove') table.set(name, value)
    } else if (how === 'remove') table.delete(name)
    else if (how === 'append') appendToken(table, name, value)
    else if (how === 'default') {
      if (!table.has(name)) table.set(name, value)
    } else if (!PRIVATE.test(table.get(name) ?? '')) table.set(name, value)
  }
}

/** Whether one of the first rules is about this header. */
function isNamed(rules: readonly HeaderRule[], before: number, name: string): boolean {
  for (let i = 0; i < before; i++) if (rules[i]![0] === name) return true
  return false
}

/** Adds a token to a list header such as `Vary`, unless it stands there. */
function appendToken(table: HeaderTable, name: string, token: string): void {
  const present = table.get(name)
  if (!present) {
    table.set(name, token)
    return
  }
  const tokens = present.split(',').map((one) => one.trim().toLowerCase())
  if (!tokens.includes(token.toLowerCase()) && !tokens.includes('*')) table.set(name, `${present}, ${token}`)
}
