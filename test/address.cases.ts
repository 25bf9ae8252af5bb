import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  type Address,
  addressBucket,
  clientAddress,
  isLoopback,
  makeAddress,
  networkTest,
  UNKNOWN_ADDRESS,
} from '../src/address.ts'
import { type Case, cases } from './cases.ts'
import { peer, secured } from './support/fixtures.ts'

// CVE-2026-24398, CVE-2023-42282, CVE-2024-29415, CVE-2025-59436: spellings that some parser somewhere takes for an address.
const NO_ADDRESSES = [
  '',
  '0',
  '127.1',
  '127.0.1',
  '0x7f.0.0.1',
  '0x7f000001',
  '0177.0.0.1',
  '017700000001',
  '2130706433',
  '01.2.3.4',
  '1.2.3',
  '1..3.4',
  '1.2.3.',
  '.1.2.3.4',
  '1.2.3.4.',
  '1.2.3.4.5',
  '1.2.3.256',
  '999.1.1.1',
  '1.2.3.-4',
  '1.2.3.4e0',
  ' 1.2.3.4',
  '1.2.3.4 ',
  '1.2.3.4\n',
  '1.2.3.4:80',
  '1.2.3.4/32',
  '127.0.0.1/',
  '１.2.3.4',
  '٠.1.2.3',
  'localhost',
  'unknown',
  ':',
  ':::',
  ':1',
  '1:',
  '1::2::3',
  '::1::',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7:8::',
  '::1:2:3:4:5:6:7:8',
  ':1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:',
  '12345::',
  'g::',
  '::-1',
  '::0x1',
  '::1 ',
  '[::1]',
  '::1.2.3',
  '::1.2.3.4.5',
  '::256.1.1.1',
  '::01.2.3.4',
  '1.2.3.4::',
  '::1.2.3.4:5',
  '::ffff:127.1',
  '%eth0',
]

const CANONICAL: readonly (readonly [text: string, ip: string])[] = [
  ['1.2.3.4', '1.2.3.4'],
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['::', '::'],
  ['::1', '::1'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['0000:0000:0000:0000:0000:0000:0000:0001', '::1'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['2001:0db8::0001', '2001:db8::1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::1%lo', '::1'],
  // express-rate-limit#667: what is IPv4 in IPv6 is told by range, not by notation.
  ['::ffff:102:304', '1.2.3.4'],
  ['::FFFF:1.2.3.4', '1.2.3.4'],
  ['0:0:0:0:0:ffff:1.2.3.4', '1.2.3.4'],
  ['::ffff:7f00:1', '127.0.0.1'],
  ['2001:db8::1.2.3.4', '2001:db8::102:304'],
  ['::1.2.3.4', '::102:304'],
  ['::7f00:1', '::7f00:1'],
  ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
  ['64:ff9b::7f00:1', '64:ff9b::7f00:1'],
  ['64:ff9b:1::1.2.3.4', '64:ff9b:1::102:304'],
]

const BAD_NETWORKS = [
  '10.0.0.0/33',
  '::/129',
  '127.0.0.1/',
  '10.0.0.0/-1',
  '10.0.0.0/08',
  '10.0.0.0/8/8',
  '10.0.0.0/ 8',
  '10.0.0.0/1e1',
  '10.0.0.0/0x8',
  '::/00',
  '10/8',
  'fe80::1%eth0',
  'localhost',
  '*',
  '',
  '/8',
]

const proxies = networkTest(['10.0.0.0/8', '2001:db8:ffff::/48'])

function behind(header: string | null, kind: 'x-forwarded-for' | 'forwarded' = 'x-forwarded-for'): Address {
  return clientAddress(makeAddress('10.0.0.1', 'socket'), header, kind, proxies)
}

export const addressCases: readonly Case[] = [
  ...cases('makeAddress()', {
    'takes no text that is not one canonical address': () => {
      for (const text of NO_ADDRESSES) assert.deepEqual(makeAddress(text, 'socket'), UNKNOWN_ADDRESS, text)
      assert.deepEqual(makeAddress(null, 'socket'), UNKNOWN_ADDRESS)
      assert.deepEqual(makeAddress(undefined, 'platform'), UNKNOWN_ADDRESS)
    },
    'writes every spelling of an address in one way': () => {
      for (const [text, ip] of CANONICAL) assert.deepEqual(makeAddress(text, 'socket'), { ip, source: 'socket' }, text)
    },
    'gives random addresses one text, however they are spelled': () => {
      const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
      fc.assert(
        fc.property(groups, (parts) => {
          const hex = parts.map((part) => part.toString(16))
          const padded = hex.map((part) => part.padStart(4, '0').toUpperCase()).join(':')
          const once = makeAddress(hex.join(':'), 'socket')
          assert.notEqual(once.ip, null)
          assert.deepEqual(makeAddress(padded, 'socket'), once)
          assert.deepEqual(makeAddress(once.ip, 'socket'), once)
        }),
        { seed: 5, numRuns: 2000 },
      )
    },
    'never throws, and answers in time, for any text': () => {
      fc.assert(
        fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => void makeAddress(text, 'proxy')),
        { seed: 6, numRuns: 1000 },
      )
      for (const text of [':'.repeat(65_536), '1.'.repeat(32_768), `${'0:'.repeat(32_768)}1`]) {
        assert.equal(makeAddress(text, 'proxy').ip, null)
      }
    },
  }),
  ...cases('isLoopback()', {
    'is true for a socket peer on 127.0.0.0/8 or ::1, in any spelling': () => {
      for (const ip of [
        '127.0.0.1',
        '127.255.255.254',
        '::1',
        '::ffff:127.0.0.1',
        '::ffff:7f00:1',
        '0:0:0:0:0:0:0:1',
      ]) {
        assert.equal(isLoopback(makeAddress(ip, 'socket')), true, ip)
      }
    },
    'is false for other addresses, and for loopback that no socket peer shows': () => {
      // GHSA-xpcf-pg52-r92g: ::7f00:1 is not 127.0.0.1.
      for (const ip of ['::7f00:1', '64:ff9b::7f00:1', '128.0.0.1', '10.0.0.1', '::', '::2', '0.0.0.0', '127.1']) {
        assert.equal(isLoopback(makeAddress(ip, 'socket')), false, ip)
      }
      assert.equal(isLoopback(makeAddress('127.0.0.1', 'proxy')), false)
      assert.equal(isLoopback(makeAddress('127.0.0.1', 'platform')), false)
      assert.equal(isLoopback(UNKNOWN_ADDRESS), false)
    },
  }),
  ...cases('addressBucket()', {
    'counts a client behind NAT64 as the IPv4 client that it is, though nothing else takes it for one': () => {
      const client = makeAddress('64:ff9b::102:304', 'socket')
      assert.equal(addressBucket(client), '1.2.3.4')
      assert.equal(networkTest(['1.2.3.0/24'])(client.ip!), false)
    },
    'gives two mapped IPv4 addresses two buckets, each the one of the plain form': () => {
      // CVE-2026-30827: a prefix mask over mapped addresses put all of IPv4 into one bucket.
      const bucket = (text: string): string => addressBucket(makeAddress(text, 'socket'))
      assert.equal(bucket('::ffff:1.2.3.4'), bucket('1.2.3.4'))
      assert.notEqual(bucket('::ffff:1.2.3.4'), bucket('::ffff:1.2.3.5'))
    },
    'gives 10,000 addresses of one /64 one bucket, and the next /64 another': () => {
      // GHSA-p6v2-xcpg-h6xw: one bucket for each IPv6 address lets a household rotate.
      const buckets = new Set<string>()
      for (let i = 0; i < 10_000; i++) {
        const low = `${(i * 7919) % 65_536}:${i}`.split(':').map((part) => Number(part).toString(16))
        buckets.add(addressBucket(makeAddress(`2001:db8:1:2:${low.join(':')}:0:1`, 'socket')))
      }
      assert.deepEqual([...buckets], ['2001:db8:1:2::/64'])
      assert.notEqual(addressBucket(makeAddress('2001:db8:1:3::1', 'socket')), '2001:db8:1:2::/64')
    },
    'counts the prefix that it is told': () => {
      const address = makeAddress('2001:db8:1:2:3:4:5:6', 'socket')
      assert.equal(addressBucket(address, 48), '2001:db8:1::/48')
      assert.equal(addressBucket(address, 128), '2001:db8:1:2:3:4:5:6/128')
      assert.equal(addressBucket(address, 57), '2001:db8:1::/57')
      assert.equal(addressBucket(makeAddress('1.2.3.4', 'socket'), 48), '1.2.3.4')
    },
    'gives all unknown clients one bucket': () => {
      assert.equal(addressBucket(UNKNOWN_ADDRESS), 'unknown')
      assert.equal(addressBucket(makeAddress('127.1', 'socket')), 'unknown')
    },
  }),
  ...cases('networkTest()', {
    'throws at start for what is no address or range, naming it': () => {
      // CVE-2026-47674
      for (const text of BAD_NETWORKS) {
        assert.throws(
          () => networkTest([text]),
          (error) => error instanceof RangeError && error.message.includes(JSON.stringify(text)),
          text,
        )
      }
    },
    'holds the addresses of a range and no other': () => {
      const inside = networkTest(['10.0.0.0/8', '192.168.1.128/25', '2001:db8::/33', '203.0.113.7'])
      for (const ip of [
        '10.0.0.0',
        '10.255.255.255',
        '192.168.1.128',
        '2001:db8:7fff::1',
        '203.0.113.7',
        '::ffff:10.1.2.3',
      ]) {
        assert.equal(inside(ip), true, ip)
      }
      for (const ip of [
        '11.0.0.0',
        '9.255.255.255',
        '192.168.1.127',
        '2001:db8:8000::1',
        '203.0.113.8',
        '::a00:1',
        'x',
        '',
      ]) {
        assert.equal(inside(ip), false, ip)
      }
    },
    'keeps IPv4 and IPv6 apart in the widest ranges': () => {
      assert.equal(networkTest(['::/0'])('2001:db8::1'), true)
      assert.equal(networkTest(['::/0'])('1.2.3.4'), false)
      assert.equal(networkTest(['0.0.0.0/0'])('1.2.3.4'), true)
      assert.equal(networkTest(['0.0.0.0/0'])('2001:db8::1'), false)
      assert.equal(networkTest([])('1.2.3.4'), false)
    },
    'takes the mapped form of an IPv4 range for that range': () => {
      assert.equal(networkTest(['::ffff:10.0.0.0/104'])('10.9.9.9'), true)
      assert.equal(networkTest(['::ffff:10.0.0.0/104'])('11.0.0.1'), false)
    },
  }),
  ...cases('clientAddress()', {
    'is the peer itself unless that is a declared proxy': () => {
      const stranger = makeAddress('203.0.113.9', 'socket')
      assert.deepEqual(clientAddress(stranger, '1.2.3.4', 'x-forwarded-for', proxies), stranger)
      assert.deepEqual(clientAddress(UNKNOWN_ADDRESS, '1.2.3.4', 'x-forwarded-for', proxies), UNKNOWN_ADDRESS)
      assert.deepEqual(behind('1.2.3.4'), { ip: '1.2.3.4', source: 'proxy' })
    },
    'is the proxy where no header came': () => {
      assert.deepEqual(behind(null), { ip: '10.0.0.1', source: 'socket' })
    },
    'walks from the right over trusted hops, whatever stands left of the client': () => {
      // GHSA-xh87-mx6m-69f3; B 1.6.21: the leftmost entry is the client's own claim.
      for (const spoofed of ['', '127.0.0.1, ', '10.0.0.9, ', 'x, ', ', ', '"1.2.3.4, ', '8.8.8.8, 8.8.4.4, ']) {
        assert.deepEqual(behind(`${spoofed}203.0.113.5`), { ip: '203.0.113.5', source: 'proxy' }, spoofed)
        assert.deepEqual(
          behind(`${spoofed}203.0.113.5, 10.0.0.2,10.0.0.3`),
          { ip: '203.0.113.5', source: 'proxy' },
          spoofed,
        )
      }
    },
    'is unknown when the deciding hop is no address': () => {
      for (const hop of [
        '',
        'unknown',
        '127.1',
        '_hidden',
        '1.2.3.4:99999x',
        '203.0.113.5,',
        '203.0.113.5, junk, 10.0.0.2',
      ]) {
        assert.deepEqual(behind(hop), UNKNOWN_ADDRESS, hop)
      }
    },
    'is unknown for more than 32 hops, and the client for 32': () => {
      assert.deepEqual(behind(Array.from({ length: 33 }, () => '10.0.0.2').join(',')), UNKNOWN_ADDRESS)
      assert.deepEqual(behind(['203.0.113.5', ...Array.from({ length: 31 }, () => '10.0.0.2')].join(',')), {
        ip: '203.0.113.5',
        source: 'proxy',
      })
      assert.deepEqual(behind(','.repeat(100_000)), UNKNOWN_ADDRESS)
    },
    'is the leftmost hop where all are trusted, and never loopback': () => {
      assert.deepEqual(behind('10.0.0.7, 10.0.0.8'), { ip: '10.0.0.7', source: 'proxy' })
      assert.equal(isLoopback(behind('127.0.0.1')), false)
    },
    'reads Forwarded with quotes, ports, brackets and other parameters': () => {
      const nodes: readonly (readonly [string, string])[] = [
        ['for=203.0.113.5', '203.0.113.5'],
        ['For="203.0.113.5:4711"', '203.0.113.5'],
        ['for="[2001:db8:cafe::17]:4711"', '2001:db8:cafe::17'],
        ['for="[2001:DB8:CAFE::17]"', '2001:db8:cafe::17'],
        ['proto=https;for=203.0.113.5;by=10.0.0.1', '203.0.113.5'],
        ['for=8.8.8.8, for=203.0.113.5, for="10.0.0.2"', '203.0.113.5'],
        ['for=203.0.113.5;host="a,for=6.6.6.6;b"', '203.0.113.5'],
        ['host="a;for=6.6.6.6;b";for=203.0.113.5', '203.0.113.5'],
        ['for=203.0.113.5;host="a\\",for=6.6.6.6;\\"b"', '203.0.113.5'],
        ['for="8.8.8.8, for=203.0.113.5', '203.0.113.5'],
      ]
      for (const [header, ip] of nodes) assert.deepEqual(behind(header, 'forwarded'), { ip, source: 'proxy' }, header)
    },
    'is unknown for a Forwarded element without a readable node': () => {
      for (const header of [
        '',
        'for=unknown',
        'for=_secret',
        'for=1.1.1.1;for=9.9.9.9',
        'by=10.0.0.1',
        'for="203.0.113.5',
        'xfor=203.0.113.5',
        'for=2001:db8::1',
        'for=127.1',
      ]) {
        assert.deepEqual(behind(header, 'forwarded'), UNKNOWN_ADDRESS, header)
      }
    },
  }),
  ...cases('LOC-5', {
    'a spoofed forwarding header changes nothing where no proxy is declared': async () => {
      const { app } = secured()
      app.get('/', (c) => c.json(c.var.security.address()))
      for (const name of [
        'x-forwarded-for',
        'forwarded',
        'x-real-ip',
        'x_forwarded_for',
        'cf-connecting-ip',
        'true-client-ip',
      ]) {
        const answer = await app.request('/', { headers: { [name]: 'for=127.0.0.1' } }, peer('203.0.113.9'))
        assert.deepEqual(await answer.json(), { ip: '203.0.113.9', source: 'socket' }, name)
      }
    },
    'duplicate forwarding headers are one list, in order': async () => {
      // GHSA-wgpf-jwqj-8h8p: the last of repeated headers alone was kept.
      const { app } = secured({ trustedProxies: { networks: ['10.0.0.0/8'], header: 'x-forwarded-for' } })
      app.get('/', (c) => c.json(c.var.security.address()))
      const headers = new Headers()
      headers.append('x-forwarded-for', '127.0.0.1')
      headers.append('x-forwarded-for', '203.0.113.5')
      headers.append('x-forwarded-for', '10.0.0.2')
      const answer = await app.request('/', { headers }, peer('10.0.0.1'))
      assert.deepEqual(await answer.json(), { ip: '203.0.113.5', source: 'proxy' })
    },
    'a hop may carry a port or brackets, as some proxies write it': () => {
      const trusted = (ip: string) => ip === '10.0.0.1'
      const hops: [string, string | null][] = [
        ['203.0.113.5:5678', '203.0.113.5'],
        ['[2001:db8::1]:443', '2001:db8::1'],
        ['[2001:db8::1]', '2001:db8::1'],
        ['2001:db8::1', '2001:db8::1'],
        ['203.0.113.5:', null],
        ['203.0.113.5:x', null],
        ['[203.0.113.5', null],
      ]
      for (const [hop, ip] of hops) {
        assert.equal(clientAddress(makeAddress('10.0.0.1', 'socket'), hop, 'x-forwarded-for', trusted).ip, ip, hop)
      }
    },
    'only the declared header of a declared proxy is read': async () => {
      const { app } = secured({ trustedProxies: { networks: ['10.0.0.0/8'], header: 'forwarded' } })
      app.get('/', (c) => c.json(c.var.security.address()))
      const headers = { 'x-forwarded-for': '8.8.8.8', forwarded: 'for=203.0.113.5' }
      const proxied = await app.request('/', { headers }, peer('10.0.0.1'))
      assert.deepEqual(await proxied.json(), { ip: '203.0.113.5', source: 'proxy' })
      const direct = await app.request('/', { headers }, peer('203.0.113.9'))
      assert.deepEqual(await direct.json(), { ip: '203.0.113.9', source: 'socket' })
    },
    'a bad proxy range throws at start': () => {
      assert.throws(
        () => secured({ trustedProxies: { networks: ['10.0.0.0/33'], header: 'x-forwarded-for' } }),
        RangeError,
      )
    },
  }),
]
