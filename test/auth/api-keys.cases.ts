import assert from 'node:assert/strict'
import { makeAddress } from '../../src/address.ts'
import { apiKeys } from '../../src/auth/api-keys.ts'
import { digestApiKey, makeApiKey } from '../../src/auth/key-format.ts'
import type { Exchange } from '../../src/exchange.ts'
import type { Principal } from '../../src/principal.ts'
import { type Case, cases } from '../cases.ts'
import { TEST_KEYS } from '../support/fixtures.ts'

const KEY = TEST_KEYS[0]
const DIGEST = digestApiKey(KEY)

function exchange(
  headers: Readonly<Record<string, string>>,
  seen: { compared: [string, string][] } = { compared: [] },
): Exchange {
  return {
    method: 'GET',
    path: '/',
    now: 0,
    header: (name) => headers[name] ?? null,
    address: () => makeAddress('203.0.113.9', 'socket'),
    sha256: digestApiKey,
    equal: (a, b) => {
      seen.compared.push([a, b])
      return a === b
    },
  }
}

export const apiKeysCases: readonly Case[] = [
  ...cases('apiKeys()', {
    'throws at start without keys, naming the mend': () => {
      assert.throws(
        () => apiKeys({ keys: [] }),
        /apiKeys\(\): keys is empty.*makeApiKey\(\).*digestApiKey\(key\).*openWithoutKeys/,
      )
    },
    'a key that is kept in memory is let in again without its hash, and no other is': () => {
      const scheme = apiKeys({ keys: [DIGEST], keepKeysInMemory: 2 })
      let hashed = 0
      const ask = (key: string) =>
        scheme.authenticate({
          ...exchange({ 'x-api-key': key }),
          sha256: (text) => {
            hashed++
            return digestApiKey(text)
          },
        })
      const first = ask(KEY)
      assert.ok(first && 'principal' in first)
      assert.equal(ask(KEY), first)
      assert.equal(hashed, 1)
      for (const wrong of [`${KEY}x`, KEY.slice(1), KEY.toLowerCase(), '__proto__', 'constructor']) {
        for (let i = 0; i < 3; i++) assert.ok('refused' in ask(wrong)!, wrong)
      }
      assert.equal(hashed, 16)
      assert.equal(ask(KEY), first)
      assert.ok('refused' in scheme.authenticate(exchange({ 'x-api-key': KEY, authorization: `Bearer ${KEY}` }))!)
    },
    'a number of keys to keep that is none throws at start': () => {
      for (const keepKeysInMemory of [-1, 0.5, Number.NaN, '5' as never])
        assert.throws(() => apiKeys({ keys: [DIGEST], keepKeysInMemory }), /keepKeysInMemory must be/)
    },
    'names a bad entry by its place, and never repeats a key that was configured by mistake': () => {
      for (const bad of [
        KEY,
        `sk-${'a'.repeat(61)}`,
        'hunter2hunter2',
        '',
        `${DIGEST}00`,
        DIGEST.slice(1),
        ` ${DIGEST}`,
      ]) {
        for (const entry of [bad, { id: 'ci', digest: bad }]) {
          assert.throws(
            () => apiKeys({ keys: ['0'.repeat(64), entry] }),
            (error) =>
              error instanceof TypeError &&
              error.message.includes('keys[1]') &&
              error.message.includes('digestApiKey(key)') &&
              (bad === '' || !error.message.includes(bad)),
          )
        }
      }
      assert.throws(() => apiKeys({ keys: [{ id: 'ci', digest: 1 as never }] }), /keys\[0\]/)
    },
    'refuses a digest or id that comes twice': () => {
      assert.throws(
        () => apiKeys({ keys: [DIGEST, { id: 'other', digest: DIGEST.toUpperCase() }] }),
        /keys\[1\] repeats/,
      )
      assert.throws(
        () =>
          apiKeys({
            keys: [
              { id: 'ci', digest: DIGEST },
              { id: 'ci', digest: digestApiKey('x') },
            ],
          }),
        /keys\[1\] repeats/,
      )
    },
    'refuses the digest of an empty key': () => {
      assert.throws(() => apiKeys({ keys: [digestApiKey('')] }), /keys\[0\] is the digest of an empty key/)
    },
    'takes bare digests in either case, and names them by their first digits': () => {
      const outcome = apiKeys({ keys: [DIGEST.toUpperCase()] }).authenticate(exchange({ 'x-api-key': KEY }))
      assert.equal((outcome as { principal: { id: string } }).principal.id, `key-${DIGEST.slice(0, 8)}`)
    },
    'is null where no credential of its own was sent': () => {
      const scheme = apiKeys({ keys: [DIGEST] })
      assert.equal(scheme.authenticate(exchange({})), null)
      assert.equal(scheme.authenticate(exchange({ authorization: 'Basic abc' })), null)
    },
    'tells a mistyped key from an unknown one in the reason alone': () => {
      const scheme = apiKeys({ keys: [DIGEST] })
      const mistyped = KEY.slice(0, -1) + (KEY.endsWith('0') ? '1' : '0')
      assert.deepEqual(scheme.authenticate(exchange({ 'x-api-key': mistyped })), {
        refused: 'invalid',
        reason: 'checksum',
      })
      assert.deepEqual(scheme.authenticate(exchange({ 'x-api-key': makeApiKey() })), {
        refused: 'invalid',
        reason: 'unknown_key',
      })
      assert.deepEqual(scheme.authenticate(exchange({ 'x-api-key': 'x' })), {
        refused: 'invalid',
        reason: 'unknown_key',
      })
    },
    'calls an empty or oversized key malformed, and takes one of 512 characters': () => {
      const long = 'k'.repeat(512)
      const scheme = apiKeys({ keys: [digestApiKey(long)] })
      assert.deepEqual(scheme.authenticate(exchange({ 'x-api-key': '' })), { refused: 'invalid', reason: 'malformed' })
      assert.deepEqual(scheme.authenticate(exchange({ 'x-api-key': `${long}k` })), {
        refused: 'invalid',
        reason: 'malformed',
      })
      assert.ok('principal' in scheme.authenticate(exchange({ 'x-api-key': long }))!)
    },
    'gives the scopes of the record': () => {
      const scheme = apiKeys({ keys: [{ id: 'ci', digest: DIGEST, scopes: ['audit:read'] }] })
      const { principal } = scheme.authenticate(exchange({ authorization: `Bearer ${KEY}` })) as {
        principal: Principal
      }
      assert.deepEqual(principal.scopes, ['audit:read'])
      assert.equal(principal.key, 'api-key::ci')
    },
  }),
  ...cases('KEY-1', {
    'keys are compared as whole digests by the constant-time comparison of the platform': () => {
      const seen = { compared: [] as [string, string][] }
      const scheme = apiKeys({ keys: [DIGEST] })
      assert.ok('principal' in scheme.authenticate(exchange({ 'x-api-key': KEY }, seen))!)
      assert.deepEqual(seen.compared, [[DIGEST, DIGEST]])
      const distrusting: Exchange = { ...exchange({ 'x-api-key': KEY }), equal: () => false }
      assert.ok('refused' in scheme.authenticate(distrusting)!)
    },
  }),
]
