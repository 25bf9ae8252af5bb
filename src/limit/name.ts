/**
 * Checks what limits are called in headers, events and the store.
 *
 * @throws {TypeError} unless it is 1 to 64 printable ASCII characters without quotes or backslashes.
 */
export function checkName(owner: string, name: unknown): asserts name is string {
  if (typeof name === 'string' && /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}$/.test(name)) return
  throw new TypeError(`${owner}: name must be 1 to 64 printable ASCII characters without quotes or backslashes.`)
}
