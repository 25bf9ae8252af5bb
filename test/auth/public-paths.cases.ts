import assert from 'node:assert/strict'
import fc from 'fast-check'
import { publicPathTest } from '../../src/auth/public-paths.ts'
import { type Case, cases } from '../cases.ts'

const isPublic = publicPathTest(['/health', '/health/*', '/openapi.json', 'GET /read', 'POST /write/*'])

export const publicPathsCases: readonly Case[] = [
  ...cases('KEY-4', {
    'an exact path is public, and so is all below a path with /*': () => {
      for (const path of [
        '/openapi.json',
        '/health',
        '/health/live',
        '/health/a/b.c',
        '/health/.well-known',
        '/health/a..b',
      ]) {
        assert.equal(isPublic('GET', path), true, path)
        assert.equal(isPublic('POST', path), true, path)
      }
    },
    'no trick of spelling turns a private path public': () => {
      const tricks = [
        '/',
        '',
        'health',
        '/healthz',
        '/healt',
        '/Health',
        '/HEALTH',
        '/health/',
        '/health.',
        '/health/...',
        '/health./x',
        '//health',
        '/health/...',
        '/health./x',
        '/health/../api',
        '/health/..',
        '/health/.',
        '/health/./x',
        '/health/%2e%2e/api',
        '/health/..%2fapi',
        '/health%2f..%2fapi',
        '/health/..;/api',
        '/health;x',
        '/health/a;x',
        '/health/x\\..\\api',
        '/health\\x',
        '/health%00',
        '/health\u0000',
        '/health\n',
        '/health?x',
        '/health#x',
        '/health x',
        '/health/é',
        '/openapi.json/',
        '/openapi.jsonx',
        '/openapi.json/x',
        '/api/health',
        '/ｈealth',
      ]
      for (const path of tricks) assert.equal(isPublic('GET', path), false, JSON.stringify(path))
    },
    'a path is public for its one method, GET with HEAD': () => {
      assert.equal(isPublic('GET', '/read'), true)
      assert.equal(isPublic('HEAD', '/read'), true)
      for (const method of ['POST', 'get', 'OPTIONS', 'DELETE']) assert.equal(isPublic(method, '/read'), false, method)
      assert.equal(isPublic('POST', '/write/a'), true)
      assert.equal(isPublic('GET', '/write/a'), false)
      assert.equal(isPublic('HEAD', '/write/a'), false)
    },
    'random additions to a public path never leave its subtree': () => {
      const part = fc.constantFrom('/', '.', '..', '%2e', '%2f', ';', 'a', '\\', 'api', '//', '/..')
      fc.assert(
        fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), (parts) => {
          const path = `/health${parts.join('')}`
          if (!isPublic('GET', path)) return
          // What a resolver makes of it must lie below as well.
          assert.equal(new URL(path, 'http://localhost').pathname, path)
          assert.ok(path.startsWith('/health/'))
        }),
        { seed: 11, numRuns: 5000 },
      )
    },
  }),
  ...cases('publicPathTest()', {
    'throws at start for what is no path, naming it': () => {
      for (const entry of [
        '',
        'health',
        '*',
        '/*',
        '/health*',
        '/health/**',
        '/a/*/b',
        '/a//b',
        '//*',
        '/a/:id',
        '/a?b',
        '/a%2fb',
        'get /a',
        'GET  /a',
        'GET/a',
        '/a ',
        '/é',
        '/a/',
      ]) {
        assert.throws(
          () => publicPathTest([entry]),
          (error) => error instanceof TypeError && error.message.includes(JSON.stringify(entry)),
          entry,
        )
      }
    },
    'makes nothing public without entries': () => {
      assert.equal(publicPathTest([])('GET', '/'), false)
      assert.equal(publicPathTest(['/'])('GET', '/'), true)
      assert.equal(publicPathTest(['/'])('GET', '/x'), false)
    },
    'answers long paths in linear time': () => {
      const start = Date.now()
      for (const path of [
        `/health/${'a'.repeat(65_536)};`,
        `/health${'/a'.repeat(32_768)}/`,
        `/health/${'.'.repeat(65_536)}/`,
      ])
        isPublic('GET', path)
      assert.ok(Date.now() - start < 500)
    },
  }),
]
