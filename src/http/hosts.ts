import { hostOf, normalAuthority } from '../fields.ts'

/**
 * A test for the app's own host names, ports aside.
 *
 * @throws {TypeError} for an entry that is no plain host name, such as a pattern or URL.
 */
export function hostTest(hosts: readonly string[]): (authority: string) => boolean {
  const allowed = new Set(
    hosts.map((host) => {
      const normal = normalAuthority(host, 'http:')
      if (normal === null || hostOf(normal) !== normal) {
        throw new TypeError(
          `security(): hosts holds ${JSON.stringify(host)}; write plain host names, such as "api.example.com", without port or pattern.`,
        )
      }
      return normal
    }),
  )
  return (authority) => allowed.has(hostOf(authority))
}
