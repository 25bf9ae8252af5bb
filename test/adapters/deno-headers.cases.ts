import assert from 'node:assert/strict'
import fc from 'fast-check'
import { headerTable } from '../../adapters/deno/header-list.ts'
import { applyRules, type HeaderRule } from '../../src/header-rules.ts'
import { type Case, cases } from '../cases.ts'

const NAMES = ['vary', 'Vary', 'x-a', 'X-A', 'cache-control', 'content-type', 'set-cookie', 'x-b']
const name = fc.constantFrom(...NAMES)
const value = fc.constantFrom('', ' a\t', 'a', 'Origin', 'private', 'a, b', '*', 'é')
const rule = fc.tuple(
  name.map((text) => text.toLowerCase()),
  value,
  fc.constantFrom(undefined, 'default', 'append', 'remove', 'unless-private'),
) as fc.Arbitrary<HeaderRule>

function responseOf(headers: readonly (readonly [string, string])[]): Response {
  const response = new Response('a')
  for (const [key, text] of headers) response.headers.append(key, text)
  return response
}

export const denoHeadersCases: readonly Case[] = cases('headers on Deno', {
  'this Deno is one whose ways are known': () => {
    assert.notEqual(headerTable(new Response('a')), null)
  },
  'whatever an answer held, the rules leave what they would leave through Headers, also for who goes on with it':
    () => {
      const after = fc.array(fc.tuple(fc.constantFrom('get', 'has', 'set', 'append', 'delete'), name, value))
      fc.assert(
        fc.property(fc.array(fc.tuple(name, value)), fc.array(rule), after, (held, rules, more) => {
          const ours = responseOf(held)
          const theirs = responseOf(held)
          applyRules(headerTable(ours)!, [rules])
          applyRules(theirs.headers, [rules])
          const seen = [ours, theirs].map(({ headers }) => {
            const answers: unknown[] = [[...headers], headers.getSetCookie()]
            for (const [verb, key, text] of more) {
              if (verb === 'set' || verb === 'append') headers[verb](key, text)
              else answers.push(headers[verb as 'get'](key))
            }
            return [...answers, [...headers], [...new Response('b', { headers }).headers]]
          })
          assert.deepEqual(seen[0], seen[1])
        }),
        { numRuns: 1000 },
      )
    },
  'what no header can hold is refused, and nothing is written': () => {
    for (const wrong of ['a\r\nx-b: 1', 'a\0', '\u0100']) {
      const response = new Response('a')
      assert.throws(() => headerTable(response)!.set('x-a', wrong), TypeError, JSON.stringify(wrong))
      assert.equal(response.headers.get('x-a'), null)
    }
  },
  'headers that must not change are not changed': () => {
    assert.equal(headerTable(Response.redirect('http://localhost/')), null)
    assert.equal(headerTable(Response.error()), null)
  },
  'what was written is what goes over a connection': async () => {
    const { Deno } = globalThis as unknown as {
      Deno: { serve(options: object, handler: () => Response): { addr: { port: number }; shutdown(): Promise<void> } }
    }
    const server = Deno.serve({ port: 0, hostname: '127.0.0.1', onListen: () => undefined }, () => {
      const response = Response.json({ a: 1 }, { headers: { 'X-Frame-Options': 'ALLOWALL', 'x-mine': '1' } })
      const rules: HeaderRule[] = [
        ['x-frame-options', 'DENY'],
        ['x-mine', '', 'remove'],
        ['vary', 'Origin', 'append'],
      ]
      applyRules(headerTable(response)!, [rules])
      return response
    })
    try {
      const answer = await fetch(`http://127.0.0.1:${server.addr.port}/`)
      assert.deepEqual(await answer.json(), { a: 1 })
      const told = ['x-frame-options', 'x-mine', 'vary', 'content-type'].map((key) => answer.headers.get(key))
      assert.deepEqual(told, ['DENY', null, 'Origin', 'application/json'])
    } finally {
      await server.shutdown()
    }
  },
})
