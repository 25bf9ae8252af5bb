import assert from 'node:assert/strict'
import { toHex, utf8 } from '../../src/bytes.ts'
import { sha256Hex } from '../../src/crypto/hash.ts'
import { type Case, cases } from '../cases.ts'

// FIPS 180-2, appendix B, and the empty message.
const VECTORS: readonly (readonly [text: string, digest: string])[] = [
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
]

export const hashCases: readonly Case[] = cases('sha256Hex()', {
  'gives the digests of FIPS 180': () => {
    for (const [text, digest] of VECTORS) assert.equal(sha256Hex(text), digest)
  },
  'gives what WebCrypto gives, at every length around a block': async () => {
    for (let length = 50; length < 135; length++) {
      const text = 'é'.repeat(length % 7) + 'x'.repeat(length)
      assert.equal(sha256Hex(text), toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(text)))))
    }
  },
})
