const OTHER_RUNTIMES = /^(Bun|Deno|Cloudflare-Workers)/

/**
 * How often a case repeats what costs the same on every runtime: all of it where a number is promised, on Node, and less on
 * the others, which show that the code does the same there. Names of cases tell the whole number. A runtime that does not
 * say which it is gets all of it.
 */
export function volume(whole: number, elsewhere: number): number {
  return OTHER_RUNTIMES.test(navigator.userAgent) ? elsewhere : whole
}
