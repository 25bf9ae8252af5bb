import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fromBase64Url, fromHex, randomBytes, toBase64Url, toHex, utf8 } from '../src/bytes.ts'
import { type Case, cases } from './cases.ts'

const anyBytes = fc.uint8Array({ maxLength: 100 })

export const bytesCases: readonly Case[] = [
  ...cases('toHex()', {
    'comes back through fromHex(), in either case': () => {
      fc.assert(
        fc.property(anyBytes, (bytes) => {
          assert.deepEqual([...fromHex(toHex(bytes))!], [...bytes])
          assert.deepEqual([...fromHex(toHex(bytes).toUpperCase())!], [...bytes])
        }),
        { seed: 1 },
      )
    },
    'writes lower case with leading zeros': () => {
      assert.equal(toHex(Uint8Array.of(0, 1, 0xab, 0xff)), '0001abff')
    },
  }),
  ...cases('fromHex()', {
    'is null for what is no hexadecimal text': () => {
      for (const text of ['0', 'abc', '0g', ' 00', '00\n', '0x00', '-1', '٠٠']) assert.equal(fromHex(text), null, text)
      assert.deepEqual([...fromHex('')!], [])
    },
  }),
  ...cases('toBase64Url()', {
    'comes back through fromBase64Url(), unpadded and URL-safe': () => {
      fc.assert(
        fc.property(anyBytes, (bytes) => {
          const text = toBase64Url(bytes)
          assert.match(text, /^[A-Za-z0-9_-]*$/)
          assert.deepEqual([...fromBase64Url(text)!], [...bytes])
        }),
        { seed: 2 },
      )
    },
    'gives the vectors of RFC 4648 section 10': () => {
      const vectors = { '': '', f: 'Zg', fo: 'Zm8', foo: 'Zm9v', foob: 'Zm9vYg', fooba: 'Zm9vYmE', foobar: 'Zm9vYmFy' }
      for (const [text, encoded] of Object.entries(vectors)) assert.equal(toBase64Url(utf8(text)), encoded)
      assert.equal(toBase64Url(Uint8Array.of(0xfb, 0xff)), '-_8')
    },
  }),
  ...cases('fromBase64Url()', {
    'takes the canonical spelling alone, so that no two texts give the same bytes': () => {
      assert.deepEqual([...fromBase64Url('Zg')!], [0x66])
      for (const text of ['Zh', 'Zg==', 'Zg=', 'Z', 'Zm8/', 'Zm8+', 'Zm 8', 'Zm8\n', 'Zm9', 'é'])
        assert.equal(fromBase64Url(text), null, text)
    },
  }),
  ...cases('randomBytes()', {
    'gives as many bytes as asked, anew each time': () => {
      assert.equal(randomBytes(32).length, 32)
      assert.notEqual(toHex(randomBytes(32)), toHex(randomBytes(32)))
    },
  }),
  ...cases('utf8()', {
    'encodes beyond ASCII': () => {
      assert.deepEqual([...utf8('é€😀')], [0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80])
    },
  }),
]
