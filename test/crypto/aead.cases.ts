import assert from 'node:assert/strict'
import { gcm } from '@noble/ciphers/aes.js'
import { CompactEncrypt, compactDecrypt } from 'jose'
import { fromBase64Url, fromHex, toBase64Url, toHex, utf8 } from '../../src/bytes.ts'
import { aeadKey, NONCE_BYTES, OpenError, open, seal } from '../../src/crypto/aead.ts'
import { type Case, cases } from '../cases.ts'

const hex = (text: string): Uint8Array<ArrayBuffer> => fromHex(text)!
const RAW = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
const NONE = new Uint8Array()

interface Vector {
  readonly key: string
  readonly nonce: string
  readonly aad: string
  readonly plaintext: string
  readonly ciphertext: string
}

// McGrew and Viega, "The Galois/Counter Mode of Operation" (the submission to NIST), test cases 13, 14 and 16.
const VECTORS: readonly Vector[] = [
  {
    key: '00'.repeat(32),
    nonce: '00'.repeat(12),
    aad: '',
    plaintext: '',
    ciphertext: '530f8afbc74536b9a963b4f1c4cb738b',
  },
  {
    key: '00'.repeat(32),
    nonce: '00'.repeat(12),
    aad: '',
    plaintext: '00'.repeat(16),
    ciphertext: 'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
  },
  {
    key: 'feffe9928665731c6d6a8f9467308308'.repeat(2),
    nonce: 'cafebabefacedbaddecaf888',
    aad: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    plaintext:
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    ciphertext:
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
  },
]

export const aeadCases: readonly Case[] = [
  ...cases('open()', {
    'gives the plaintexts of the published vectors': async () => {
      for (const { key, nonce, aad, plaintext, ciphertext } of VECTORS) {
        const opened = await open(await aeadKey(hex(key)), { nonce: hex(nonce), ciphertext: hex(ciphertext) }, hex(aad))
        assert.equal(toHex(opened), plaintext)
      }
    },
    'opens what noble sealed, under nonces of 12 and 16 bytes': async () => {
      const key = await aeadKey(hex(RAW))
      for (const length of [12, 16]) {
        const nonce = hex('a1'.repeat(length))
        const ciphertext = Uint8Array.from(gcm(hex(RAW), nonce, utf8('aad')).encrypt(utf8('text')))
        assert.equal(toHex(await open(key, { nonce, ciphertext }, utf8('aad'))), toHex(utf8('text')))
      }
    },
    'opens what jose sealed': async () => {
      const token = await new CompactEncrypt(utf8('text'))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .encrypt(hex(RAW))
      const [header, , nonce, body, tag] = token.split('.') as [string, string, string, string, string]
      const ciphertext = Uint8Array.from([...fromBase64Url(body)!, ...fromBase64Url(tag)!])
      const opened = await open(await aeadKey(hex(RAW)), { nonce: fromBase64Url(nonce)!, ciphertext }, utf8(header))
      assert.equal(new TextDecoder().decode(opened), 'text')
    },
    'refuses every changed byte of nonce, ciphertext, tag and additional data, with one error': async () => {
      const key = await aeadKey(hex(RAW))
      const aad = utf8('name')
      const { nonce, ciphertext } = await seal(key, utf8('value'), aad)
      const messages = new Set<string>()
      const refuses = async (
        sealed: { nonce: Uint8Array<ArrayBuffer>; ciphertext: Uint8Array<ArrayBuffer> },
        data: Uint8Array<ArrayBuffer>,
      ): Promise<void> => {
        await assert.rejects(
          open(key, sealed, data),
          (error) => error instanceof OpenError && messages.add(error.message).size === 1,
        )
      }
      for (const bit of [1, 128]) {
        for (let i = 0; i < nonce.length; i++)
          await refuses({ nonce: nonce.map((byte, at) => (at === i ? byte ^ bit : byte)), ciphertext }, aad)
        for (let i = 0; i < ciphertext.length; i++)
          await refuses({ nonce, ciphertext: ciphertext.map((byte, at) => (at === i ? byte ^ bit : byte)) }, aad)
        for (let i = 0; i < aad.length; i++)
          await refuses(
            { nonce, ciphertext },
            aad.map((byte, at) => (at === i ? byte ^ bit : byte)),
          )
      }
      await refuses({ nonce, ciphertext: ciphertext.slice(0, -1) }, aad)
      await refuses({ nonce, ciphertext }, NONE)
      assert.equal(new TextDecoder().decode(await open(key, { nonce, ciphertext }, aad)), 'value')
    },
    'refuses another key': async () => {
      const sealed = await seal(await aeadKey(hex(RAW)), utf8('value'), NONE)
      await assert.rejects(open(await aeadKey(hex('11'.repeat(32))), sealed, NONE), OpenError)
    },
    'refuses a nonce or tag of another length': async () => {
      const key = await aeadKey(hex(RAW))
      for (const length of [0, 8, 11, 13, 15, 17, 32]) {
        await assert.rejects(
          open(key, { nonce: new Uint8Array(length), ciphertext: new Uint8Array(32) }, NONE),
          OpenError,
        )
      }
      for (const length of [0, 1, 15]) {
        await assert.rejects(
          open(key, { nonce: new Uint8Array(12), ciphertext: new Uint8Array(length) }, NONE),
          OpenError,
        )
      }
    },
  }),
  ...cases('seal()', {
    'is opened by noble': async () => {
      const { nonce, ciphertext } = await seal(await aeadKey(hex(RAW)), utf8('text'), utf8('aad'))
      assert.equal(nonce.length, NONCE_BYTES)
      assert.equal(toHex(gcm(hex(RAW), nonce, utf8('aad')).decrypt(ciphertext)), toHex(utf8('text')))
    },
    'is opened by jose': async () => {
      const header = toBase64Url(utf8('{"alg":"dir","enc":"A256GCM"}'))
      const { nonce, ciphertext } = await seal(await aeadKey(hex(RAW)), utf8('text'), utf8(header))
      const token = [
        header,
        '',
        toBase64Url(nonce),
        toBase64Url(ciphertext.slice(0, -16)),
        toBase64Url(ciphertext.slice(-16)),
      ].join('.')
      assert.equal(new TextDecoder().decode((await compactDecrypt(token, hex(RAW))).plaintext), 'text')
    },
    'draws a fresh nonce each time': async () => {
      const key = await aeadKey(hex(RAW))
      const nonces = new Set<string>()
      for (let i = 0; i < 500; i++) nonces.add(toHex((await seal(key, NONE, NONE)).nonce))
      assert.equal(nonces.size, 500)
    },
  }),
  ...cases('aeadKey()', {
    'takes 32 bytes alone, and cannot be read out': async () => {
      for (const length of [0, 16, 24, 31, 33, 64]) await assert.rejects(aeadKey(new Uint8Array(length)), RangeError)
      const key = await aeadKey(hex(RAW))
      assert.equal(key.extractable, false)
      await assert.rejects(crypto.subtle.exportKey('raw', key))
    },
  }),
]
