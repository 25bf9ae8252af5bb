import assert from 'node:assert/strict'
import fc from 'fast-check'
import { jsonFault, MAX_DEPTH, MAX_KEYS } from '../../src/validate/scan.ts'
import { type Case, cases } from '../cases.ts'

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

export const scanCases: readonly Case[] = [
  ...cases('VAL-5', {
    'JSON of 64 levels is taken, one more is not': () => {
      assert.equal(jsonFault(nested(MAX_DEPTH)), null)
      assert.match(jsonFault(nested(MAX_DEPTH + 1))!, /deeper than 64/)
      assert.match(jsonFault('{"a":'.repeat(500_000))!, /deeper than 64/)
    },
    'JSON of 10,000 keys is taken, one more is not': () => {
      const keys = (count: number) =>
        JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i])))
      assert.equal(jsonFault(keys(MAX_KEYS)), null)
      assert.match(jsonFault(keys(MAX_KEYS + 1))!, /more than 10000 keys/)
    },
    'one key twice in one object is refused, however it is spelled': () => {
      for (const text of ['{"a":1,"a":2}', '{"a":1 , "\\u0061" :2}', '[{"b":{"a":[],"a":{}}}]'])
        assert.match(jsonFault(text)!, /twice/)
      for (const text of ['{"a":{"a":1},"b":{"a":2}}', '[{"a":1},{"a":1}]', '{"a":"a","b":"a"}'])
        assert.equal(jsonFault(text), null)
    },
    'keys that reach prototypes are refused, values of those names are not': () => {
      for (const text of ['{"__proto__":{}}', '{"a":[{"constructor":1}]}', '{"\\u005f_proto__":1}'])
        assert.match(jsonFault(text)!, /not allowed/)
      assert.equal(jsonFault('{"a":"__proto__","b":["constructor"]}'), null)
    },
    'what JSON.stringify writes is taken, unless it holds such a key': () => {
      fc.assert(
        fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
          const text = JSON.stringify(value)
          assert.equal(jsonFault(text) === null, !/"(?:__proto__|constructor)":/.test(text))
        }),
        { numRuns: 500, seed: 20261121 },
      )
    },
    'it ends on any text, and in time that grows with its length alone': () => {
      fc.assert(
        fc.property(fc.string(), (text) => void jsonFault(text)),
        { numRuns: 2000, seed: 20261121 },
      )
      for (const text of [
        '"'.repeat(1_048_576),
        '\\'.repeat(1_048_576),
        '{'.repeat(1_048_576),
        '"a":'.repeat(262_144),
        ' '.repeat(1_048_576),
      ]) {
        const start = performance.now()
        jsonFault(text)
        assert.ok(performance.now() - start < 2000)
      }
    },
  }),
]
