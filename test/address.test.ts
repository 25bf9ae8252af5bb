import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeAddress } from '../src/address.ts'

/** As Node reads and writes an address of IPv6: `net` takes it, and `URL` has the canonical form. */
function asNode(text: string): string | null {
  if (!isIPv6(text)) return null
  const written = new URL(`http://[${text}]/`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(written)
  if (!mapped) return written
  const halves = mapped.slice(1).map((hex) => Number.parseInt(hex, 16))
  return halves.flatMap((half) => [half >> 8, half & 255]).join('.')
}

const group = fc.constantFrom('0', '0000', '1', 'a0', 'FFFF', 'ffff', 'db8', '12345', 'g')
const joined = (maxLength: number) => fc.array(group, { maxLength }).map((groups) => groups.join(':'))
const part = fc.oneof(group, fc.constantFrom(':', ':', ':', '::', '.', '1.2.3.4', '01.2.3.4', '1.2.3', '1.2.3.256'))
const texts = fc.oneof(
  fc.ipV6(),
  joined(9),
  fc.tuple(joined(7), joined(7)).map((ends) => ends.join('::')),
  fc.tuple(joined(7), fc.constantFrom(':', '::'), fc.ipV4()).map((parts) => parts.join('')),
  fc.array(part, { maxLength: 17 }).map((parts) => `:${parts.join('')}`),
)

test('an address of IPv6 is taken where Node takes it, and written in the one canonical form', () => {
  let taken = 0
  fc.assert(
    fc.property(texts, (text) => {
      const ip = asNode(text)
      taken += Number(ip !== null)
      expect(makeAddress(text, 'socket').ip, text).toBe(ip)
    }),
    { numRuns: 10_000, seed: 18 },
  )
  expect(taken).toBeGreaterThan(2000)
  expect(taken).toBeLessThan(8000)
})
