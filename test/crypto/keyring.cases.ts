import { strict as assert } from 'node:assert'
import { gcm } from '@noble/ciphers/aes.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { fromBase64Url, fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { OpenError } from '../../src/crypto/aead.ts'
import { keyring } from '../../src/crypto/keyring.ts'
import { type Case, cases } from '../cases.ts'

const SECRET = '0123456789abcdef0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778'
const SALT = '000102030405060708090a0b0c0d0e0f'

export const keyringCases: readonly Case[] = cases('keyring()', {
  'seals so that an independent implementation opens it': async () => {
    const sealed = await keyring({ secret: SECRET, salt: SALT }).seal('label', 'context', 'text')
    const [version, kid, nonce, ciphertext] = sealed.split('.')
    const derive = (info: string, length: number): Uint8Array =>
      hkdf(sha256, fromHex(SECRET)!, fromHex(SALT)!, utf8(info), length)
    assert.equal(kid, toHex(derive('hinoban keyring v1 key id', 4)))
    const key = derive(`hinoban keyring v1 label ${toHex(sha256(utf8('label')))}`, 32)
    const opened = gcm(key, fromBase64Url(nonce!)!, utf8(`${version}.${kid}.context`)).decrypt(
      fromBase64Url(ciphertext!)!,
    )
    assert.equal(new TextDecoder().decode(opened), 'text')
  },
  'opens under the same label and context alone': async () => {
    const keys = keyring({ secret: SECRET, salt: SALT })
    const sealed = await keys.seal('label', 'context', 'text 👩‍🚀')
    assert.equal(await keys.open('label', 'context', sealed), 'text 👩‍🚀')
    for (const [label, context] of [
      ['other', 'context'],
      ['label', 'other'],
      ['labelc', 'ontext'],
      ['', ''],
    ] as const) {
      await assert.rejects(keys.open(label, context, sealed), OpenError)
    }
    for (const text of ['', 'hnb2', 'hnb2....', `${sealed}.`, sealed.replace('hnb2', 'hnb1'), `${sealed}=`]) {
      await assert.rejects(keys.open('label', 'context', text), OpenError, text)
    }
  },
  'holds a bounded number of keys and seals and opens all the same': async () => {
    const keys = keyring({ secret: SECRET, salt: SALT })
    const first = await keys.seal('label 0', '', 'text')
    for (let i = 1; i < 1_100; i++) await keys.seal(`label ${i}`, '', '')
    assert.equal(await keys.open('label 0', '', first), 'text')
  },
  'names each setting that is missing or weak, and repeats none': () => {
    const weak = { secret: 'password'.repeat(8), salt: 'abc' }
    const told = (options: object): string => {
      try {
        keyring(options as never)
      } catch (error) {
        assert.ok(error instanceof TypeError)
        return error.message
      }
      return assert.fail('It was taken.')
    }
    assert.match(told({}), /^keyring\(\): secret is missing .*openssl rand -hex 32.*; salt is missing .*-hex 16/)
    assert.match(told(weak), /secret must be at least 32 random bytes.*salt must be 16 bytes/)
    assert.doesNotMatch(told(weak), /password|abc/)
    assert.match(told({ secret: SECRET, salt: SALT, retired: [weak] }), /^keyring\(\): retired: secret must be/)
  },
})
