import assert from 'node:assert/strict'
import fc from 'fast-check'
import { bearerToken, hostOf, normalAuthority, quotedString, requestAuthority } from '../src/fields.ts'
import { type Case, cases } from './cases.ts'

export const fieldsCases: readonly Case[] = [
  ...cases('quotedString()', {
    'escapes quotes and backslashes, and reads back as the same text': () => {
      // A realm's backslash was once left bare (bearerAuth, silent fix).
      assert.equal(quotedString('a"b\\c'), '"a\\"b\\\\c"')
      fc.assert(
        fc.property(fc.string(), (text) => {
          const quoted = quotedString(text)
          assert.match(quoted, /^"(?:[^"\\]|\\.)*"$/)
          assert.equal(quoted.slice(1, -1).replace(/\\(.)/g, '$1'), text)
        }),
        { seed: 7 },
      )
    },
    'throws for what could leave the header': () => {
      for (const text of ['a\r\nb', '\n', '\u0000', '\u007f', 'é', '\u2028', '\t'])
        assert.throws(() => quotedString(text), RangeError)
    },
  }),
  ...cases('bearerToken()', {
    'takes the scheme in any case and one clean token': () => {
      for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
        assert.deepEqual(bearerToken(`${scheme} a.b-c_d~e+f/g==`), { kind: 'token', token: 'a.b-c_d~e+f/g==' })
      }
    },
    'knows nothing of another scheme, nor of one that only begins alike': () => {
      // CVE-2026-47673: any scheme was once accepted.
      for (const text of [
        null,
        '',
        'Basic abc',
        'Foo abc',
        'Bearerx abc',
        'BearerToken',
        'DPoP abc',
        'abc',
        'Bear er',
        '"Bearer" x',
      ]) {
        assert.deepEqual(bearerToken(text), { kind: 'absent' }, String(text))
      }
    },
    'calls Bearer without one clean token malformed': () => {
      for (const text of [
        'Bearer',
        'Bearer ',
        'Bearer  abc',
        'Bearer\tabc',
        'Bearer abc def',
        'Bearer a,b',
        'Bearer a, Bearer b',
        'Bearer,abc',
        'Bearer é',
        'Bearer a=b',
        'Bearer "abc"',
        'Bearer abc\n',
      ]) {
        assert.deepEqual(bearerToken(text), { kind: 'malformed' }, text)
      }
    },
    'answers any text at once': () => {
      fc.assert(
        fc.property(fc.string({ unit: 'binary' }), (text) => void bearerToken(`Bearer ${text}`)),
        { seed: 8, numRuns: 2000 },
      )
      assert.equal(bearerToken(`Bearer ${'='.repeat(65_536)}!`).kind, 'malformed')
      assert.equal(bearerToken(`Bearer ${'a='.repeat(32_768)}`).kind, 'malformed')
    },
  }),
  ...cases('normalAuthority()', {
    'is lower case, without the standard port': () => {
      assert.equal(normalAuthority('API.Example.com:80', 'http:'), 'api.example.com')
      assert.equal(normalAuthority('api.example.com:443', 'https:'), 'api.example.com')
      assert.equal(normalAuthority('api.example.com:443', 'http:'), 'api.example.com:443')
      assert.equal(normalAuthority('[::1]:08080', 'http:'), '[::1]:8080')
    },
    'is null for what is no authority': () => {
      for (const text of [
        '',
        'a b',
        'user@host',
        'host:',
        'host:x',
        'host:123456',
        'a/b',
        'a,b',
        '::1',
        '[::1',
        'é.example',
        'a\n',
      ]) {
        assert.equal(normalAuthority(text, 'http:'), null, text)
      }
    },
  }),
  ...cases('hostOf()', {
    'drops the port alone': () => {
      assert.equal(hostOf('localhost:8787'), 'localhost')
      assert.equal(hostOf('[::1]:8787'), '[::1]')
      assert.equal(hostOf('[::1]'), '[::1]')
    },
  }),
  ...cases('requestAuthority()', {
    'is what URL and Host agree on': () => {
      assert.equal(requestAuthority('http://localhost:8787/x', 'LOCALHOST:8787'), 'localhost:8787')
      assert.equal(requestAuthority('https://a.example/x', 'a.example:443'), 'a.example')
      assert.equal(requestAuthority('http://a.example/x', null), 'a.example')
    },
    'is null when they differ or name nobody': () => {
      assert.equal(requestAuthority('http://localhost/x', 'evil.example'), null)
      assert.equal(requestAuthority('http://localhost:1/x', 'localhost:2'), null)
      assert.equal(requestAuthority('http://localhost/x', 'localhost, evil.example'), null)
      assert.equal(requestAuthority('http://localhost/x', ''), null)
    },
    // CVE-2026-47676: `?`, `#` and `@` in the authority.
    'is not fooled by an authority that ends in another way': () => {
      assert.equal(requestAuthority('http://a.example?@evil.example/', null), 'a.example')
      assert.equal(requestAuthority('http://a.example#@evil.example/', null), 'a.example')
      assert.equal(requestAuthority('http://a.example@evil.example/', null), null)
      assert.equal(requestAuthority('http://a.example\\@evil.example/', null), null)
    },
  }),
]
