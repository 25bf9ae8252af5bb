import { memoryStore } from 'hinoban'
import { encrypted, keyring } from 'hinoban/store'
import { randomBytes, toHex } from '../../src/bytes.ts'
import { type Effort, immediate, inRounds, pending } from '../rounds.ts'
import type { Group } from './group.ts'
import { ADDRESSES, addressOf, consumes, fill, JSON_VALUE, records, VALUE } from './work.ts'

const FEW = 512

/** The memory store against a Map, and `encrypted` against the memory store. */
export async function memoryGroups(effort: Effort): Promise<readonly Group[]> {
  const store = memoryStore()
  const counts = new Map<string, number>()
  const texts = new Map(ADDRESSES.map((address) => [address, JSON_VALUE]))
  await fill(store)
  const plain = immediate([
    {
      name: 'Map get and set',
      call(i) {
        const address = addressOf(i)
        counts.set(address, (counts.get(address) ?? 0) + 1)
      },
    },
    consumes(store, 'consume', 'Map get and set'),
    { name: 'Map set', call: (i) => texts.set(addressOf(i), JSON_VALUE) },
    { name: 'Map get', call: (i) => texts.get(addressOf(i)), ok: (text) => text !== undefined },
    ...records(store, { get: 'Map get', set: 'Map set' }),
  ])

  const sealed = encrypted(memoryStore(), keyring({ secret: toHex(randomBytes(32)), salt: toHex(randomBytes(16)) }))
  const open = memoryStore()
  const setAndGet = (to: typeof sealed, among: number) => async (i: number) => {
    const key = { partition: addressOf(i % among), name: 'session' }
    await to.set(key, VALUE, null)
    return to.get(key)
  }
  const wrapped = pending([
    { name: 'memory set and get', call: setAndGet(open, FEW) },
    { name: `encrypted set and get, ${FEW} records`, floor: 'memory set and get', call: setAndGet(sealed, FEW) },
    {
      name: 'encrypted set and get, 4,096 records',
      floor: 'memory set and get',
      call: setAndGet(sealed, ADDRESSES.length),
    },
  ])
  return [
    { engine: 'memory', rows: await inRounds(plain, effort) },
    { engine: 'encrypted over memory', rows: await inRounds(wrapped, effort) },
  ]
}
