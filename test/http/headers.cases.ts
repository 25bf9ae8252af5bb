import assert from 'node:assert/strict'
import fc from 'fast-check'
import { API_CSP, type HeaderOptions, OPENMOTOKO_CSP, securityHeaders } from '../../src/http/headers.ts'
import { type Case, cases } from '../cases.ts'

const OPTIONS = [
  'contentSecurityPolicy',
  'strictTransportSecurity',
  'referrerPolicy',
  'crossOriginOpenerPolicy',
  'crossOriginResourcePolicy',
  'permissionsPolicy',
] as const
const NAMES = [
  'content-security-policy',
  'strict-transport-security',
  'referrer-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'permissions-policy',
]

export const headersCases: readonly Case[] = [
  ...cases('HTT-2', {
    'the defaults are the strict ones': () => {
      assert.deepEqual(Object.fromEntries(securityHeaders({}, true)), {
        'content-security-policy': API_CSP,
        'strict-transport-security': 'max-age=31536000; includeSubDomains',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'x-xss-protection': '0',
        'x-dns-prefetch-control': 'off',
        'x-permitted-cross-domain-policies': 'none',
        'origin-agent-cluster': '?1',
      })
    },
    'HSTS lasts a year or more, in production alone': () => {
      const hsts = (options: HeaderOptions, production: boolean) =>
        new Map(securityHeaders(options, production)).get('strict-transport-security')
      assert.ok(Number(/max-age=(\d+)/.exec(hsts({}, true)!)![1]) >= 31_536_000)
      assert.equal(hsts({}, false), undefined)
      assert.equal(hsts({ strictTransportSecurity: 'max-age=1' }, false), undefined)
      assert.equal(hsts({ strictTransportSecurity: 'max-age=1' }, true), 'max-age=1')
    },
    'COEP is never sent, as it would stop WebSockets elsewhere': () => {
      assert.equal(
        securityHeaders({}, true).some(([name]) => name === 'cross-origin-embedder-policy'),
        false,
      )
    },
    "the seed's own policy is a preset, exactly": () => {
      assert.equal(
        OPENMOTOKO_CSP,
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:;",
      )
      assert.equal(
        new Map(securityHeaders({ contentSecurityPolicy: OPENMOTOKO_CSP }, true)).get('content-security-policy'),
        OPENMOTOKO_CSP,
      )
    },
    'each option sets its own header, and false leaves it out': () => {
      for (const [i, option] of OPTIONS.entries()) {
        assert.equal(new Map(securityHeaders({ [option]: 'mine' }, true)).get(NAMES[i]!), 'mine', option)
        assert.equal(new Map(securityHeaders({ [option]: false }, true)).has(NAMES[i]!), false, option)
        assert.equal(securityHeaders({ [option]: false }, true).length, 11)
      }
    },
    'legacy: false leaves out four that today nobody needs, and none that protects: framing least of all': () => {
      const left = securityHeaders({ legacy: false }, true).map(([name]) => name)
      assert.deepEqual(left, [
        'content-security-policy',
        'strict-transport-security',
        'referrer-policy',
        'cross-origin-opener-policy',
        'cross-origin-resource-policy',
        'permissions-policy',
        'x-content-type-options',
        'x-frame-options',
      ])
      const own = securityHeaders({ legacy: false, contentSecurityPolicy: false }, true)
      assert.equal(new Map(own).get('x-frame-options'), 'DENY')
      assert.deepEqual(securityHeaders({ legacy: true }, true), securityHeaders({}, true))
      for (const legacy of ['no', 0, null]) {
        assert.throws(() => securityHeaders({ legacy: legacy as never }, true), {
          name: 'TypeError',
          message: /headers\.legacy/,
        })
      }
    },
    'a value that could not stand in a header throws at start, naming the option': () => {
      for (const option of OPTIONS) {
        for (const value of ['', 'a\r\nset-cookie: x=1', 'a\n', '\u0000', 'é', '\t', 1 as never]) {
          assert.throws(
            () => securityHeaders({ [option]: value }, true),
            (error) => error instanceof TypeError && error.message.includes(`headers.${option}`),
          )
        }
      }
    },
    'no value ever brings a line break out': () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...OPTIONS),
          fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
          (option, value) => {
            let made: readonly (readonly [string, string])[] = []
            try {
              made = securityHeaders({ [option]: value }, true)
            } catch (error) {
              assert.ok(error instanceof TypeError)
            }
            for (const [, text] of made) assert.match(text, /^[\x20-\x7e]+$/)
          },
        ),
        { seed: 15, numRuns: 1000 },
      )
    },
  }),
]
