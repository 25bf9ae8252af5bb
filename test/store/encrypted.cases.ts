import { strict as assert } from 'node:assert'
import { keyring } from '../../src/crypto/keyring.ts'
import { type AtomicStore, type Store, StoreOutage } from '../../src/store/contract.ts'
import { encrypted, MAX_SEALED_BYTES } from '../../src/store/encrypted.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { conformanceOf } from './conformance.cases.ts'

const SECRET = '0123456789abcdef0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778'
const SALT = '000102030405060708090a0b0c0d0e0f'
const keys = keyring({ secret: SECRET, salt: SALT })
const KEY = { partition: 'p', name: 'n' }

function opened(): { inner: AtomicStore; store: AtomicStore } {
  const inner = memoryStore()
  return { inner, store: encrypted(inner, keys) }
}

export const encryptedCases: readonly Case[] = [
  ...conformanceOf('encrypted', {
    consistency: 'atomic',
    maxValueBytes: MAX_SEALED_BYTES,
    open: (clock) => encrypted(memoryStore({ clock }), keys),
  }),
  ...cases('encrypted()', {
    'the engine sees no value': async () => {
      const { inner, store } = opened()
      await store.set(KEY, { token: 'canary-4711' }, null)
      const version = await store.swap({ ...KEY, name: 'swapped' }, null, 'canary-4711', null)
      assert.ok(version)
      for (const name of ['n', 'swapped']) {
        const text = (await inner.get({ partition: 'p', name }))?.value
        assert.match(String(text), /^hnb2\.[0-9a-f]{8}\.[\w-]{16}\.[\w-]+$/)
        assert.doesNotMatch(String(text), /canary/)
      }
      assert.deepEqual((await store.get(KEY))?.value, { token: 'canary-4711' })
    },
    'one value written twice looks different each time': async () => {
      const { inner, store } = opened()
      const seen = new Set<unknown>()
      for (let i = 0; i < 10; i++) {
        await store.set(KEY, 'same', null)
        seen.add((await inner.get(KEY))?.value)
      }
      assert.equal(seen.size, 10)
    },
    'a record that was moved to another name or partition, or prolonged, does not open': async () => {
      const { inner, store } = opened()
      const expiresAt = Date.now() + 60_000
      await store.set(KEY, 'mine', expiresAt)
      const sealed = (await inner.get(KEY))!.value
      for (const [key, end] of [
        [{ partition: 'p', name: 'other' }, expiresAt],
        [{ partition: 'other', name: 'n' }, expiresAt],
        [KEY, expiresAt + 1],
        [KEY, null],
      ] as const) {
        await inner.set(key, sealed, end)
        await assert.rejects(async () => store.get(key), StoreOutage)
        await assert.rejects(async () => store.list(key.partition, '', null), StoreOutage)
        await assert.rejects(async () => store.take(key), StoreOutage)
      }
    },
    'no changed letter of a sealed value opens': async () => {
      const { inner, store } = opened()
      await store.set(KEY, 'value', null)
      const sealed = (await inner.get(KEY))!.value as string
      for (let i = 0; i < sealed.length; i++) {
        const changed = `${sealed.slice(0, i)}${sealed[i] === 'A' ? 'B' : 'A'}${sealed.slice(i + 1)}`
        await inner.set(KEY, changed, null)
        await assert.rejects(async () => store.get(KEY), StoreOutage, `letter ${i}`)
      }
    },
    'plain values that something else wrote are an outage, and true is no value': async () => {
      const { inner, store } = opened()
      for (const value of ['plain', '', 1, false, null, { role: 'admin' }, ['hnb2']]) {
        await inner.set(KEY, value, null)
        await assert.rejects(async () => store.get(KEY), StoreOutage, JSON.stringify(value))
      }
      await inner.set(KEY, true, null)
      assert.equal((await store.get(KEY))?.value, null)
    },
    'the outage repeats no value and no key': async () => {
      const { inner, store } = opened()
      await inner.set(KEY, 'canary-4711', null)
      await assert.rejects(
        async () => store.get(KEY),
        ({ stack, cause }: Error) => !new RegExp(`canary|${SECRET}|${SALT}`).test(`${stack} ${(cause as Error).stack}`),
      )
    },
    'after a change of the secret old records open by the retired pair, and not without it': async () => {
      const { inner, store } = opened()
      await store.set(KEY, 'old', null)
      const fresh = { secret: SECRET.split('').reverse().join(''), salt: SALT }
      const rotated = encrypted(inner, keyring({ ...fresh, retired: [{ secret: SECRET, salt: SALT }] }))
      assert.equal((await rotated.get(KEY))?.value, 'old')
      await rotated.set(KEY, 'new', null)
      await assert.rejects(async () => store.get(KEY), StoreOutage)
      const without = encrypted(inner, keyring(fresh))
      assert.equal((await without.get(KEY))?.value, 'new')
      await store.set(KEY, 'old again', null)
      await assert.rejects(async () => without.get(KEY), StoreOutage)
    },
    'a value too long to be sealed is a RangeError that says so': async () => {
      const { store } = opened()
      const text = 'x'.repeat(MAX_SEALED_BYTES - 1)
      await assert.rejects(async () => store.set(KEY, text, null), { name: 'RangeError', message: /encrypted value/ })
    },
    'an eventual store stays one': async () => {
      const store: Store = encrypted({ ...memoryVerbs(), name: 'edge', consistency: 'eventual' } as Store, keys)
      assert.deepEqual([store.consistency, 'claim' in store], ['eventual', false])
      await store.set(KEY, 'sealed', null)
      assert.equal((await store.get(KEY))?.value, 'sealed')
    },
  }),
]

function memoryVerbs(): Partial<Store> {
  const memory = memoryStore()
  return {
    get: (key) => memory.get(key),
    set: (key, value, expiresAt) => memory.set(key, value, expiresAt),
  }
}
