import { makeRate } from '../gcra.ts'
import { answer, atomicCase, check, equal, listAll, START, type StoreCase, show, storeCase, throws } from './case.ts'

/** Names that meet when a store joins, cuts, folds or quotes them carelessly. */
const HOSTILE: readonly string[] = [
  '',
  ' ',
  'a',
  'A',
  'a ',
  'a\u0000',
  'a\u0000b',
  "a'b",
  'a"b',
  "'; drop table hinoban_record; --",
  'a/b',
  'a%2Fb',
  'a%252Fb',
  'a:b',
  'a|b',
  'a~b',
  'a%~b',
  'a\\b',
  'a*b',
  'a?b',
  'a_b',
  'a{b}',
  'a\nb',
  'a\r\nb',
  '../a',
  'é',
  'e\u0301',
  'ß',
  'ss',
  '👩‍🚀',
  '👩',
  '\uffff',
  '__proto__',
  'constructor',
  'null',
  '0',
]
const LONG_NAMES: readonly string[] = ['x'.repeat(10_240), `${'x'.repeat(10_239)}y`, 'é'.repeat(200), 'x'.repeat(200)]
const LONE = ['\ud800', 'a\udc00b']
const RATE = makeRate(1, 60)

/** What a name or a partition may be, and that no two ever meet. */
export const keyCases: readonly StoreCase[] = [
  storeCase('hostile names never meet, and list() gives them back', async ({ store }) => {
    for (const name of HOSTILE) await store.set({ partition: 'p', name }, name, null)
    for (const name of HOSTILE) {
      equal((await answer(store.get({ partition: 'p', name })))?.value, name, `get() of ${show(name)}`)
    }
    equal(await listAll(store, 'p'), Object.fromEntries(HOSTILE.map((name) => [name, name])), 'list()')
  }),
  storeCase('hostile partitions never meet', async ({ store }) => {
    const partitions = [...HOSTILE, ...LONG_NAMES]
    for (const [i, partition] of partitions.entries()) await store.set({ partition, name: 'n' }, i, null)
    for (const [i, partition] of partitions.entries()) {
      equal((await answer(store.get({ partition, name: 'n' })))?.value, i, `get() in ${show(partition)}`)
      equal(await listAll(store, partition), { n: i }, `list() of ${show(partition)}`)
    }
  }),
  storeCase('a partition and a name that join alike stay apart', async ({ store }) => {
    const pairs = [
      ['a/b', 'c'],
      ['a', 'b/c'],
      ['a', '/b/c'],
      ['a:b', 'c'],
      ['a', 'b:c'],
      ['', 'a:b:c'],
      ['a:b:c', ''],
      ['1:a', 'b'],
      ['1', ':ab'],
      ['{a}', 'b'],
      ['a', '}b'],
    ] as const
    for (const [partition, name] of pairs) {
      equal(await answer(store.get({ partition, name })), null, `get() before set() of ${show([partition, name])}`)
      await store.set({ partition, name }, [partition, name], null)
    }
    for (const [partition, name] of pairs) {
      equal((await answer(store.get({ partition, name })))?.value, [partition, name], 'get()')
    }
  }),
  storeCase('a name of 199 bytes encoded fits, one more is a RangeError', async ({ store }) => {
    const longest = `${'é'.repeat(33)}a`
    await store.set({ partition: 'p', name: longest }, 1, null)
    equal(await listAll(store, 'p', longest), { [longest]: 1 }, 'list() of the longest name')
    for (const name of [`${longest}a`, ...LONG_NAMES]) {
      await throws('RangeError', () => store.set({ partition: 'p', name }, 1, null), 'set() of a longer name')
      equal(await answer(store.get({ partition: 'p', name })), null, 'get() of a longer name')
    }
  }),
  storeCase('a lone surrogate in a key is a RangeError', async ({ store }) => {
    for (const lone of LONE) {
      for (const key of [
        { partition: lone, name: 'n' },
        { partition: 'p', name: lone },
      ]) {
        await throws('RangeError', () => store.get(key), 'get()')
        await throws('RangeError', () => store.set(key, 1, null), 'set()')
        await throws('RangeError', () => store.delete(key), 'delete()')
      }
      await throws('RangeError', () => store.list(lone, '', null), 'list() of a partition')
      await throws('RangeError', () => store.list('p', lone, null), 'list() of a prefix')
    }
  }),
  atomicCase('claim(), take() and consume() work with long names, list() leaves them out', async ({ store }) => {
    for (const name of [...LONG_NAMES, ...HOSTILE]) {
      const key = { partition: 'p', name }
      equal(await answer(store.claim(key, START + 1)), true, `claim() of ${show(name)}`)
      equal(await answer(store.claim(key, START + 1)), false, `The second claim() of ${show(name)}`)
      const charges = [{ name, rate: RATE, cost: 1 }]
      equal((await answer(store.consume('p', charges))).admitted, true, `consume() of ${show(name)}`)
      equal((await answer(store.consume('p', charges))).admitted, false, `The second consume() of ${show(name)}`)
    }
    const listed = await listAll(store, 'p')
    equal(Object.keys(listed).length, HOSTILE.length, 'Names that list() gives')
    for (const name of [...LONG_NAMES, ...HOSTILE]) {
      check((await answer(store.take({ partition: 'p', name }))) !== null, `take() of ${show(name)} gave nothing.`)
    }
  }),
  atomicCase('consume() keeps partitions and joined names apart', async ({ store }) => {
    const pairs = [...HOSTILE, ...LONG_NAMES].flatMap((part) => [
      [part, 'n'],
      ['n', part],
    ])
    for (const [partition, name] of [...pairs, ['1:a', 'b'], ['1', ':ab'], ['1:', 'ab']] as [string, string][]) {
      const { admitted } = await answer(store.consume(partition, [{ name, rate: RATE, cost: 1 }]))
      equal(admitted, true, `The first consume() of ${show([partition, name])}`)
    }
  }),
  atomicCase('swap() refuses long names; every verb refuses a lone surrogate', async ({ store }) => {
    for (const name of LONG_NAMES) {
      await throws('RangeError', () => store.swap({ partition: 'p', name }, null, 1, null), 'swap() of a long name')
    }
    for (const lone of LONE) {
      const key = { partition: 'p', name: lone }
      await throws('RangeError', () => store.claim(key, START + 1), 'claim()')
      await throws('RangeError', () => store.take(key), 'take()')
      await throws('RangeError', () => store.swap(key, null, 1, null), 'swap()')
      await throws('RangeError', () => store.consume(lone, [{ name: 'n', rate: RATE, cost: 1 }]), 'consume()')
      await throws('RangeError', () => store.consume('p', [{ name: lone, rate: RATE, cost: 1 }]), 'consume()')
    }
  }),
]
