import assert from 'node:assert/strict'
import { LOOPBACK_HOSTS, type LocalRequest, localFault } from '../../src/access/local.ts'
import { makeAddress, UNKNOWN_ADDRESS } from '../../src/address.ts'
import { type Case, cases } from '../cases.ts'

function fault(
  headers: Readonly<Record<string, string>> = {},
  rest: Partial<LocalRequest> = {},
  origins: readonly string[] = [],
): string | null {
  const request = {
    address: makeAddress('127.0.0.1', 'socket'),
    authority: 'localhost:8787',
    scheme: 'http:',
    header: (name: string) => headers[name] ?? null,
    headerNames: () => Object.keys(headers),
    ...rest,
  }
  return localFault(request, LOOPBACK_HOSTS, origins)
}

export const localCases: readonly Case[] = [
  ...cases('LOC-2', {
    'a direct call from a loopback socket is local': () => {
      for (const ip of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1']) {
        assert.equal(fault({}, { address: makeAddress(ip, 'socket') }), null, ip)
      }
    },
    'any other peer is not, an unknown one and one that a header names among them': () => {
      for (const address of [
        makeAddress('192.168.0.2', 'socket'),
        makeAddress('::7f00:1', 'socket'),
        makeAddress('127.0.0.1', 'proxy'),
        makeAddress('127.0.0.1', 'platform'),
        UNKNOWN_ADDRESS,
      ]) {
        assert.equal(fault({}, { address }), 'not_loopback')
      }
    },
    'nothing with a forwarding header is, since a proxy on this machine makes everyone loopback': () => {
      const names = [
        'forwarded',
        'via',
        'x-forwarded-for',
        'x-forwarded-host',
        'x-forwarded-proto',
        'x-forwarded-server',
        'x-real-ip',
        'x-client-ip',
        'x-cluster-client-ip',
        'true-client-ip',
        'cf-connecting-ip',
        'fastly-client-ip',
        'fly-client-ip',
        'x-forwarded-port',
        'x-original-host',
        'x-envoy-external-address',
        'x-azure-clientip',
        'x_forwarded_for',
        'tailscale-user-login',
      ]
      for (const name of names) {
        assert.equal(fault({ [name]: '127.0.0.1' }), 'forwarded', name)
        assert.equal(fault({ [name]: '' }), 'forwarded', name)
      }
    },
  }),
  ...cases('LOC-3', {
    'a foreign name that resolves to this machine is refused, whatever its port': () => {
      // CVE-2025-66414, B 1.6.6: DNS rebinding.
      for (const authority of [
        'evil.example',
        'evil.example:8787',
        '127.0.0.1.nip.io',
        'localhost.evil.example',
        'localhost.',
        '0.0.0.0',
        '127.0.0.2',
        '[::]',
        '[::ffff:127.0.0.1]',
        null,
      ]) {
        assert.equal(fault({}, { authority }), 'foreign_host', String(authority))
      }
      for (const authority of ['localhost', 'localhost:3000', '127.0.0.1:8787', '[::1]', '[::1]:8787'])
        assert.equal(fault({}, { authority }), null, authority)
    },
    'a page of another origin is refused, another port of this machine among them': () => {
      for (const origin of [
        'https://evil.example',
        'null',
        '',
        'http://localhost',
        'http://localhost:3000',
        'https://localhost:8787',
        'http://127.0.0.1:8787',
        'http://localhost:8787/',
        'HTTP://localhost:8787',
      ]) {
        assert.equal(fault({ origin }), 'foreign_origin', origin)
      }
      assert.equal(fault({ origin: 'http://localhost:8787' }), null)
    },
    'a cross-site request is refused though it names no origin': () => {
      for (const site of ['cross-site', 'same-site', 'x', ''])
        assert.equal(fault({ 'sec-fetch-site': site }), 'cross_site', site)
      for (const site of ['same-origin', 'none']) assert.equal(fault({ 'sec-fetch-site': site }), null, site)
    },
    'a named origin may call, exactly as it is named': () => {
      const tauri = ['tauri://localhost']
      assert.equal(fault({ origin: 'tauri://localhost', 'sec-fetch-site': 'cross-site' }, {}, tauri), null)
      assert.equal(fault({ origin: 'tauri://localhost.evil' }, {}, tauri), 'foreign_origin')
      assert.equal(fault({ 'sec-fetch-site': 'cross-site' }, {}, tauri), 'cross_site')
      assert.equal(fault({ origin: 'tauri://localhost' }, { address: UNKNOWN_ADDRESS }, tauri), 'not_loopback')
    },
  }),
]
