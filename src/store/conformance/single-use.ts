import { type AtomicStore, type Json, MAX_VALUE_BYTES } from '../contract.ts'
import { answer, atomicCase, check, durable, equal, listAll, START, type StoreCase, shared, throws } from './case.ts'

const RACERS = 1000
const HOUR = 3_600_000
const KEY = { partition: 'p', name: 'n' }

/** Verbs with one winner: `claim`, `take`, `swap`. */
export const singleUseCases: readonly StoreCase[] = [
  atomicCase('claim() has one winner until expiresAt, then one again', async ({ store, clock }) => {
    equal(await answer(store.claim(KEY, START + 1000)), true, 'The first claim()')
    equal(await answer(store.claim(KEY, START + 5000)), false, 'The second claim()')
    clock.at = START + 999
    equal(await answer(store.claim(KEY, START + 5000)), false, 'One millisecond before expiresAt')
    clock.at = START + 1000
    equal(await answer(store.claim(KEY, START + 5000)), true, 'At expiresAt')
    equal(await answer(store.claim(KEY, START + 9000)), false, 'After it was claimed again')
  }),
  atomicCase('a claim for 30 days lasts 30 days', async ({ store, clock }) => {
    const end = START + 30 * 24 * HOUR
    await store.claim(KEY, end)
    for (let day = 1; day < 30; day += 4) {
      clock.at = START + day * 24 * HOUR
      equal(await answer(store.claim(KEY, end)), false, `On day ${day}`)
    }
    clock.at = end - 1
    equal(await answer(store.claim(KEY, end)), false, 'In the last millisecond')
    clock.at = end
    equal(await answer(store.claim(KEY, end + HOUR)), true, 'At the end')
  }),
  atomicCase('claim() has one winner among racers', async ({ store }) => {
    const won = await race(RACERS, () => store.claim(KEY, START + HOUR))
    equal(won.filter((one) => one === true).length, 1, 'Winners')
    equal(won.filter((one) => one === false).length, RACERS - 1, 'Losers')
  }),
  atomicCase('a claim stays taken when the clock steps an hour back', async ({ store, clock }) => {
    await store.claim(KEY, START + 1000)
    clock.at = START - HOUR
    equal(await answer(store.claim(KEY, START + 1000)), false, 'An hour back')
    clock.at = START + HOUR
    equal(await answer(store.claim(KEY, START + 2 * HOUR)), true, 'An hour forth')
  }),
  atomicCase('claim() and set() stand in each other’s way, delete() clears both', async ({ store }) => {
    await store.set(KEY, 'here', null)
    equal(await answer(store.claim(KEY, START + 1000)), false, 'claim() over a record')
    await store.delete(KEY)
    equal(await answer(store.claim(KEY, START + 1000)), true, 'claim() after delete()')
    equal(await answer(store.swap(KEY, null, 1, null)), null, 'swap() where a claim stands')
    equal((await answer(store.get(KEY)))?.expiresAt, START + 1000, 'expiresAt of the claim')
    await store.delete(KEY)
    equal(await answer(store.claim(KEY, START + 1000)), true, 'claim() after delete() of a claim')
  }),
  atomicCase('take() gives the record once', async ({ store }) => {
    equal(await answer(store.take(KEY)), null, 'take() of nothing')
    await store.set(KEY, { one: 1 }, START + 1000)
    const version = (await answer(store.get(KEY)))?.version
    equal(await answer(store.take(KEY)), { value: { one: 1 }, version, expiresAt: START + 1000 }, 'take()')
    equal(await answer(store.take(KEY)), null, 'The second take()')
    equal(await answer(store.get(KEY)), null, 'get() after take()')
  }),
  atomicCase('take() has one winner among racers', async ({ store }) => {
    await store.set(KEY, 1, null)
    const won = await race(RACERS, () => store.take(KEY))
    equal(won.filter((one) => one !== null).length, 1, 'Winners')
  }),
  atomicCase('take() gives nothing at expiresAt, the record one millisecond before', async ({ store, clock }) => {
    await store.set(KEY, 1, START + 1000)
    clock.at = START + 1000
    equal(await answer(store.take(KEY)), null, 'At expiresAt')
    await store.set(KEY, 1, START + 2000)
    clock.at = START + 1999
    equal((await answer(store.take(KEY)))?.value, 1, 'One millisecond before')
  }),
  atomicCase('swap() creates only where nothing live stands', async ({ store, clock }) => {
    const first = await answer(store.swap(KEY, null, 'a', START + 1000))
    check(typeof first === 'string', 'swap() gave no version.')
    equal(await answer(store.get(KEY)), { value: 'a', version: first, expiresAt: START + 1000 }, 'get()')
    clock.at = START + 999
    equal(await answer(store.swap(KEY, null, 'b', null)), null, 'swap() over a live record')
    clock.at = START + 1000
    check((await answer(store.swap(KEY, null, 'c', null))) !== null, 'swap() at expiresAt was refused.')
    equal((await answer(store.get(KEY)))?.value, 'c', 'get()')
  }),
  atomicCase('swap() replaces only the version it was given', async ({ store }) => {
    equal(await answer(store.swap(KEY, '1', 'a', null)), null, 'swap() of nothing')
    const first = await answer(store.swap(KEY, null, 'a', null))
    const second = await answer(store.swap(KEY, first, 'b', START + 1000))
    check(second !== null && second !== first, 'swap() gave no new version.')
    equal(await answer(store.swap(KEY, first, 'c', null)), null, 'swap() with the old version')
    equal(await answer(store.get(KEY)), { value: 'b', version: second, expiresAt: START + 1000 }, 'get()')
    await store.set(KEY, 'd', null)
    equal(await answer(store.swap(KEY, second, 'e', null)), null, 'swap() after set()')
  }),
  atomicCase('swap() knows a record that was deleted and made again', async ({ store }) => {
    const first = await answer(store.swap(KEY, null, 'a', null))
    await store.delete(KEY)
    equal(await answer(store.swap(KEY, first, 'b', null)), null, 'swap() after delete()')
    const again = await answer(store.swap(KEY, null, 'a', null))
    check(again !== null && again !== first, 'The version came back.')
    equal(await answer(store.swap(KEY, first, 'b', null)), null, 'swap() with the first version')
    await store.take(KEY)
    await store.set(KEY, 'a', null)
    equal(await answer(store.swap(KEY, again, 'b', null)), null, 'swap() after take() and set()')
  }),
  atomicCase('swap() of an expired version is refused', async ({ store, clock }) => {
    const first = await answer(store.swap(KEY, null, 'a', START + 1000))
    clock.at = START + 1000
    equal(await answer(store.swap(KEY, first, 'b', null)), null, 'At expiresAt')
    equal(await answer(store.get(KEY)), null, 'get()')
  }),
  atomicCase('swap() has one winner among racers, creating and replacing', async ({ store }) => {
    const created = await race(RACERS, (i) => store.swap(KEY, null, i, null))
    equal(created.filter((version) => version !== null).length, 1, 'Winners of the creation')
    const version = created.find((one) => one !== null)!
    const replaced = await race(RACERS, (i) => store.swap(KEY, version, i, null))
    equal(replaced.filter((one) => one !== null).length, 1, 'Winners of the replacement')
    const winner = replaced.findIndex((one) => one !== null)
    const kept = await answer(store.get(KEY))
    equal([kept?.value, kept?.version], [winner, replaced[winner]], 'The record kept')
  }),
  atomicCase('racers who retry swap() lose no update', async ({ store }) => {
    await store.set(KEY, 0, null)
    const add = async (): Promise<void> => {
      for (;;) {
        const found = (await answer(store.get(KEY)))!
        if ((await answer(store.swap(KEY, found.version, (found.value as number) + 1, null))) !== null) return
      }
    }
    await Promise.all(Array.from({ length: 20 }, add))
    equal((await answer(store.get(KEY)))?.value, 20, 'The sum of 20 racers')
  }),
  atomicCase('swap() and claim() check their arguments as set() does', async ({ store }) => {
    await throws('RangeError', () => store.claim(KEY, Number.NaN), 'claim() with NaN')
    await throws('RangeError', () => store.claim(KEY, 0.5), 'claim() with a fraction')
    await throws('RangeError', () => store.swap(KEY, null, 1, 0.5), 'swap() with a fraction')
    await throws('RangeError', () => store.swap(KEY, null, 'x'.repeat(MAX_VALUE_BYTES), null), 'swap() of too much')
    await throws('TypeError', () => store.swap(KEY, null, undefined as unknown as Json, null), 'swap() of undefined')
    equal(await listAll(store, 'p'), {}, 'list()')
  }),
  atomicCase('after close() the single-use verbs throw StoreOutage', async ({ store }) => {
    await store.close()
    await throws('StoreOutage', () => store.claim(KEY, START + 1), 'claim()')
    await throws('StoreOutage', () => store.take(KEY), 'take()')
    await throws('StoreOutage', () => store.swap(KEY, null, 1, null), 'swap()')
  }),
  shared(
    atomicCase('claim(), take() and swap() have one winner among racers on two connections', async (bench) => {
      const stores: AtomicStore[] = [bench.store, await bench.another()]
      const on = (i: number): AtomicStore => stores[i % 2]!
      const claimed = await race(RACERS, (i) => on(i).claim(KEY, START + HOUR))
      equal(claimed.filter((one) => one === true).length, 1, 'Winners of claim()')
      const taken = await race(RACERS, (i) => on(i).take(KEY))
      equal(taken.filter((one) => one !== null).length, 1, 'Winners of take()')
      const swapped = await race(RACERS, (i) => on(i).swap(KEY, null, i, null))
      equal(swapped.filter((one) => one !== null).length, 1, 'Winners of swap()')
    }),
  ),
  durable(
    atomicCase('a reopened store keeps claims, versions and what was taken', async ({ store, reopen }) => {
      await store.claim({ partition: 'p', name: 'claimed' }, START + 1000)
      await store.set({ partition: 'p', name: 'taken' }, 1, null)
      await store.take({ partition: 'p', name: 'taken' })
      const version = await answer(store.swap(KEY, null, 1, null))
      const again = await reopen()
      equal(await answer(again.claim({ partition: 'p', name: 'claimed' }, START + 1000)), false, 'claim()')
      equal(await answer(again.take({ partition: 'p', name: 'taken' })), null, 'take()')
      check((await answer(again.swap(KEY, version, 2, null))) !== null, 'swap() lost the version.')
    }),
  ),
]

/** Calls at once, and all their answers. */
function race<T>(racers: number, call: (i: number) => T | PromiseLike<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: racers }, async (_, i) => answer(call(i))))
}
