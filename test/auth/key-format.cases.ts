import assert from 'node:assert/strict'
import fc from 'fast-check'
import { checkApiKey, digestApiKey, makeApiKey } from '../../src/auth/key-format.ts'
import { type Case, cases } from '../cases.ts'

export const keyFormatCases: readonly Case[] = [
  ...cases('KEY-8', {
    'a made key has its prefix, 43 characters of secret and 6 of checksum, and checks as valid': () => {
      const keys = Array.from({ length: 300 }, () => makeApiKey())
      for (const key of keys) {
        assert.match(key, /^hnb_[0-9A-Za-z]{49}$/)
        assert.equal(checkApiKey(key), 'valid')
      }
      assert.equal(new Set(keys).size, 300)
    },
    'a made key spreads over all of its 256 bits': () => {
      // Each of 43 base62 characters must vary; the first has values for 2^256 alone.
      const seen = Array.from({ length: 43 }, () => new Set<string>())
      for (let i = 0; i < 500; i++)
        for (const [at, char] of [...makeApiKey().slice(4, 47)].entries()) seen[at]!.add(char)
      assert.ok(seen.slice(1).every((chars) => chars.size >= 55))
      assert.ok(seen[0]!.size >= 40)
    },
    'a made key takes a prefix of its owner': () => {
      assert.match(makeApiKey('acme'), /^acme_/)
      assert.equal(checkApiKey(makeApiKey('acme')), 'valid')
    },
    'a prefix that a scanner could not tell is refused': () => {
      for (const prefix of ['', 'a', 'A1', '1a', 'a_b', 'a-b', 'a'.repeat(17), 'é1'])
        assert.throws(() => makeApiKey(prefix), RangeError, prefix)
    },
    'any one changed character is told from a wrong key': () => {
      fc.assert(
        fc.property(fc.nat(52), fc.constantFrom(...'0aZ'), (at, char) => {
          const key = makeApiKey()
          const changed = key.slice(0, at) + char + key.slice(at + 1)
          if (changed !== key) assert.notEqual(checkApiKey(changed), 'valid')
          if (changed !== key && at >= 4) assert.equal(checkApiKey(changed), 'mistyped')
        }),
        { seed: 10, numRuns: 500 },
      )
    },
    'two swapped neighbours are told from a wrong key': () => {
      const key = makeApiKey()
      for (let at = 4; at < 52; at++) {
        const swapped = key.slice(0, at) + key[at + 1]! + key[at]! + key.slice(at + 2)
        if (swapped !== key) assert.equal(checkApiKey(swapped), 'mistyped')
      }
    },
    'the checksum is the CRC-32 of zlib in base62': () => {
      // crc32('hnb_' + '0' * 43), by zlib.
      const body = `hnb_${'0'.repeat(43)}`
      assert.equal(checkApiKey(`${body}0EmmSJ`), 'valid')
      assert.equal(checkApiKey(`${body}000000`), 'mistyped')
    },
  }),
  ...cases('checkApiKey()', {
    'calls anything of another shape foreign': () => {
      const key = makeApiKey()
      for (const text of [
        '',
        'hunter2',
        key.slice(1),
        `${key}0`,
        `${key}\n`,
        ` ${key}`,
        key.replace('_', '-'),
        `sk-${'a'.repeat(48)}`,
        key.slice(0, -1),
      ]) {
        assert.equal(checkApiKey(text) === 'valid', false, JSON.stringify(text))
      }
      assert.equal(checkApiKey('hunter2'), 'foreign')
      assert.equal(checkApiKey(`${key}\n`), 'foreign')
    },
  }),
  ...cases('digestApiKey()', {
    'is the SHA-256 of the text in hex': () => {
      assert.equal(digestApiKey('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    },
  }),
]
