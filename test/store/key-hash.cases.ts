import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { encodePart } from '../../src/store/contract.ts'
import { KeyHash } from '../../src/store/key-hash.ts'
import { type Case, cases } from '../cases.ts'

const KEY = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7)

/** The bytes 00, 00 01, 00 01 02 and so on under the key 00 to 07: vectors_hsip64 of https://github.com/veorq/SipHash, by length. */
const VECTORS = {
  0: '218d1f59b9b83cc8',
  1: 'be552412f8387315',
  2: '064f39ef7c50eb57',
  3: 'ce0f1a45f7060679',
  4: 'd5e78a175be52ea1',
  5: 'cb9d7c3f2f3db580',
  6: 'ce3e91358aa2bc25',
  7: 'ff202728b07bc684',
  8: 'edfee820bce4858c',
  9: '5b51cccc13888307',
  13: '5a2352d75a0c3744',
  16: '7336aad25f7bf3b5',
} as const

/** HalfSipHash-2-4 with 64 bits of output, written from the paper's description in whole words, not from our code. */
function reference(key: Uint8Array, message: Uint8Array): string {
  const words = new DataView(key.buffer, key.byteOffset)
  const [k0, k1] = [words.getUint32(0, true), words.getUint32(4, true)]
  let v = [k0, k1 ^ 0xee, k0 ^ 0x6c796765, k1 ^ 0x74656462] as [number, number, number, number]
  const turn = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits))
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      let [a, b, c, d] = v
      a += b
      b = turn(b, 5) ^ a
      a = turn(a, 16)
      c += d
      d = turn(d, 8) ^ c
      a += d
      d = turn(d, 7) ^ a
      c += b
      b = turn(b, 13) ^ c
      c = turn(c, 16)
      v = [a | 0, b | 0, c | 0, d | 0]
    }
  }
  const filled = new Uint8Array((Math.floor(message.length / 4) + 1) * 4)
  filled.set(message)
  filled[filled.length - 1] = message.length
  const blocks = new DataView(filled.buffer)
  for (let at = 0; at < filled.length; at += 4) {
    v[3] ^= blocks.getUint32(at, true)
    rounds(2)
    v[0] ^= blocks.getUint32(at, true)
  }
  v[2] ^= 0xee
  rounds(4)
  const low = v[1] ^ v[3]
  v[1] ^= 0xdd
  rounds(4)
  return hex(low, v[1] ^ v[3])
}

function hex(low: number, high: number): string {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setInt32(0, low, true)
  view.setInt32(4, high, true)
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function hashed(hash: KeyHash, partition: string, name: string): string {
  hash.of(partition, name)
  return hex(hash.low, hash.high)
}

function framed(text: string): string {
  const raw = text.length <= 64 && [...text].every((char) => char <= '\xff')
  return raw ? text : encodePart(text).padEnd(65, '%')
}

function message(partition: string, name: string): Uint8Array {
  const [first, second] = [framed(name), framed(partition)]
  const text = first.padEnd(255, '\0') + String.fromCharCode(first.length) + second
  return Uint8Array.from(text, (char) => char.charCodeAt(0))
}

const part = fc.oneof(
  fc.string({ maxLength: 70 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom('', 'a', 'a\0', 'é', '%C3%A9', '👩', '%F0%9F%91%A9', 'x'.repeat(64), 'x'.repeat(65), 'x'.repeat(300)),
)

export const keyHashCases: readonly Case[] = cases('KeyHash', {
  'the reference it is held to gives the published vectors': () => {
    for (const [length, expected] of Object.entries(VECTORS)) {
      const bytes = Uint8Array.from({ length: Number(length) }, (_, i) => i)
      assert.equal(reference(KEY, bytes), expected)
    }
  },
  'is HalfSipHash-2-4 of the framed name and partition, whatever came before': () => {
    const parts = fc.array(fc.tuple(part, part), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), parts, (key, pairs) => {
        const hash = new KeyHash(key)
        for (const [partition, name] of [...pairs, ...pairs]) {
          assert.equal(hashed(hash, partition, name), reference(key, message(partition, name)))
        }
      }),
      { seed: 11, numRuns: 300 },
    )
  },
  'keeps names apart that a careless frame would join': () => {
    const texts = ['', 'a', 'aa', 'a\0', '\0a', 'é', '%C3%A9', '👩', '%F0%9F%91%A9', 'x'.repeat(64), 'x'.repeat(65)]
    const hash = new KeyHash(KEY)
    const all = texts.flatMap((partition) => texts.map((name) => hashed(hash, partition, name)))
    assert.equal(new Set(all).size, texts.length ** 2)
  },
  'gives other hashes under another key': () => {
    const other = new KeyHash(KEY.map((byte) => byte ^ 1))
    assert.notEqual(hashed(other, 'address:203.0.113.7', 'n'), hashed(new KeyHash(KEY), 'address:203.0.113.7', 'n'))
  },
  'gives what it gave before, though a hundred names and a refused one came in between': () => {
    const hash = new KeyHash(KEY)
    const first = hashed(hash, 'p', 'n')
    for (let i = 0; i < 100; i++) hash.of('p', `${i}`)
    assert.throws(() => hash.of('\ud800', 'n'), RangeError)
    assert.throws(() => hash.of('p', '\udc00'), RangeError)
    assert.equal(hashed(hash, 'p', 'n'), first)
  },
})
