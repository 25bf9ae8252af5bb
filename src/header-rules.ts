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

/** Rules that belong together. */
export type HeaderRules = readonly HeaderRule[]

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
 * @param groups rules in groups, as they were given
 * @param held the names of all that the table holds, where they are known: then it need not be asked for others
 */
export function applyRules(
  table: HeaderTable,
  groups: readonly HeaderRules[],
  held: readonly string[] | null = null,
): void {
  for (let g = 0; g < groups.length; g++) {
    const rules = groups[g]!
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!
      const how = rule[2]
      if (how === undefined) table.set(rule[0], rule[1])
      else if (held !== null && !held.includes(rule[0]) && !isNamedBefore(groups, g, i)) {
        if (how !== 'remove') table.set(rule[0], rule[1])
      } else apply(table, rule)
    }
  }
}

function apply(table: HeaderTable, [name, value, how]: HeaderRule): void {
  if (how === 'remove') table.delete(name)
  else if (how === 'append') appendToken(table, name, value)
  else if (how === 'default') {
    if (!table.has(name)) table.set(name, value)
  } else if (!PRIVATE.test(table.get(name) ?? '')) table.set(name, value)
}

/** Whether a rule before this one is about the same header. */
function isNamedBefore(groups: readonly HeaderRules[], group: number, at: number): boolean {
  const name = groups[group]![at]![0]
  for (let g = 0; g <= group; g++) {
    const rules = groups[g]!
    const end = g === group ? at : rules.length
    for (let i = 0; i < end; i++) if (rules[i]![0] === name) return true
  }
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
