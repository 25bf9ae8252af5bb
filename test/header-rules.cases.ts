import assert from 'node:assert/strict'
import { applyRules, type HeaderRule } from '../src/header-rules.ts'
import { type Case, cases } from './cases.ts'

type Told = readonly [string, HeaderRule[2] | 'set', string?]

/** What a table holds after rules, whether they are told what it held before or ask. */
function after(before: Record<string, string>, ...told: readonly Told[]) {
  const rules = told.map(
    ([name, how, value = 'ours']): HeaderRule => (how === 'set' || !how ? [name, value] : [name, value, how]),
  )
  const headers = new Headers(before)
  applyRules(headers, [rules])
  const result = Object.fromEntries(headers)
  for (const groups of [[rules], rules.map((rule) => [rule])]) {
    const unasked = new Headers(before)
    applyRules(unasked, groups, Object.keys(before))
    assert.deepEqual(Object.fromEntries(unasked), result)
  }
  return result
}

export const headerRulesCases: readonly Case[] = cases('applyRules()', {
  'set and remove have their way, default yields to the handler': () => {
    assert.deepEqual(after({ a: 'theirs' }, ['a', 'set']), { a: 'ours' })
    assert.deepEqual(after({ a: 'theirs' }, ['a', 'remove'], ['b', 'remove']), {})
    assert.deepEqual(after({ a: 'theirs' }, ['a', 'default'], ['b', 'default']), { a: 'theirs', b: 'ours' })
  },
  'append adds to a list once, in any case of letters, and never to a star': () => {
    assert.deepEqual(after({}, ['vary', 'append', 'Origin']), { vary: 'Origin' })
    assert.deepEqual(after({ vary: 'Accept' }, ['vary', 'append', 'Origin']), { vary: 'Accept, Origin' })
    assert.deepEqual(after({ vary: 'accept, origin' }, ['vary', 'append', 'Origin']), { vary: 'accept, origin' })
    assert.deepEqual(after({ vary: '*' }, ['vary', 'append', 'Origin']), { vary: '*' })
  },
  'unless-private leaves what keeps an answer out of shared caches, and nothing that only looks so': () => {
    for (const kept of ['private', 'no-store', 'max-age=60, private', 'No-Store'])
      assert.deepEqual(after({ c: kept }, ['c', 'unless-private']), { c: kept })
    for (const open of ['public', 'max-age=60', 'no-cache', 'not-private', 'private-ish', 'private="set-cookie"'])
      assert.deepEqual(after({ c: open }, ['c', 'unless-private']), { c: 'ours' }, open)
  },
  'a later rule has the last word': () => {
    assert.deepEqual(after({ a: 'theirs' }, ['a', 'remove'], ['a', 'set', 'last']), { a: 'last' })
    assert.deepEqual(after({}, ['a', 'set'], ['a', 'remove']), {})
    assert.deepEqual(after({}, ['a', 'remove'], ['a', 'append', 'b'], ['a', 'append', 'c']), { a: 'b, c' })
    assert.deepEqual(after({}, ['a', 'append', 'b'], ['a', 'remove'], ['a', 'append', 'b']), { a: 'b' })
    assert.deepEqual(after({}, ['a', 'set', 'private'], ['a', 'unless-private'], ['a', 'default']), { a: 'private' })
  },
})
