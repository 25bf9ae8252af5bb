import assert from 'node:assert/strict'
import { gcm } from '@noble/ciphers/aes.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { fromBase64Url, fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { credentialVault, type VaultOptions } from '../../src/credentials/vault.ts'
import { OpenError } from '../../src/crypto/aead.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { StoppedClock } from '../support/fixtures.ts'

const SECRET = '8f1c2d3e4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0'
const SALT = '00112233445566778899aabbccddeeff'
const VALUE = 'sk-canary-0123456789abcdef'

function setUp(options: Partial<VaultOptions> = {}) {
  const clock = new StoppedClock()
  const store = options.store ?? memoryStore({ clock })
  return { clock, store, vault: credentialVault({ store, secret: SECRET, salt: SALT, clock, ...options }) }
}

async function envelopeOf(store: VaultOptions['store'], name: string): Promise<string> {
  return (await store.get({ partition: 'credentials', name }))!.value as string
}

/** What making a vault of these settings says is wrong. */
function faultOf(options: Partial<VaultOptions>): string {
  try {
    credentialVault({ store: memoryStore(), ...options })
  } catch (error) {
    assert.ok(error instanceof TypeError)
    return error.message
  }
  return ''
}

export const vaultCases: readonly Case[] = [
  ...cases('VLT-4', {
    'a stored value is opened by its name, replaced and deleted': async () => {
      const { vault } = setUp()
      assert.equal(await vault.open('openai'), null)
      await vault.store('openai', VALUE)
      assert.equal(await vault.open('openai'), VALUE)
      await vault.store('openai', 'another')
      assert.equal(await vault.open('openai'), 'another')
      assert.equal(await vault.delete('openai'), true)
      assert.equal(await vault.delete('openai'), false)
      assert.equal(await vault.open('openai'), null)
    },
    'a list shows names, times and the last four of long values, nothing of short ones': async () => {
      const { vault, clock } = setUp()
      await vault.store('long', VALUE)
      clock.advance(5)
      await vault.store('sixteen', '0123456789abcdef')
      await vault.store('fifteen', '0123456789abcde')
      await vault.store('empty', '')
      const list = await vault.list()
      const start = Date.UTC(2026, 10, 21)
      assert.deepEqual(
        [...list].sort((a, b) => (a.name < b.name ? -1 : 1)),
        [
          { name: 'empty', lastFour: null, storedAt: start + 5, readable: true },
          { name: 'fifteen', lastFour: null, storedAt: start + 5, readable: true },
          { name: 'long', lastFour: 'cdef', storedAt: start, readable: true },
          { name: 'sixteen', lastFour: 'cdef', storedAt: start + 5, readable: true },
        ],
      )
      assert.equal(JSON.stringify(list).includes('canary'), false)
    },
    'a list spans pages': async () => {
      const { vault } = setUp()
      for (let i = 0; i < 130; i++) await vault.store(`name-${i}`, 'x')
      assert.equal(new Set((await vault.list()).map(({ name }) => name)).size, 130)
    },
    'the store sees nothing of a value, nor its last four': async () => {
      const { vault, store } = setUp()
      await vault.store('openai', VALUE)
      const dump = JSON.stringify(await store.list('credentials', '', null))
      assert.ok(dump.includes('hnb1.'))
      for (let at = 0; at + 4 <= VALUE.length; at++) {
        const part = VALUE.slice(at, at + 4)
        if (!/^[0-9a-f]+$/.test(part)) assert.equal(dump.includes(part), false, part)
      }
      for (const encoded of [btoa(VALUE), btoa(VALUE).slice(4, 24)]) assert.equal(dump.includes(encoded), false)
    },
    'names that look like paths, prototypes or other names are kept apart': async () => {
      const { vault } = setUp()
      const names = ['__proto__', 'constructor', 'a/b', 'a%2Fb', 'a:b', 'é', '..', ' ', 'a', 'A']
      for (const name of names) await vault.store(name, `value of ${name}`)
      for (const name of names) assert.equal(await vault.open(name), `value of ${name}`)
      assert.equal((await vault.list()).length, names.length)
    },
  }),
  ...cases('VLT-1', {
    'what the vault stores is AES-256-GCM under a key by HKDF from secret and salt, bound to its name': async () => {
      const { vault, store } = setUp()
      await vault.store('openai', VALUE)
      const [version, kid, nonce, ciphertext] = (await envelopeOf(store, 'openai')).split('.') as [
        string,
        string,
        string,
        string,
      ]
      const derive = (info: string, length: number) =>
        hkdf(sha256, fromHex(SECRET)!, fromHex(SALT)!, utf8(info), length)
      assert.equal(version, 'hnb1')
      assert.equal(kid, toHex(derive('hinoban credential vault v1 key id', 4)))
      const cipher = gcm(derive('hinoban credential vault v1', 32), fromBase64Url(nonce)!, utf8(`hnb1.${kid}.openai`))
      const plaintext = new TextDecoder().decode(cipher.decrypt(fromBase64Url(ciphertext)!))
      assert.deepEqual(JSON.parse(plaintext), {
        value: VALUE,
        lastFour: 'cdef',
        storedAt: Date.UTC(2026, 10, 21),
      })
    },
  }),
  ...cases('VLT-3', {
    'two envelopes that change places open no more': async () => {
      const { vault, store } = setUp()
      await vault.store('openai', VALUE)
      await vault.store('anthropic', 'another value')
      const record = async (name: string) => (await store.get({ partition: 'credentials', name }))!.value
      const [one, two] = [await record('openai'), await record('anthropic')]
      await store.set({ partition: 'credentials', name: 'openai' }, two, null)
      await store.set({ partition: 'credentials', name: 'anthropic' }, one, null)
      await assert.rejects(vault.open('openai'), OpenError)
      await assert.rejects(vault.open('anthropic'), OpenError)
      const unreadable = { lastFour: null, storedAt: null, readable: false }
      assert.deepEqual(await vault.list(), [
        { name: 'anthropic', ...unreadable },
        { name: 'openai', ...unreadable },
      ])
      await store.set({ partition: 'credentials', name: 'openai' }, { no: 'envelope' }, null)
      await assert.rejects(vault.open('openai'), OpenError)
    },
    'every changed character of a stored envelope is refused': async () => {
      const { vault, store } = setUp()
      await vault.store('openai', VALUE)
      const envelope = await envelopeOf(store, 'openai')
      for (let i = 0; i < envelope.length; i++) {
        const changed = envelope.slice(0, i) + (envelope[i] === 'A' ? 'B' : 'A') + envelope.slice(i + 1)
        await store.set({ partition: 'credentials', name: 'openai' }, changed, null)
        await assert.rejects(vault.open('openai'), OpenError, String(i))
      }
    },
    'an older envelope of the same name opens, as a store may be restored': async () => {
      const { vault, store } = setUp()
      await vault.store('openai', 'old')
      const old = (await store.get({ partition: 'credentials', name: 'openai' }))!.value
      await vault.store('openai', 'new')
      await store.set({ partition: 'credentials', name: 'openai' }, old, null)
      assert.equal(await vault.open('openai'), 'old')
    },
  }),
  ...cases('VLT-2', {
    'the same secret and salt open what was stored before a restart, in every spelling': async () => {
      const { vault, store } = setUp()
      await vault.store('openai', VALUE)
      const base64 = btoa(String.fromCharCode(...SECRET.match(/../g)!.map((byte) => Number.parseInt(byte, 16))))
      for (const secret of [
        SECRET,
        SECRET.toUpperCase(),
        base64,
        base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, ''),
      ]) {
        assert.equal(await setUp({ store, secret }).vault.open('openai'), VALUE)
      }
      assert.equal(await setUp({ store, salt: SALT.toUpperCase() }).vault.open('openai'), VALUE)
    },
    'another secret or another salt opens nothing': async () => {
      const { vault, store } = setUp()
      await vault.store('openai', VALUE)
      await assert.rejects(setUp({ store, secret: SECRET.replace('8', '9') }).vault.open('openai'), OpenError)
      await assert.rejects(setUp({ store, salt: SALT.replace('ff', 'fe') }).vault.open('openai'), OpenError)
    },
    'missing settings are each named with how to make them': () => {
      const both = faultOf({})
      assert.match(
        both,
        /secret is missing \(make one: openssl rand -hex 32\); salt is missing \(make one: openssl rand -hex 16\)/,
      )
      assert.match(
        faultOf({ secret: SECRET }),
        /^credentialVault\(\): salt is missing \(make one: openssl rand -hex 16\)\.$/,
      )
      assert.match(faultOf({ salt: SALT }), /^credentialVault\(\): secret is missing/)
    },
    'weak settings are each named, and none is repeated': () => {
      const weak = [
        '',
        'hunter2',
        'a'.repeat(64),
        '00'.repeat(32),
        '0123'.repeat(16),
        SECRET.slice(2),
        'correct horse battery staple!',
        'ab'.repeat(64),
      ]
      for (const secret of weak) {
        const fault = faultOf({ secret, salt: SALT })
        assert.match(fault, /secret must be at least 32 random bytes.*openssl rand -hex 32/, secret)
        assert.equal(secret !== '' && fault.includes(secret), false)
      }
      for (const salt of ['', 'ff', SALT.slice(2), `${SALT}00`, `${SALT}0`, 'z'.repeat(32)]) {
        assert.match(faultOf({ secret: SECRET, salt }), /salt must be 16 bytes in hex.*openssl rand -hex 16/, salt)
      }
    },
    'forgetOnRestart draws secret and salt anew: what one start stored, the next cannot open': async () => {
      const store = memoryStore()
      const lines: string[] = []
      const log = (line: string) => void lines.push(line)
      const options = { store, forgetOnRestart: true, mode: 'development', log } as const
      const first = credentialVault(options)
      await first.store('openai', VALUE)
      assert.equal(await first.open('openai'), VALUE)
      assert.equal(lines.length, 1)
      assert.match(lines[0]!, /last only until this process ends/)
      await assert.rejects(credentialVault(options).open('openai'), OpenError)
      assert.match(faultOf({ forgetOnRestart: true }), /for development alone/)
      assert.match(faultOf({ forgetOnRestart: true, mode: 'development' }), /log/)
    },
    'forgetOnRestart gives way to settings that are there, and does not excuse half of them': async () => {
      const { vault, store } = setUp({ forgetOnRestart: true })
      await vault.store('openai', VALUE)
      assert.equal(await setUp({ store }).vault.open('openai'), VALUE)
      assert.match(faultOf({ secret: SECRET, forgetOnRestart: true }), /salt is missing/)
      assert.match(faultOf({ salt: SALT, forgetOnRestart: true }), /secret is missing/)
      assert.match(faultOf({ secret: '', salt: '', forgetOnRestart: true }), /secret must be/)
    },
  }),
  ...cases('credentialVault()', {
    'passes an outage of its store on': async () => {
      const { vault, store } = setUp()
      await store.close()
      await assert.rejects(vault.open('x'), StoreOutage)
      await assert.rejects(vault.store('x', 'y'), StoreOutage)
      await assert.rejects(vault.list(), StoreOutage)
      await assert.rejects(vault.delete('x'), StoreOutage)
    },
    'opens for many callers at once from the first moment': async () => {
      const { vault, store } = setUp()
      await vault.store('openai', VALUE)
      const fresh = setUp({ store }).vault
      const opened = await Promise.all(Array.from({ length: 50 }, () => fresh.open('openai')))
      assert.ok(opened.every((value) => value === VALUE))
    },
  }),
]
