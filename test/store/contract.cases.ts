import { strict as assert } from 'node:assert'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import {
  checkExpiry,
  decodeName,
  encodeListedName,
  encodePart,
  encodeValue,
  isHashed,
  isPending,
  type Json,
  MAX_VALUE_BYTES,
} from '../../src/store/contract.ts'
import { type Case, cases } from '../cases.ts'

const text = fc.string({ unit: 'binary', maxLength: 80 })

export const contractCases: readonly Case[] = [
  ...cases('encodePart()', {
    'is encodeURIComponent for short parts': () => {
      for (const part of ['', 'a', "it's", 'a/b', 'é', '\u0000', '👩‍🚀'])
        assert.equal(encodePart(part), encodeURIComponent(part))
    },
    'keeps 199 bytes and hashes 200': () => {
      assert.equal(encodePart('x'.repeat(199)), 'x'.repeat(199))
      const digest = createHash('sha256').update('x'.repeat(200)).digest('hex')
      assert.equal(encodePart('x'.repeat(200)), `${'x'.repeat(100)}%~${digest}`)
    },
    'counts encoded bytes': () => {
      assert.equal(isHashed(encodePart('é'.repeat(33))), false)
      assert.equal(isHashed(encodePart('é'.repeat(34))), true)
    },
    'gives plain ASCII of at most 199 bytes without a separator, and distinct parts distinct texts': () => {
      const long = fc.string({ unit: 'binary', minLength: 100, maxLength: 400 })
      const part = fc.oneof(text, long)
      fc.assert(
        fc.property(part, part, (a, b) => {
          assert.match(encodePart(a), /^[A-Za-z0-9_.!~*'()%-]{0,199}$/)
          assert.equal(encodePart(a) === encodePart(b), a === b)
        }),
        { seed: 1, numRuns: 300 },
      )
    },
    'keeps long parts apart that differ at the end alone': () => {
      assert.notEqual(encodePart(`${'x'.repeat(500)}a`), encodePart(`${'x'.repeat(500)}b`))
    },
    'throws RangeError for a lone surrogate': () => {
      for (const lone of ['\ud800', 'a\udfff', `${'x'.repeat(300)}\ud800`])
        assert.throws(() => encodePart(lone), RangeError)
    },
  }),
  ...cases('encodeListedName()', {
    'is undone by decodeName()': () => {
      fc.assert(
        fc.property(fc.string({ unit: 'binary', maxLength: 16 }), (name) => {
          assert.equal(decodeName(encodeListedName(name)), name)
        }),
        { seed: 2, numRuns: 300 },
      )
    },
    'keeps a prefix a prefix': () => {
      fc.assert(
        fc.property(
          fc.string({ unit: 'binary', maxLength: 8 }),
          fc.string({ unit: 'binary', maxLength: 8 }),
          (a, b) => {
            assert.ok(encodeListedName(a + b).startsWith(encodeListedName(a)))
          },
        ),
        { seed: 3, numRuns: 300 },
      )
    },
    'throws RangeError for a name over 199 bytes': () => {
      assert.equal(encodeListedName('x'.repeat(199)).length, 199)
      assert.throws(() => encodeListedName('x'.repeat(200)), RangeError)
    },
  }),
  ...cases('encodeValue()', {
    'takes 48 KiB of JSON and no byte more': () => {
      assert.equal(encodeValue('x'.repeat(MAX_VALUE_BYTES - 2)).length, MAX_VALUE_BYTES)
      assert.throws(() => encodeValue('x'.repeat(MAX_VALUE_BYTES - 1)), RangeError)
    },
    'counts UTF-8, not UTF-16': () => {
      const wide = '€'.repeat((MAX_VALUE_BYTES - 2) / 3 - 1)
      assert.equal(encodeValue(`${wide}xy`).length, wide.length + 4)
      assert.throws(() => encodeValue(`${wide}xxxxx`), RangeError)
    },
    'throws TypeError for what has no JSON': () => {
      for (const bad of [undefined, () => 1, Symbol('s'), 1n]) {
        assert.throws(() => encodeValue(bad as unknown as Json), TypeError)
      }
    },
  }),
  ...cases('checkExpiry()', {
    'takes null and whole milliseconds alone': () => {
      for (const good of [null, 0, -1, 1.78e12, Number.MAX_SAFE_INTEGER]) checkExpiry(good)
      for (const bad of [Number.NaN, 0.5, Number.POSITIVE_INFINITY, 2 ** 53]) {
        assert.throws(() => checkExpiry(bad), RangeError)
      }
    },
  }),
  ...cases('isPending()', {
    'knows promises and thenables from values': () => {
      // biome-ignore-start lint/suspicious/noThenProperty: an RPC promise of workerd is a function with a then.
      const thenable = Object.assign(() => 0, { then: () => 0 }) as unknown as PromiseLike<number>
      for (const pending of [Promise.resolve(1), thenable]) assert.equal(isPending(pending), true)
      for (const value of [null, undefined, 0, '', true, {}, [], { then: 1 }]) assert.equal(isPending(value), false)
      // biome-ignore-end lint/suspicious/noThenProperty: as above
    },
  }),
]
