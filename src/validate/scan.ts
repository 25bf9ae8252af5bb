/** Deepest nesting of a JSON body. */
export const MAX_DEPTH = 64
/** Most keys of a JSON body, in all its objects together. */
export const MAX_KEYS = 10_000

/** One open object or array: the keys seen in an object, null for an array. */
type Open = string[] | Set<string> | null

/** So many keys are compared one by one, as most objects have no more; to make a Set costs more than that. */
const FEW_KEYS = 16

/**
 * Why a JSON text is not taken though a parser might take it, or null. Stops nesting that breaks recursive code, floods of
 * keys, a key twice in one object (two readers may each see another value) and keys that reach prototypes. It looks at
 * strings and brackets alone, once, and leaves it to the parser to tell whether the text is JSON.
 */
export function jsonFault(text: string): string | null {
  const open: Open[] = []
  let keys = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: {
        const end = endOfString(text, i)
        const inside = open[open.length - 1]
        if (inside && isKey(text, end)) {
          keys += 1
          if (keys > MAX_KEYS) return `It holds more than ${MAX_KEYS} keys.`
          const key = keyOf(text.slice(i, end))
          if (key === '__proto__' || key === 'constructor') return 'It holds a key that is not allowed.'
          if (!isNew(key, inside)) return 'It holds one key twice.'
          if (Array.isArray(inside) && inside.length > FEW_KEYS) open[open.length - 1] = new Set(inside)
        }
        i = end - 1
        break
      }
      case 0x7b:
        open.push([])
        break
      case 0x5b:
        open.push(null)
        break
      case 0x7d:
      case 0x5d:
        open.pop()
        break
    }
    if (open.length > MAX_DEPTH) return `It is nested deeper than ${MAX_DEPTH} levels.`
  }
  return null
}

/** Takes a key in, unless it was seen. */
function isNew(key: string, seen: string[] | Set<string>): boolean {
  if (!Array.isArray(seen)) return seen.size < seen.add(key).size
  if (seen.includes(key)) return false
  seen.push(key)
  return true
}

/** The place behind the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  const quote = text.indexOf('"', start + 1)
  if (quote < 0) return text.length
  if (text.charCodeAt(quote - 1) !== 0x5c) return quote + 1
  // With escapes it is read unit by unit.
  for (let i = start + 1; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === 0x5c) i += 1
    else if (unit === 0x22) return i + 1
  }
  return text.length
}

/** Whether the string that ends here is a key: a colon follows. */
function isKey(text: string, end: number): boolean {
  let i = end
  while (i < text.length && text.charCodeAt(i) <= 0x20) i++
  return text.charCodeAt(i) === 0x3a
}

function keyOf(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1)
  try {
    return JSON.parse(quoted) as string
  } catch {
    return quoted
  }
}
