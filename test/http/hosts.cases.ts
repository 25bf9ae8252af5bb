import assert from 'node:assert/strict'
import { hostTest } from '../../src/http/hosts.ts'
import { type Case, cases } from '../cases.ts'
import { secured } from '../support/fixtures.ts'

export const hostsCases: readonly Case[] = [
  ...cases('hostTest()', {
    'lets in the named hosts, on any port': () => {
      const allows = hostTest(['api.example.com', '[::1]', 'LOCALHOST'])
      for (const authority of ['api.example.com', 'api.example.com:8443', '[::1]:8787', 'localhost'])
        assert.equal(allows(authority), true, authority)
    },
    'keeps out every other, suffixes and prefixes among them': () => {
      const allows = hostTest(['api.example.com'])
      for (const authority of [
        'example.com',
        'xapi.example.com',
        'api.example.com.evil.example',
        'api.example.com.',
        'apixexample.com',
        '',
      ]) {
        assert.equal(allows(authority), false, authority)
      }
    },
    'throws at start for what is no plain host name, naming it': () => {
      for (const host of [
        '',
        '*',
        '*.example.com',
        'https://a.example',
        'a.example/',
        'a.example:8080',
        'a b',
        'a@b',
      ]) {
        assert.throws(
          () => hostTest([host]),
          (error) => error instanceof TypeError && error.message.includes(JSON.stringify(host)),
          host,
        )
      }
    },
  }),
  ...cases('The host guard', {
    'answers 403 for a foreign host or two that differ, and runs no handler': async () => {
      const { app } = secured({ hosts: ['api.example.com'] })
      let handled = 0
      app.get('/', (c) => c.text(`${++handled}`))
      const ask = (url: string, host?: string) => app.request(url, host === undefined ? {} : { headers: { host } })
      assert.equal((await ask('http://evil.example/')).status, 403)
      assert.equal((await ask('http://api.example.com/', 'evil.example')).status, 403)
      assert.equal((await ask('http://evil.example/', 'api.example.com')).status, 403)
      assert.equal(handled, 0)
      assert.equal((await ask('http://api.example.com/', 'API.example.com')).status, 200)
      assert.equal((await ask('https://api.example.com:8443/')).status, 200)
    },
    'answers 403 for two hosts that differ though every host is served': async () => {
      const { app } = secured()
      app.get('/', (c) => c.text('ok'))
      assert.equal((await app.request('http://a.example/', { headers: { host: 'b.example' } })).status, 403)
      assert.equal((await app.request('http://a.example/', { headers: { host: 'a.example' } })).status, 200)
    },
  }),
]
