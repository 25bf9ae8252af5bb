const ENTRY = /^(?:([A-Z]+) )?(\/(?:[A-Za-z0-9._~-]+(?:\/[A-Za-z0-9._~-]+)*)?)(\/\*)?$/
// Only paths that every router reads in one way can be public: no escapes, parameters (;x), empty or dot segments.
const PLAIN_PATH = /^\/(?:[A-Za-z0-9_~-]|\.(?!\.?(?:\/|$)))*(?:\/(?:[A-Za-z0-9_~-]|\.(?!\.?(?:\/|$)))+)*$/

/**
 * A test for paths that need no credential: `/openapi.json` alone, `/health/*` for `/health` and all below it, `GET /x`
 * for one method (`GET` lets `HEAD` through). Case counts, and so does a trailing slash; a path spelled in any doubtful
 * way is private.
 *
 * @throws {TypeError} naming the entry that is none of these.
 */
export function publicPathTest(entries: readonly string[]): (method: string, path: string) => boolean {
  const rules = entries.map((entry) => {
    const match = ENTRY.exec(entry)
    if (!match || entry.includes('//') || (entry.endsWith('*') && !match[3])) {
      throw new TypeError(
        `authenticate(): publicPaths holds ${JSON.stringify(entry)}; write "/path", "/path/*" or "GET /path".`,
      )
    }
    return { method: match[1], path: match[2]!, below: match[3] ? `${match[2]}/` : null }
  })
  return (method, path) =>
    rules.some(
      (rule) =>
        (rule.method === undefined || rule.method === method || (rule.method === 'GET' && method === 'HEAD')) &&
        (path === rule.path || (rule.below !== null && path.startsWith(rule.below))),
    ) && PLAIN_PATH.test(path)
}
