import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { foldAccount } from '../../src/limit/account.ts'
import { type Case, cases } from '../cases.ts'

/** Spellings that some database or mail server takes for the first of each row. */
const SPELLINGS: readonly (readonly string[])[] = [
  ['bob@example.com', 'BOB@EXAMPLE.COM', 'Bob@Example.Com', ' bob@example.com', 'bob@example.com ', 'bob@example.com.'],
  ['bob@example.com', 'bob@example.com..', 'bob@example.com. .', '\tbob@example.com\n', '\u00a0bob@example.com\u3000'],
  [
    'bob@example.com',
    'bob＠example.com',
    'ｂｏｂ@example．com',
    'bob@example。com',
    'bob@example｡com',
    'ⓑⓞⓑ@example.com',
  ],
  [
    'bob@example.com',
    'bo\u200bb@example.com',
    'b\u200co\u200db@example.com',
    '\ufeffbob@example.com',
    'bob\u2060@example.com',
  ],
  [
    'bob@example.com',
    '\u202ebob@example.com',
    'bob\u202c@example.com',
    '\u2066bob\u2069@example.com',
    'bob\u200f@example.com',
  ],
  [
    'bob@example.com',
    'bo\u00adb@example.com',
    'bob\ufe0f@example.com',
    'b\u034fob@example.com',
    'bob\u{e0062}@example.com',
  ],
  ['bob@example.com', 'bob\0@example.com', 'bob@exa\u3164mple.com', 'bob\u180e@example.com', 'b\u0336ob@example.com'],
  ['ilik', 'ILIK', 'İLİK', 'ılık', 'Ilık', 'i\u0307lik', 'I\u0307LIK'],
  ['josé', 'jose\u0301', 'JOSÉ', 'jose', 'JOSE\u0301', 'jös\u00e8'],
  ['strasse', 'straße', 'STRASSE', 'STRAẞE', 'ſtraſſe'],
  ['ὀδυσσεύς', 'ΟΔΥΣΣΕΥΣ', 'οδυσσευσ', 'ὈΔΥΣΣΕΎΣ', 'οδυσσευς.', 'ΟΔΥΣΣΕΥΣ\u200b'],
  ['finn', 'ﬁnn', 'FINN', '𝐟𝐢𝐧𝐧', '𝔽𝕀ℕℕ'],
  ['한글', '\u1112\u1161\u11ab\u1100\u1173\u11af', '한 글'],
  ['ガード', 'ｶﾞｰﾄﾞ', 'カ\u3099ート\u3099'],
  ['kelvin', '\u212aelvin'],
]

export const accountCases: readonly Case[] = cases('foldAccount()', {
  'takes a text that no account has by its digest, so that folding it is no work to speak of': () => {
    const long = '\ufdfa'.repeat(100_000)
    assert.match(foldAccount(long), /^~[0-9a-f]{64}$/)
    assert.notEqual(foldAccount(`${long}a`), foldAccount(long))
    assert.equal(foldAccount('A'.repeat(1024)), 'a'.repeat(1024))
  },
  'gives one text for all spellings of an account': () => {
    for (const [first, ...others] of SPELLINGS) {
      for (const other of others) assert.equal(foldAccount(other), foldAccount(first!), JSON.stringify(other))
    }
    assert.equal(foldAccount(' Ｂｏｂ＠example.com.'), 'bob@example.com')
  },
  'keeps accounts apart': () => {
    const accounts = [
      'bob@example.com',
      'rob@example.com',
      'bob@example.org',
      'b.ob@example.com',
      'bob+1@example.com',
      '',
    ]
    const others = [
      'bоb@example.com',
      'ilik',
      'jose',
      'strasse',
      '한글',
      '漢字',
      '.bob@example.com',
      '1',
      '10',
      '\ud83d\ude00',
    ]
    const folded = [...accounts, ...others].map(foldAccount)
    assert.equal(new Set(folded).size, folded.length)
  },
  'of any text is the same for its cases and forms, and for itself': () => {
    const alphabet = [...'ΣσςaAiIİıßẞſﬁéΐΩ한@＠.…。\u0301\u0307\u0345\u200b\u00ad 1', '\ud83d\ude00', '\ud800', 'ｶﾞ']
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 12 }),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const folded = foldAccount(text)
        const forms = (['NFC', 'NFD', 'NFKC', 'NFKD'] as const).map((form) => text.normalize(form))
        for (const other of [folded, text.toLowerCase(), text.toUpperCase(), ...forms, `\u200b ${text} .`]) {
          assert.equal(foldAccount(other), folded, JSON.stringify([text, other]))
        }
        assert.ok(
          folded.isWellFormed() && !/[\s\p{C}]/u.test(folded.replace(/\p{Cn}|\p{Co}/gu, '')),
          JSON.stringify(text),
        )
      }),
      { seed: 5, numRuns: 3000 },
    )
  },
  'of every character is one text in both cases, and never throws': () => {
    for (let code = 0; code < 0x3_0000; code++) {
      const text = String.fromCodePoint(code)
      const folded = foldAccount(text)
      if (foldAccount(folded) !== folded || foldAccount(text.toUpperCase()) !== foldAccount(text.toLowerCase())) {
        assert.fail(code.toString(16))
      }
    }
  },
  'takes no longer than its text is long': () => {
    for (const text of [
      `${'.'.repeat(300_000)}a`,
      '\u0301'.repeat(300_000),
      ' .'.repeat(150_000),
      '\ufdfa'.repeat(20_000),
    ]) {
      const start = performance.now()
      foldAccount(text)
      assert.ok(performance.now() - start < 1000)
    }
  },
})
