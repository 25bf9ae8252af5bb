import type { Json, Store } from '../contract.ts'
import {
  answer,
  check,
  durable,
  equal,
  listAll,
  START,
  type StoreCase,
  shared,
  show,
  storeCase,
  throws,
} from './case.ts'

const HOUR = 3_600_000
/** How many writes a case has under way together. */
const AT_ONCE = 100
const KEY = { partition: 'p', name: 'n' }

const VALUES: readonly Json[] = [
  null,
  false,
  0,
  -0.5,
  1e300,
  '',
  'ü \u0000 \u2028 \ud800 👩‍🚀',
  [],
  {},
  [1, ['2', { three: [null] }]],
  { ['__proto__']: 'plain', constructor: 1, '': '', nested: { deep: [true] } },
]

/** Plain state: `get`, `set`, `delete`, `list`, `close`. */
export const recordCases: readonly StoreCase[] = [
  storeCase('get() gives null where nothing was set', async ({ store }) => {
    equal(await answer(store.get(KEY)), null, 'get()')
    equal(await answer(store.delete(KEY)), undefined, 'delete() of nothing')
  }),
  storeCase('get() gives back every kind of JSON', async ({ store }) => {
    for (const value of VALUES) {
      equal(await answer(store.set(KEY, value, null)), undefined, 'set()')
      const found = await answer(store.get(KEY))
      equal(found?.value, JSON.parse(JSON.stringify(value)), 'The value')
      equal(found?.expiresAt, null, 'expiresAt')
    }
  }),
  storeCase('set() replaces, delete() removes', async ({ store }) => {
    await store.set(KEY, 1, null)
    await store.set(KEY, 2, START + HOUR)
    const found = await answer(store.get(KEY))
    equal([found?.value, found?.expiresAt], [2, START + HOUR], 'The second record')
    await store.delete(KEY)
    equal(await answer(store.get(KEY)), null, 'get() after delete()')
  }),
  storeCase('the version changes with every write, also after delete()', async ({ store }) => {
    const versions = new Set<unknown>()
    for (let i = 0; i < 6; i++) {
      await store.set(KEY, 'same', null)
      const version = (await answer(store.get(KEY)))?.version
      check(typeof version === 'string' && version !== '', 'A version is a text.')
      equal((await answer(store.get(KEY)))?.version, version, 'The version read twice')
      versions.add(version)
      if (i % 2 === 0) await store.delete(KEY)
    }
    equal(versions.size, 6, 'Distinct versions of 6 writes')
  }),
  storeCase('values are not shared with the caller', async ({ store }) => {
    const given = { list: [1] }
    await store.set(KEY, given, null)
    given.list.push(2)
    const first = (await answer(store.get(KEY)))?.value as { list: number[] }
    equal(first, { list: [1] }, 'After the caller changed its own object')
    first.list.push(3)
    equal((await answer(store.get(KEY)))?.value, { list: [1] }, 'After the caller changed what get() gave')
    const listed = (await answer(store.list(KEY.partition, '', null))).entries[0]?.value as { list: number[] }
    listed.list.push(4)
    equal((await answer(store.get(KEY)))?.value, { list: [1] }, 'After the caller changed what list() gave')
  }),
  storeCase('get() and list() end at expiresAt to the millisecond', async ({ store, clock }) => {
    await store.set(KEY, 1, START + 1000)
    clock.at = START + 999
    equal((await answer(store.get(KEY)))?.value, 1, 'One millisecond before')
    equal(await listAll(store, 'p'), { n: 1 }, 'list() one millisecond before')
    clock.at = START + 1000
    equal(await listAll(store, 'p'), {}, 'list() at expiresAt')
    equal(await answer(store.get(KEY)), null, 'At expiresAt')
  }),
  storeCase('a record set with an instant that has passed is never seen', async ({ store }) => {
    await store.set(KEY, 1, START)
    equal(await answer(store.get(KEY)), null, 'get()')
    await store.set(KEY, 1, START - HOUR)
    equal(await listAll(store, 'p'), {}, 'list()')
  }),
  storeCase('a set() after expiry lives on its own', async ({ store, clock }) => {
    await store.set(KEY, 'old', START + 1)
    clock.at = START + 2
    await store.set(KEY, 'new', null)
    clock.at = START + 1000 * HOUR
    equal((await answer(store.get(KEY)))?.value, 'new', 'The new record')
  }),
  storeCase('expiry follows the clock when it steps an hour', async ({ store, clock }) => {
    await store.set(KEY, 1, START + 60_000)
    clock.at = START - HOUR
    equal((await answer(store.get(KEY)))?.value, 1, 'An hour back')
    clock.at = START + HOUR
    equal(await answer(store.get(KEY)), null, 'An hour forth')
  }),
  storeCase('expiresAt must be whole milliseconds', async ({ store }) => {
    for (const bad of [Number.NaN, 0.5, Number.POSITIVE_INFINITY, 2 ** 53]) {
      await throws('RangeError', () => store.set(KEY, 1, bad), `set() with expiresAt ${bad}`)
    }
    equal(await answer(store.get(KEY)), null, 'get()')
  }),
  storeCase('a value of the most bytes (48 KiB) fits, one more is a RangeError', async ({ store, maxValueBytes }) => {
    const full = 'x'.repeat(maxValueBytes - 2)
    await store.set(KEY, full, null)
    equal((await answer(store.get(KEY)))?.value, full, 'The full value')
    const wide = 'é'.repeat((maxValueBytes - 2) / 2)
    await store.set(KEY, wide, null)
    await throws('RangeError', () => store.set(KEY, `${full}x`, null), 'set() of one byte more')
    await throws('RangeError', () => store.set(KEY, `${wide}x`, null), 'set() of one byte more in UTF-8')
    equal((await answer(store.get(KEY)))?.value, wide, 'After the refusals')
  }),
  storeCase('a value without JSON is a TypeError', async ({ store }) => {
    for (const bad of [undefined, () => 1, Symbol('s'), 1n]) {
      await throws('TypeError', () => store.set(KEY, bad as unknown as Json, null), `set() of a ${typeof bad}`)
    }
    equal(await answer(store.get(KEY)), null, 'get()')
  }),
  storeCase('list() pages over 10,000 records, each once, in the order of encoded names', async ({ store }) => {
    const names = Array.from({ length: 10_000 }, (_, i) => `n ${i}`)
    for (let i = 0; i < names.length; i += AT_ONCE) {
      await Promise.all(
        names.slice(i, i + AT_ONCE).map(async (name) => store.set({ partition: 'p', name }, name, null)),
      )
    }
    await store.set({ partition: 'q', name: 'n 0' }, 'another partition', null)
    const listed = await listAll(store, 'p')
    equal(Object.keys(listed).length, names.length, 'Records of all pages')
    check(
      names.every((name) => listed[name] === name),
      'A record came with the value of another.',
    )
    const order = Object.keys(listed).map(encodeURIComponent)
    equal(order, [...order].sort(), 'The order')
  }),
  storeCase('list() takes a prefix literally, over pages', async ({ store }) => {
    await fill(store, 'a%', 120)
    await fill(store, 'a_', 20)
    await fill(store, 'a', 3)
    equal(Object.keys(await listAll(store, 'p', 'a%')).length, 120, "Names under 'a%'")
    equal(Object.keys(await listAll(store, 'p', 'a_')).length, 20, "Names under 'a_'")
    equal(Object.keys(await listAll(store, 'p', 'a')).length, 143, "Names under 'a'")
    equal(await listAll(store, 'p', 'b'), {}, "Names under 'b'")
  }),
  storeCase('no cursor leads out of the prefix', async ({ store }) => {
    await fill(store, 'alice:', 3)
    await fill(store, 'bob:', 120)
    await fill(store, 'carol:', 3)
    const bob = await answer(store.list('p', 'bob:', null))
    for (const cursor of ['alice:', 'alice%3A1', 'a', '', bob.cursor, 'zoe', '%', '\0', '[', '(alice']) {
      const names = await namesAt(store, cursor)
      check(
        names.every((name) => name.startsWith('bob:')),
        `list() left its prefix with the cursor ${show(cursor)}.`,
      )
    }
  }),
  storeCase('list() goes on when records of earlier pages are deleted', async ({ store }) => {
    await fill(store, 'n', 150)
    const first = await answer(store.list('p', '', null))
    for (const { name } of first.entries) await store.delete({ partition: 'p', name })
    const second = await answer(store.list('p', '', first.cursor))
    equal(first.entries.length + second.entries.length, 150, 'Records of both pages')
  }),
  storeCase('after close() every verb throws StoreOutage', async ({ store }) => {
    await store.set(KEY, 1, null)
    await store.close()
    await throws('StoreOutage', () => store.get(KEY), 'get()')
    await throws('StoreOutage', () => store.set(KEY, 2, null), 'set()')
    await throws('StoreOutage', () => store.delete(KEY), 'delete()')
    await throws('StoreOutage', () => store.list('p', '', null), 'list()')
    await store.close()
  }),
  shared(
    storeCase('two connections see what either wrote', async ({ store, another }) => {
      const other = await another()
      await store.set(KEY, 'from the first', null)
      equal((await answer(other.get(KEY)))?.value, 'from the first', 'get() by the second')
      await other.set(KEY, 'from the second', null)
      equal((await answer(store.get(KEY)))?.value, 'from the second', 'get() by the first')
      await other.delete(KEY)
      equal(await answer(store.get(KEY)), null, 'get() after delete() by the second')
    }),
  ),
  durable(
    storeCase('a reopened store holds what was acknowledged', async ({ store, clock, reopen }) => {
      await store.set(KEY, { kept: true }, START + 1000)
      await store.set({ partition: 'p', name: 'gone' }, 1, null)
      await store.delete({ partition: 'p', name: 'gone' })
      const again = await reopen()
      equal(await listAll(again, 'p'), { n: { kept: true } }, 'list()')
      clock.at = START + 1000
      equal(await answer(again.get(KEY)), null, 'At expiresAt')
    }),
  ),
]

async function fill(store: Store, prefix: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await store.set({ partition: 'p', name: `${prefix}${i}` }, i, null)
}

/** The names that a page gives; none where the store refuses a cursor that it did not make. */
async function namesAt(store: Store, cursor: string | null): Promise<readonly string[]> {
  try {
    return (await store.list('p', 'bob:', cursor)).entries.map(({ name }) => name)
  } catch {
    return []
  }
}
