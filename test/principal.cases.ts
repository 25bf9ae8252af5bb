import assert from 'node:assert/strict'
import fc from 'fast-check'
import { makePrincipal } from '../src/principal.ts'
import { type Case, cases } from './cases.ts'

export const principalCases: readonly Case[] = cases('makePrincipal()', {
  'never gives two principals one key': () => {
    const part = fc.constantFrom('', 'a', ':', 'a:', ':a', 'a:a', '%', '%3A', 'a%3A')
    const parts = fc.tuple(
      part,
      part,
      part.filter((id) => id !== ''),
    )
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const [first, second] = [a, b].map(([scheme, issuer, id]) => makePrincipal({ scheme, issuer, id }).key)
        assert.equal(first === second, JSON.stringify(a) === JSON.stringify(b))
      }),
      { seed: 9, numRuns: 3000 },
    )
  },
  'keeps two schemes and two issuers apart': () => {
    const keys = [
      makePrincipal({ scheme: 'api-key', id: 'alice' }).key,
      makePrincipal({ scheme: 'session', id: 'alice' }).key,
      makePrincipal({ scheme: 'jwt', issuer: 'https://a.example', id: 'alice' }).key,
      makePrincipal({ scheme: 'jwt', issuer: 'https://b.example', id: 'alice' }).key,
    ]
    assert.equal(new Set(keys).size, 4)
  },
  'cannot be changed afterwards, nor through the list of scopes that was given': () => {
    const scopes = ['read']
    const principal = makePrincipal({ scheme: 's', id: 'a', scopes })
    scopes.push('admin')
    assert.deepEqual(principal.scopes, ['read'])
    assert.throws(() => (principal.scopes as string[]).push('admin'), TypeError)
    assert.throws(() => Object.assign(principal, { id: 'b' }), TypeError)
  },
  'has no scopes and no issuer unless told': () => {
    const { scopes, issuer } = makePrincipal({ scheme: 's', id: 'a' })
    assert.deepEqual({ scopes, issuer }, { scopes: [], issuer: null })
  },
  'throws for an empty id or broken Unicode': () => {
    assert.throws(() => makePrincipal({ scheme: 's', id: '' }), RangeError)
    assert.throws(() => makePrincipal({ scheme: 's', id: '\ud800' }), RangeError)
    assert.throws(() => makePrincipal({ scheme: '\udc00', id: 'a' }), RangeError)
    assert.throws(() => makePrincipal({ scheme: 's', issuer: '\ud800', id: 'a' }), RangeError)
  },
})
