import { strict as assert } from 'node:assert'
import { ClockCheck, type Lease, type Slots, slotPartition, takeSlot } from '../../src/limit/lease.ts'
import { keepLease, type LeaseLoss } from '../../src/limit/lease-keeper.ts'
import {
  type AtomicStore,
  type Awaitable,
  isPending,
  type Listed,
  type Page,
  StoreOutage,
} from '../../src/store/contract.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases, waitingCases } from '../cases.ts'
import { StoppedClock, storeOver } from '../support/fixtures.ts'

const LEASE_MS = 30_000
/** A timer may end so much before its time. */
const TIMER_MS = 5

interface Bench {
  readonly clock: StoppedClock
  readonly store: AtomicStore
  take(forMs?: number): Promise<Lease | null>
  /** Another process with a clock of its own. */
  elsewhere(skewMs: number): (forMs?: number) => Promise<Lease | null>
  /** Slots held, up to a page of the store's: 100. */
  live(): Promise<number>
}

function setUp(limit = 5, wrap: (store: AtomicStore) => AtomicStore = (store) => store): Bench {
  const clock = new StoppedClock()
  const store = wrap(memoryStore({ clock }))
  const slots: Slots = { store, clock, partition: 'lease::principal:a', name: 'chats', limit, clocks: new ClockCheck() }
  const elsewhere = (skewMs: number) => {
    const other = { ...slots, clock: { now: () => clock.now() + skewMs }, clocks: new ClockCheck() }
    return async (forMs = LEASE_MS) => takeSlot(other, forMs)
  }
  const live = async (): Promise<number> => (await store.list(slots.partition, 'chats/', null)).entries.length
  return { clock, store, take: elsewhere(0), elsewhere, live }
}

/** The same store, which answers a moment later: callers interleave at every call. */
function slow(store: AtomicStore): AtomicStore {
  const later = async <T>(answer: () => Awaitable<T>): Promise<T> => {
    await new Promise((resolve) => setTimeout(resolve, 0))
    return answer()
  }
  return {
    ...store,
    name: 'slow',
    get: (key) => later(() => store.get(key)),
    list: (partition, prefix, cursor) => later<Page>(() => store.list(partition, prefix, cursor)),
    swap: (key, version, value, expiresAt) => later(() => store.swap(key, version, value, expiresAt)),
  } as AtomicStore
}

/** A store whose next writes are carried out, but never answered. */
class Unanswering {
  unanswered = 0
  wrap(store: AtomicStore): AtomicStore {
    const swap: AtomicStore['swap'] = (...args) => {
      const version = store.swap(...args)
      if (this.unanswered === 0) return version
      this.unanswered -= 1
      throw new StoreOutage('late')
    }
    return storeOver(store, { swap })
  }
}

const held = (leases: readonly (Lease | null)[]): readonly Lease[] => leases.filter((lease) => lease !== null)

const onStoppedClock: readonly Case[] = cases('LIM-5', {
  'of 200 that ask at once for 5 slots exactly 5 get one, whatever the store takes to answer': async () => {
    for (const wrap of [(store: AtomicStore) => store, (store: AtomicStore) => slow(storeOver(store))]) {
      for (const limit of [1, 5, 150]) {
        const { take, live } = setUp(limit, wrap)
        const leases = await Promise.all(Array.from({ length: 200 }, () => take()))
        assert.equal(held(leases).length, limit)
        assert.equal(await live(), Math.min(limit, 100))
        assert.equal(await take(), null)
      }
    }
  },
  'more slots than a page of the store lists are all found': async () => {
    const { take } = setUp(250)
    for (let i = 0; i < 250; i++) assert.notEqual(await take(), null, `slot ${i}`)
    assert.equal(await take(), null)
  },
  'a slot that is given back is free at once, and only once': async () => {
    const { take, live } = setUp(2)
    const [first, second] = [await take(), await take()]
    assert.equal(await take(), null)
    await first!.release()
    assert.equal(await live(), 1)
    assert.notEqual(await take(), null)
    await first!.release()
    assert.equal(await live(), 2)
    await second!.release()
    assert.equal(await live(), 1)
  },
  'takers and givers in any order never hold more than the limit, and in the end nothing': async () => {
    const { take, live } = setUp(3, (store) => slow(storeOver(store)))
    let [running, most, served] = [0, 0, 0]
    const work = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) {
        const lease = await take()
        if (lease === null) continue
        running += 1
        served += 1
        most = Math.max(most, running)
        await new Promise((resolve) => setTimeout(resolve, 1))
        running -= 1
        await lease.release()
      }
    }
    await Promise.all(Array.from({ length: 12 }, work))
    assert.equal(most, 3)
    assert.ok(served >= 15, `${served}`)
    assert.equal(await live(), 0)
  },
  'what a crashed process held is free when its leases end, not a millisecond earlier': async () => {
    const { take, clock } = setUp(2)
    assert.equal(held([await take(), await take()]).length, 2)
    clock.advance(LEASE_MS - 1)
    assert.equal(await take(), null)
    clock.advance(1)
    assert.equal(held([await take(), await take(), await take()]).length, 2)
  },
  'a renewed lease lives on, one that another took by then is lost and cannot free the slot of the other': async () => {
    const { take, clock, live } = setUp(1)
    const first = await take()
    clock.advance(LEASE_MS - 1)
    assert.equal(await first!.renew(LEASE_MS), true)
    clock.advance(LEASE_MS - 1)
    assert.equal(await take(), null)
    clock.advance(1)
    const other = await take()
    assert.notEqual(other, null)
    assert.equal(await first!.renew(LEASE_MS), false)
    await first!.release()
    assert.equal(await live(), 1)
    assert.equal(await other!.renew(LEASE_MS), true)
  },
  'a lease that ended while nobody wanted the slot is taken again': async () => {
    const { take, clock } = setUp(1)
    const lease = await take()
    clock.advance(LEASE_MS * 3)
    assert.equal(await lease!.renew(LEASE_MS), true)
    assert.equal(await take(), null)
  },
  'a released lease is never renewed': async () => {
    const { take, live } = setUp(1)
    const lease = await take()
    await lease!.release()
    assert.equal(await lease!.renew(LEASE_MS), false)
    assert.equal(await live(), 0)
  },
  'a release during a renewal comes after it, whichever the store would do first': async () => {
    for (const delays of [
      [0, 20, 0],
      [0, 0, 20],
    ]) {
      const { take, live } = setUp(1, (store) => ({
        ...storeOver(store),
        swap: async (...args) => {
          await sleep(delays.shift() ?? 0)
          return store.swap(...args)
        },
      }))
      const lease = await take()
      const renewed = lease!.renew(LEASE_MS)
      await lease!.release()
      assert.equal(await renewed, true)
      assert.equal(await live(), 0)
    }
  },
  'a renewal that was carried out but never answered costs no slot': async () => {
    const flaky = new Unanswering()
    const { take, live, clock } = setUp(1, (store) => flaky.wrap(store))
    const lease = await take()
    flaky.unanswered = 1
    await assert.rejects(lease!.renew(LEASE_MS), StoreOutage)
    clock.advance(1000)
    assert.equal(await lease!.renew(LEASE_MS), true)
    flaky.unanswered = 1
    await assert.rejects(lease!.renew(LEASE_MS), StoreOutage)
    await lease!.release()
    assert.equal(await live(), 0)
  },
  'a store that fails is an outage, never a slot': async () => {
    const { store, take } = setUp(1)
    await store.close()
    await assert.rejects(take(), StoreOutage)
    const down = setUp(5, (working) => ({ ...storeOver(working), list: () => Promise.reject(new StoreOutage('down')) }))
    const leases = await Promise.allSettled(Array.from({ length: 50 }, () => down.take()))
    for (const one of leases) {
      if (one.status === 'rejected') assert.ok(one.reason instanceof StoreOutage)
      else assert.notEqual(one.value, null)
    }
    assert.ok(leases.filter(({ status }) => status === 'fulfilled').length <= 5)
  },
  'a process whose clock is 5 s off shares the limit, its slots outlive a crash by 5 s more or less': async () => {
    for (const skewMs of [5000, -5000]) {
      const { take, elsewhere, clock } = setUp(4)
      const other = elsewhere(skewMs)
      const leases = await Promise.all([take(), other(), take(), other()])
      assert.equal(held(leases).length, 4)
      assert.deepEqual([await take(), await other()], [null, null])
      clock.advance(20_000)
      for (const lease of leases) assert.equal(await lease!.renew(LEASE_MS), true, `${skewMs}`)
      clock.advance(LEASE_MS + skewMs - 1)
      assert.equal(held([await take(), await take(), await take(), await take()]).length, skewMs > 0 ? 2 : 0)
      clock.advance(1)
      assert.equal(held([await take(), await take(), await take(), await take()]).length, 2)
    }
  },
  'a process whose clock is behind by a whole lease gets none, as none of its would live': async () => {
    const { elsewhere } = setUp(2)
    const behind = elsewhere(-LEASE_MS)
    for (let i = 0; i < 5; i++) await assert.rejects(behind(), /clocks of this process and of the store/)
    const slowly = setUp(2, (store) => slow(storeOver(store)))
    await assert.rejects(slowly.elsewhere(-LEASE_MS)(), StoreOutage)
    assert.notEqual(await elsewhere(-LEASE_MS + 1)(), null)
  },
  'the slots of two subjects, of two names and of what is counted beside never meet': async () => {
    const clock = new StoppedClock()
    const store = memoryStore({ clock })
    const subjects = [
      ['key:a', ''],
      ['key:a', 'b'],
      ['a', 'key'],
      ['key:a:b', ''],
      ['key:a', 'b/c'],
    ] as const
    for (const [partition, within] of subjects) {
      for (const name of ['chats', 'chats/0', '0']) {
        const slots = { store, clock, partition: slotPartition({ partition, within }, 1), name, limit: 1 }
        assert.notEqual(await takeSlot({ ...slots, clocks: new ClockCheck() }, LEASE_MS), null, `${partition} ${name}`)
      }
    }
  },
  'a crowd for a few slots finds them all, and asks the store no more than a few times each': async () => {
    const { take, store, calls } = counting(200)
    const leases = await Promise.all(Array.from({ length: 300 }, () => take()))
    assert.equal(held(leases).length, 200)
    const { swap, list } = calls
    assert.ok(swap < 1200 && list < 900, `${swap} swaps and ${list} lists`)
    assert.equal(new Set((await everyRecord(store)).map(({ value }) => value)).size, 200)
  },
  'a flood of a client whose slots are all taken costs one search in 150 ms': async () => {
    for (const limit of [1, 250]) {
      const { take, calls, clock } = counting(limit)
      for (let i = 0; i < limit; i++) assert.notEqual(await take(), null)
      const before = calls.swap + calls.list
      for (let i = 0; i < 1000; i++) assert.equal(await take(), null)
      const search = calls.swap + calls.list - before
      assert.ok(search <= 4, `${search}`)
      clock.advance(150)
      for (let i = 0; i < 1000; i++) assert.equal(await take(), null)
      assert.equal(calls.swap + calls.list - before, 2 * search)
    }
  },
  'a slot that this process gives back during a flood is free at once, one of another process 150 ms later':
    async () => {
      for (const limit of [1, 3]) {
        const { take, clock, store } = setUp(limit)
        const leases: Lease[] = []
        for (let i = 0; i < limit; i++) leases.push((await take())!)
        assert.equal(await take(), null)
        await leases[0]!.release()
        leases[0] = (await take())!
        assert.equal(await take(), null)
        const { partition, name } = { partition: 'lease::principal:a', name: 'chats' }
        for (let slot = 0; slot < limit; slot++) await store.delete({ partition, name: `${name}/${slot}` })
        clock.advance(149)
        assert.equal(await take(), null)
        clock.advance(1)
        assert.notEqual(await take(), null)
      }
    },
  'a clock that is set back while all slots are taken keeps nobody out': async () => {
    const { take, clock, store } = setUp(1)
    await take()
    assert.equal(await take(), null)
    clock.advance(-3_600_000)
    await store.delete({ partition: 'lease::principal:a', name: 'chats/0' })
    assert.notEqual(await take(), null)
  },
  'a slot given back while a search is under way is not taken for taken afterwards': async () => {
    const gate = Promise.withResolvers<void>()
    let isHeld = false
    const { take } = setUp(1, (store) => ({
      ...storeOver(store),
      list: async (...args) => {
        const page = await store.list(...args)
        if (isHeld) await gate.promise
        return page
      },
    }))
    const first = await take()
    isHeld = true
    const second = take()
    await sleep(1)
    await first!.release()
    gate.resolve()
    assert.equal(await second, null)
    assert.notEqual(await take(), null)
  },
  'a store that answers at once gives and takes a slot without a promise': () => {
    const clock = new StoppedClock()
    const store = memoryStore({ clock })
    const lease = takeSlot({ store, clock, partition: 'p', name: 'n', limit: 3, clocks: new ClockCheck() }, LEASE_MS)
    assert.ok(!isPending(lease) && lease !== null)
    assert.equal(lease.release(), undefined)
  },
})

const inRealTime: readonly Case[] = waitingCases('LIM-5', {
  'a lease is renewed while it is kept, and not afterwards': async () => {
    const { take, live } = setUpReal(1)
    const lease = await take(900)
    const losses: LeaseLoss[] = []
    const stop = keepLease(lease!, watcher(900, losses))
    await sleep(1300)
    assert.equal(await live(), 1)
    stop()
    await sleep(1000)
    assert.equal(await live(), 0)
    assert.deepEqual(losses, [])
  },
  'a kept lease whose slot is another is lost, and says so once': async () => {
    const { take, store, partition } = setUpReal(1)
    const lease = await take(300)
    await store.delete({ partition, name: 'chats/0' })
    const other = await take(5000)
    assert.notEqual(other, null)
    const losses: LeaseLoss[] = []
    keepLease(lease!, watcher(300, losses))
    await sleep(800)
    assert.deepEqual(losses, ['lost'])
  },
  'a clock set forward past the lease, as after a sleep, loses none that the store can renew': async () => {
    let aheadMs = 0
    const clock = { now: () => Date.now() + aheadMs }
    const store = slow(storeOver(memoryStore({ clock })))
    const slots: Slots = { store, clock, partition: 'p', name: 'n', limit: 1, clocks: new ClockCheck() }
    const lease = await takeSlot(slots, 600)
    const losses: LeaseLoss[] = []
    const stop = keepLease(lease!, { ...watcher(600, losses), clock })
    aheadMs = 3_600_000
    await sleep(700)
    assert.deepEqual(losses, [])
    assert.equal(await takeSlot(slots, 600), null)
    stop()
  },
  'a kept lease outlives a short outage, a long or silent one ends it when the lease ends': async () => {
    const short = keepThrough({ leaseMs: 2400, downMs: 1000, untilMs: 2600, hangs: false })
    const long = keepThrough({ leaseMs: 900, downMs: 1500, untilMs: 1500, hangs: false })
    const silent = keepThrough({ leaseMs: 900, downMs: 1500, untilMs: 1500, hangs: true })
    assert.deepEqual((await short).losses, [])
    for (const { losses, earlyMs } of [await long, await silent]) {
      assert.deepEqual(losses, ['outage'])
      assert.ok(earlyMs <= TIMER_MS, `${earlyMs}`)
    }
  },
})

export const leaseCases: readonly Case[] = [...onStoppedClock, ...inRealTime]

/** A bench whose store answers a moment later, and counts what it is asked. */
function counting(limit: number) {
  const calls = { swap: 0, list: 0 }
  const bench = setUp(limit, (store) => {
    const later = slow(storeOver(store))
    return {
      ...later,
      swap: (...args) => {
        calls.swap += 1
        return later.swap(...args)
      },
      list: (...args) => {
        calls.list += 1
        return later.list(...args)
      },
    }
  })
  return { ...bench, calls }
}

async function everyRecord(store: AtomicStore) {
  const entries: Listed[] = []
  let cursor: string | null = null
  do {
    const page: Page = await store.list('lease::principal:a', '', cursor)
    entries.push(...page.entries)
    cursor = page.cursor
  } while (cursor !== null)
  return entries
}

function setUpReal(limit: number, wrap: (store: AtomicStore) => AtomicStore = (store) => store) {
  const clock = { now: () => Date.now() }
  const store = wrap(memoryStore())
  const partition = 'lease::principal:a'
  const slots: Slots = { store, clock, partition, name: 'chats', limit, clocks: new ClockCheck() }
  return {
    store,
    partition,
    take: async (forMs: number) => takeSlot(slots, forMs),
    live: async () => (await store.list(partition, '', null)).entries.length,
  }
}

/** Keeps a lease while its store fails from the start on, or hangs. */
async function keepThrough({
  leaseMs,
  downMs,
  untilMs,
  hangs,
}: Record<'leaseMs' | 'downMs' | 'untilMs', number> & { hangs: boolean }) {
  let isDown = false
  const { take } = setUpReal(1, (store) => ({
    ...storeOver(store),
    swap: (...args) => {
      if (!isDown) return store.swap(...args)
      if (hangs) return new Promise(() => undefined)
      throw new StoreOutage('down')
    },
  }))
  const lease = await take(leaseMs)
  isDown = true
  const losses: LeaseLoss[] = []
  let earlyMs = Number.NaN
  const stop = keepLease(lease!, {
    ...watcher(leaseMs, losses),
    onLoss: (why) => {
      losses.push(why)
      earlyMs = lease!.expiresAt - Date.now()
    },
  })
  await sleep(downMs)
  isDown = false
  await sleep(untilMs - downMs)
  stop()
  return { losses, earlyMs }
}

function watcher(leaseMs: number, losses: LeaseLoss[]) {
  return {
    clock: { now: () => Date.now() },
    leaseMs,
    onFailure: () => undefined,
    onLoss: (why: LeaseLoss) => void losses.push(why),
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
