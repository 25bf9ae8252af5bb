import assert from 'node:assert/strict'
import { gcm } from '@noble/ciphers/aes.js'
import { pbkdf2 } from '@noble/hashes/pbkdf2.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { fromHex, toBase64Url, toHex, utf8 } from '../../src/bytes.ts'
import {
  type EnvelopeKey,
  openEnvelope,
  openSeedLayout,
  type SeedLayout,
  sealEnvelope,
} from '../../src/credentials/envelope.ts'
import { aeadKey, OpenError } from '../../src/crypto/aead.ts'
import { type Case, cases } from '../cases.ts'

async function keyOf(byte: number, kid = '0a1b2c3d'): Promise<EnvelopeKey> {
  return { kid, key: await aeadKey(new Uint8Array(32).fill(byte)) }
}

/** What agtOS would store, made without WebCrypto. */
function seedSealed(text: string, { iterations = 100_000, hash = 'SHA-256' }: Partial<SeedLayout> = {}): SeedLayout {
  const saltHex = '00112233445566778899aabbccddeeff'
  const ivHex = 'f0e0d0c0b0a090807060504030201000'
  const key = pbkdf2(hash === 'SHA-256' ? sha256 : sha512, utf8('the seed passphrase'), fromHex(saltHex)!, {
    c: iterations,
    dkLen: 32,
  })
  const sealed = gcm(key, fromHex(ivHex)!).encrypt(utf8(text))
  return {
    passphrase: 'the seed passphrase',
    saltHex,
    ivHex,
    tagHex: toHex(sealed.slice(-16)),
    ciphertextHex: toHex(sealed.slice(0, -16)),
  }
}

export const envelopeCases: readonly Case[] = [
  ...cases('VLT-1', {
    'an envelope is hnb1, key id, fresh nonce and ciphertext, and opens to its text': async () => {
      const key = await keyOf(1)
      const one = await sealEnvelope(key, 'openai', 'sk-é😀')
      assert.match(one, /^hnb1\.0a1b2c3d\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+$/)
      assert.equal(await openEnvelope(key, 'openai', one), 'sk-é😀')
      assert.notEqual((await sealEnvelope(key, 'openai', 'sk-é😀')).split('.')[2], one.split('.')[2])
    },
    'any text comes back under any name': async () => {
      const key = await keyOf(1)
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.string(), async (name, text) => {
          assert.equal(await openEnvelope(key, name, await sealEnvelope(key, name, text)), text)
        }),
        { seed: 18, numRuns: 100 },
      )
    },
    'an envelope with any character changed, lost or added is refused, with one error': async () => {
      const key = await keyOf(1)
      const envelope = await sealEnvelope(key, 'openai', 'sk-value')
      const messages = new Set<string>()
      const refuses = async (changed: string): Promise<void> => {
        await assert.rejects(
          openEnvelope(key, 'openai', changed),
          (error) => error instanceof OpenError && messages.add(error.message).size > 0,
          changed,
        )
      }
      for (let i = 0; i < envelope.length; i++) {
        const other = envelope[i] === 'A' ? 'B' : 'A'
        await refuses(envelope.slice(0, i) + other + envelope.slice(i + 1))
        await refuses(envelope.slice(0, i) + envelope.slice(i + 1))
        await refuses(`${envelope.slice(0, i)}.${envelope.slice(i)}`)
      }
      for (const changed of [
        '',
        '....',
        `${envelope}=`,
        `${envelope} `,
        `${envelope}.x`,
        envelope.toUpperCase(),
        envelope.replace('hnb1', 'hnb2'),
        'hnb1.0a1b2c3d..',
      ])
        await refuses(changed)
      assert.ok(messages.size <= 2, [...messages].join())
    },
    'an envelope opens under its own name and key alone': async () => {
      const envelope = await sealEnvelope(await keyOf(1), 'openai', 'x')
      await assert.rejects(openEnvelope(await keyOf(1), 'anthropic', envelope), OpenError)
      await assert.rejects(openEnvelope(await keyOf(2), 'openai', envelope), OpenError)
      await assert.rejects(openEnvelope(await keyOf(1, '0a1b2c3e'), 'openai', envelope), OpenError)
      const relabelled = envelope.replace('0a1b2c3d', '0a1b2c3e')
      await assert.rejects(openEnvelope(await keyOf(1, '0a1b2c3e'), 'openai', relabelled), OpenError)
    },
    'an envelope with a nonce of another length is refused, though it would open': async () => {
      const key = await keyOf(1)
      for (const [length, opens] of [
        [12, true],
        [16, false],
      ] as const) {
        const nonce = new Uint8Array(length).fill(7)
        const ciphertext = gcm(new Uint8Array(32).fill(1), nonce, utf8('hnb1.0a1b2c3d.openai')).encrypt(utf8('x'))
        const envelope = `hnb1.0a1b2c3d.${toBase64Url(nonce)}.${toBase64Url(ciphertext)}`
        if (opens) assert.equal(await openEnvelope(key, 'openai', envelope), 'x')
        else await assert.rejects(openEnvelope(key, 'openai', envelope), OpenError)
      }
    },
    "the seed's layout is read: PBKDF2 at 100,000, salt and IV of 16 bytes in hex": async () => {
      assert.equal(await openSeedLayout(seedSealed('sk-from-agtos é')), 'sk-from-agtos é')
    },
    "the seed's layout is read by other counts and by SHA-512": async () => {
      const few = { iterations: 1000, hash: 'SHA-512' } as const
      assert.equal(await openSeedLayout({ ...seedSealed('x', few), ...few }), 'x')
      await assert.rejects(openSeedLayout({ ...seedSealed('x', few), iterations: 1001, hash: 'SHA-512' }), OpenError)
      await assert.rejects(openSeedLayout({ ...seedSealed('x', few), iterations: 1000 }), OpenError)
    },
    'a changed or malformed seed record is refused': async () => {
      const iterations = 1000
      const good = { ...seedSealed('value', { iterations }), iterations }
      assert.equal(await openSeedLayout(good), 'value')
      for (const field of ['saltHex', 'ivHex', 'tagHex', 'ciphertextHex'] as const) {
        const flipped = (good[field][0] === '0' ? '1' : '0') + good[field].slice(1)
        for (const value of [flipped, good[field].slice(2), `${good[field]}00`, `${good[field]}0`, 'zz', '']) {
          await assert.rejects(openSeedLayout({ ...good, [field]: value }), OpenError, `${field} ${value}`)
        }
      }
      await assert.rejects(openSeedLayout({ ...good, passphrase: 'another' }), OpenError)
    },
    'a seed record that asks for more than 2,000,000 iterations is refused before any work': async () => {
      const good = seedSealed('value', { iterations: 1 })
      for (const iterations of [2_000_001, 1e15, Number.POSITIVE_INFINITY, 0, -1])
        await assert.rejects(openSeedLayout({ ...good, iterations }), RangeError)
    },
  }),
]
