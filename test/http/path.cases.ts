import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Hono } from 'hono'
import { pathFault, urlFault } from '../../src/http/path.ts'
import { type Case, cases } from '../cases.ts'
import { rawRequest, secured } from '../support/fixtures.ts'

const ACCEPTED = [
  '/',
  '/a',
  '/a/',
  '/a/b.c',
  '/.well-known/x',
  '/a/..b',
  '/a/b..',
  '/...',
  '/a;b',
  '/a:b@c',
  "/a!$&'()*+,=b",
  '/caf%C3%A9',
  '/caf%c3%a9',
  '/%F0%9F%98%80',
  '/a%20b',
  '/a%3Fb',
  '/a%23b',
  '/a%3Bb',
  '/%E2%80%AE',
]

const REFUSED: readonly (readonly [path: string, fault: string])[] = [
  ['', 'not_absolute'],
  ['a', 'not_absolute'],
  ['*', 'not_absolute'],
  ['//', 'empty_segment'],
  // CVE-2026-39406, GHSA-x732-6j76-qmhm: `//admin` misses `/admin/*`.
  ['//admin', 'empty_segment'],
  ['/a//b', 'empty_segment'],
  ['/a/b//', 'empty_segment'],
  ['/.', 'dot_segment'],
  ['/..', 'dot_segment'],
  ['/a/./b', 'dot_segment'],
  ['/health/../api', 'dot_segment'],
  ['/a/..', 'dot_segment'],
  // GHSA-3mpf-rcc7-5347: encoded dots.
  ['/%2e%2e/api', 'encoded_unreserved'],
  ['/a/%2E./b', 'encoded_unreserved'],
  ['/a/.%2e', 'encoded_unreserved'],
  ['/%61dmin', 'encoded_unreserved'],
  ['/a%7Eb', 'encoded_unreserved'],
  // CVE-2026-29045: a handler decodes %2F after the guard matched the raw path.
  ['/a%2Fb', 'encoded_slash'],
  ['/a%2fb', 'encoded_slash'],
  ['/..%2fetc', 'encoded_slash'],
  // GHSA-wwfh-h76j-fc44
  ['/a%5Cb', 'encoded_slash'],
  ['/a%5cb', 'encoded_slash'],
  ['/a\\b', 'control_or_backslash'],
  ['/a b', 'control_or_backslash'],
  ['/a\tb', 'control_or_backslash'],
  ['/a\u0000', 'control_or_backslash'],
  ['/a\u007f', 'control_or_backslash'],
  ['/a%00', 'encoded_control'],
  ['/a%0d%0ab', 'encoded_control'],
  ['/a%7F', 'encoded_control'],
  ['/a%C2%85', 'encoded_control'],
  ['/%252e', 'double_encoding'],
  ['/a%25', 'double_encoding'],
  ['/%', 'broken_escape'],
  ['/%4', 'broken_escape'],
  ['/%zz', 'broken_escape'],
  ['/%FF', 'broken_escape'],
  ['/%C0%AF', 'broken_escape'],
  ['/%C0%AE%C0%AE', 'broken_escape'],
  ['/%ED%A0%80', 'broken_escape'],
  ['/%E2%82', 'broken_escape'],
]

const character = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...'abzAZ09-_~') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('é', '€', '😀', ' ', '?', '#', ';', ':', '@', '=', '&', '+', '"', '<', '[', '|'),
  },
)
const segment = fc.array(character, { minLength: 1, maxLength: 8 }).map((chars) => chars.join(''))
const segments = fc.array(segment, { minLength: 1, maxLength: 4 })

function canonical(parts: readonly string[]): string {
  return `/${parts.map(encodeURIComponent).join('/')}`
}

const mutation = fc.constantFrom<(path: string) => string>(
  (path) => `/${path}`,
  (path) => `${path}//`,
  (path) => `${path}/.`,
  (path) => `${path}/..`,
  (path) => `/.${path}`,
  (path) => `/..${path}`,
  (path) => `${path}/%2e%2e`,
  (path) => `${path}/%2E`,
  (path) => `${path}%2F`,
  (path) => `${path}%2f..`,
  (path) => `${path}%5C`,
  (path) => `${path}\\`,
  (path) => `${path}%00`,
  (path) => `${path}%0A`,
  (path) => `${path}%`,
  (path) => `${path}%4`,
  (path) => `${path}%FF`,
  (path) => `${path}%C0%AF`,
  (path) => path.replaceAll('%', '%25') + (path.includes('%') ? '' : '%25'),
  (path) => `${path}%61`,
  (path) => path.slice(1),
)

export const pathCases: readonly Case[] = [
  ...cases('pathFault()', {
    'is null for every canonical path': () => {
      for (const path of ACCEPTED) assert.equal(pathFault(path), null, path)
    },
    'names what makes a path doubtful': () => {
      for (const [path, fault] of REFUSED) assert.equal(pathFault(path), fault, JSON.stringify(path))
    },
    'is null for random canonical segments, and a fault for any doubtful spelling of them': () => {
      fc.assert(
        fc.property(segments, mutation, (parts, mutate) => {
          const path = canonical(parts)
          assert.equal(pathFault(path), null, path)
          assert.equal(pathFault(`${path}/`), null, path)
          assert.notEqual(pathFault(mutate(path)), null, mutate(path))
        }),
        { seed: 13, numRuns: 5000 },
      )
    },
    'accepts only what decodes, once, to the segments that Hono routes': async () => {
      // ASVS 1.1.1: decode once, before checks.
      const app = new Hono()
      app.get('/:a', (c) => c.json([c.req.param('a')]))
      app.get('/:a/:b', (c) => c.json([c.req.param('a'), c.req.param('b')]))
      app.get('/:a/:b/:c', (c) => c.json([c.req.param('a'), c.req.param('b'), c.req.param('c')]))
      const escaped = fc.constantFrom(
        '%2e',
        '%2F',
        '%25',
        '%3F',
        '%23',
        '%20',
        '%C3%A9',
        '%c3%a9',
        '%41',
        '%00',
        '%5C',
        '%3B',
        '%2B',
        '%26',
        '%FF',
      )
      const piece = fc.oneof(escaped, fc.constantFrom('a', 'B', '0', '.', '..', '-', '/', ';', ':', '@', '=', '+', '~'))
      const samples = fc.sample(fc.array(piece, { minLength: 1, maxLength: 8 }), { seed: 14, numRuns: 3000 })
      let accepted = 0
      for (const pieces of samples) {
        const path = `/${pieces.join('')}`
        const parts = path.slice(1).split('/')
        if (pathFault(path) !== null || parts.length > 3 || parts.includes('')) continue
        accepted++
        const answer = await app.request(rawRequest(path))
        assert.deepEqual(await answer.json(), parts.map(decodeURIComponent), path)
      }
      assert.ok(accepted > 100, `only ${accepted} were accepted`)
    },
    'answers long paths in linear time': () => {
      const start = Date.now()
      for (const part of ['a', '/a', '%C3%A9', '.', '%', '/.a']) pathFault(`/${part.repeat(65_536 / part.length)}`)
      assert.ok(Date.now() - start < 1000)
    },
  }),
  ...cases('urlFault()', {
    'looks at the path alone, as it came': () => {
      for (const url of ['http://localhost/', 'http://localhost/a#b?c', 'https://user@[::1]:8787/a', 'http://a/?//'])
        assert.equal(urlFault(url), null, url)
      assert.equal(urlFault('http://localhost/a/%2e%2e/b?c=/d#e'), 'encoded_unreserved')
      assert.equal(urlFault('https://user@[::1]:8787//x'), 'empty_segment')
      assert.equal(urlFault('http://localhost/a?b//c/../d'), null)
    },
    'refuses a URL whose path a router would find in the query': () => {
      for (const behind of ['', '?x=/admin', '?/%61dmin', '?x=//admin', '?x=/../admin', '?a', '?', '#', '#/admin'])
        for (const origin of ['http://localhost', 'https://a.example:8080', 'http://u@a'])
          assert.equal(urlFault(origin + behind), 'not_absolute', behind)
    },
    'refuses a URL whose path a parser finds behind a backslash, and a router does not': () => {
      for (const url of ['http://localhost\\admin/', 'http://a\\public/admin', 'http://u@a\\b/'])
        assert.equal(urlFault(url), 'not_absolute', url)
    },
    'refuses a URL without an authority': () => {
      for (const url of ['http://', 'http:///a', 'http://?a', 'http://#a', '/a', 'a', '', 'ftp://a/b', 'data:,a'])
        assert.equal(urlFault(url), 'no_authority', url)
    },
    'tells of any URL what pathFault() tells of its path': () => {
      const origin = fc.constantFrom('http://a', 'https://a.example:8080', 'http://[::1]', 'https://u:p@a')
      const query = fc.constantFrom('', '?', '?a=//../%2f', '#//', '?a#b', '#a?b')
      const unit = fc.constantFrom(
        '/',
        '/',
        'a',
        'Z9',
        '.',
        '..',
        '~',
        '-',
        '_',
        '%',
        '%2e',
        '%41',
        '%20',
        '\\',
        ';',
        ' ',
        'é',
      )
      const path = fc.array(unit).map((units) => `/${units.join('')}`)
      fc.assert(
        fc.property(origin, fc.oneof(path, fc.constantFrom(...ACCEPTED)), query, (before, between, behind) => {
          assert.equal(urlFault(before + between + behind), pathFault(between), between)
        }),
        { numRuns: 5000 },
      )
    },
  }),
  ...cases('The path guard', {
    'answers 400 before any handler runs, and lets the canonical path through': async () => {
      const { app } = secured()
      let handled = 0
      app.all('*', (c) => c.text(`${++handled}`))
      for (const path of [
        '//admin',
        '/health/../api',
        '/%2e%2e/api',
        '/a%2Fb',
        '/a%5Cb',
        '/a\\b',
        '/%00',
        '/%252e',
        '/%zz',
        '/%61',
      ]) {
        const answer = await app.request(rawRequest(path))
        assert.equal(answer.status, 400, path)
        assert.equal(((await answer.json()) as { code: string }).code, 'path.not_canonical')
      }
      assert.equal(handled, 0)
      assert.equal((await app.request(rawRequest('/caf%C3%A9/?x=//../%2e'))).status, 200)
    },
  }),
]
