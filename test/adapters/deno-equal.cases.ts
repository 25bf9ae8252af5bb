import assert from 'node:assert/strict'
import fc from 'fast-check'
import { equal } from '../../adapters/deno/equal.ts'
import { type Case, cases } from '../cases.ts'

const DIGEST = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'

export const denoEqualCases: readonly Case[] = cases('equal() on Deno', {
  'a digest that is wrong at one place is not taken, wherever that is and whatever stands there': () => {
    for (let at = 0; at < DIGEST.length; at++) {
      for (let code = 0; code < 128; code++) {
        const guess = DIGEST.slice(0, at) + String.fromCharCode(code) + DIGEST.slice(at + 1)
        assert.equal(equal(DIGEST, guess), DIGEST.charCodeAt(at) === code, guess)
      }
    }
  },
  'a text is not taken for one that it begins, nor nothing for anything': () => {
    assert.equal(equal('', ''), true)
    for (const other of ['', 'a', DIGEST.slice(1), `${DIGEST}0`, `${DIGEST}\0`]) {
      assert.equal(equal(DIGEST, other), false)
      assert.equal(equal(other, DIGEST), false)
    }
  },
  'texts are equal where their UTF-8 bytes are, all bits of a byte included': () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'á', '\u0080', '\u00c0', '€', '😀'), maxLength: 3 })
    fc.assert(fc.property(text, text, (a, b) => equal(a, b) === (a === b) && equal(a, a)))
  },
})
