import assert from 'node:assert/strict'
import { hkdf as nobleHkdf } from '@noble/hashes/hkdf.js'
import { pbkdf2 as noblePbkdf2 } from '@noble/hashes/pbkdf2.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { hkdf, MAX_PBKDF2_ITERATIONS, PBKDF2_ITERATIONS, pbkdf2 } from '../../src/crypto/kdf.ts'
import { type Case, cases } from '../cases.ts'

const hex = (text: string): Uint8Array<ArrayBuffer> => fromHex(text)!

export const kdfCases: readonly Case[] = [
  ...cases('hkdf()', {
    'gives the vector of RFC 5869 appendix A.3': async () => {
      // A.1 and A.2 have an info that is no UTF-8 text, which this function does not take.
      const okm = await hkdf(new Uint8Array(22).fill(0x0b), new Uint8Array(), '', 42)
      assert.equal(toHex(okm), '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8')
    },
    'gives what noble gives, for any info': async () => {
      const secret = hex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f')
      const salt = hex('606162636465666768696a6b6c6d6e6f')
      for (const info of ['', 'a', 'hinoban credential vault v1', 'é€😀', 'x'.repeat(300)]) {
        for (const length of [4, 32, 42]) {
          assert.equal(
            toHex(await hkdf(secret, salt, info, length)),
            toHex(nobleHkdf(sha256, secret, salt, utf8(info), length)),
          )
        }
      }
    },
  }),
  ...cases('pbkdf2()', {
    'gives the vectors of RFC 7914 section 11': async () => {
      assert.equal(
        toHex(await pbkdf2('passwd', utf8('salt'), 1)),
        '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc',
      )
      assert.equal(
        toHex(await pbkdf2('Password', utf8('NaCl'), 80_000)),
        '4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56',
      )
    },
    'gives what noble gives, by either hash': async () => {
      const salt = hex('00112233445566778899aabbccddeeff')
      for (const [name, hash] of [
        ['SHA-256', sha256],
        ['SHA-512', sha512],
      ] as const) {
        const expected = noblePbkdf2(hash, utf8('pässword'), salt, { c: 100, dkLen: 32 })
        assert.equal(toHex(await pbkdf2('pässword', salt, 100, name)), toHex(expected))
      }
      assert.deepEqual(await pbkdf2('p', salt, 10), await pbkdf2('p', salt, 10, 'SHA-256'))
    },
    'refuses a count that would only keep the server busy, or is none': async () => {
      // CVE-2022-36083: a count from the input is capped.
      for (const count of [
        MAX_PBKDF2_ITERATIONS + 1,
        1e12,
        0,
        -1,
        1.5,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        '1000' as never,
      ]) {
        await assert.rejects(pbkdf2('p', new Uint8Array(16), count), RangeError)
      }
      assert.equal(MAX_PBKDF2_ITERATIONS, 2_000_000)
      assert.ok(PBKDF2_ITERATIONS >= 600_000)
    },
  }),
]
