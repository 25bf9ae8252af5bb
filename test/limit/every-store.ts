import assert from 'node:assert/strict'
import { Hono } from 'hono'
import { rateLimit } from '../../src/limit/middleware.ts'
import type { LimitPeek } from '../../src/limit/peek.ts'
import { settle } from '../../src/limit/settle.ts'
import { security } from '../../src/security.ts'
import type { StoreHarness } from '../../src/store/conformance.ts'
import type { AtomicStore } from '../../src/store/contract.ts'
import type { Case } from '../cases.ts'
import { inHandler, keepEvents, peer, StoppedClock, TestPlatform } from '../support/fixtures.ts'

const RACERS = 120

/** What limits promise on every store that is atomic, through the middleware. */
export function limiterCasesOf(subject: string, harness: StoreHarness): readonly Case[] {
  const withStore = (body: (store: AtomicStore, clock: StoppedClock) => Promise<void>) => async () => {
    const clock = new StoppedClock()
    const store = (await harness.open(clock)) as AtomicStore
    try {
      await body(store, clock)
    } finally {
      await store.close()
    }
  }
  const named = (name: string, run: () => Promise<void>): Case => ({ name: `${subject} > LIM-2 ${name}`, run })
  return [
    named(
      'racers that one quota of a client refuses cost nothing in its others',
      withStore(async (store, clock) => {
        const limiter = rateLimit({
          quotas: [
            { quota: 1000, periodSeconds: 36_000, name: 'wide' },
            { quota: 7, periodSeconds: 36_000, name: 'tight' },
          ],
        })
        const ask = app(store, clock, (one) => one.get('/', limiter, (c) => c.text('ok')))
        assert.equal(passed(await race(ask, () => '203.0.113.9')), 7)
        assert.deepEqual(
          remaining(await inHandler({ store, clock }, (c) => limiter.peek(c, { address: '203.0.113.9' }))),
          [993, 0],
        )
      }),
    ),
    named(
      'racers over two partitions never pass more than either has, and what is refused leaves no trace',
      withStore(async (store, clock) => {
        const limiter = rateLimit({
          quotas: [
            { quota: 20, periodSeconds: 36_000, by: 'address', name: 'client' },
            { quota: 50, periodSeconds: 36_000, by: 'everyone', name: 'all' },
          ],
        })
        const ask = app(store, clock, (one) => one.get('/', limiter, (c) => c.text('ok')))
        const first = passed(await race(ask, (i) => `203.0.113.${i % 4}`))
        assert.ok(first <= 50, `${first} passed`)
        let total = first
        for (let i = 0; i < 60; i++) if ((await ask(`203.0.113.${i % 4}`)) === 200) total++
        assert.equal(total, 50)
        let taken = 0
        for (let i = 0; i < 4; i++) {
          const [client, all] = remaining(
            await inHandler({ store, clock }, (c) => limiter.peek(c, { address: `203.0.113.${i}` })),
          )
          assert.equal(all, 0)
          taken += 20 - client!
        }
        // Where a call takes time, what a charge may have stood for is not given back: less than a unit of each client here.
        assert.ok(taken >= 50 && taken <= (store.deadlineMs === 0 ? 50 : 54), `${taken} were taken`)
      }),
    ),
    named(
      'reservations that settle at once leave exactly what was taken',
      withStore(async (store, clock) => {
        const limiter = rateLimit({ quota: 10_000, periodSeconds: 36_000, name: 'tokens', reserve: 50 })
        const ask = app(store, clock, (one) =>
          one.get('/', limiter, async (c) => {
            await Promise.all([settle(c, 'tokens', 30), settle(c, 'tokens', 0)])
            return c.text('ok')
          }),
        )
        assert.equal(passed(await race(ask, () => '203.0.113.9')), RACERS)
        assert.deepEqual(
          remaining(await inHandler({ store, clock }, (c) => limiter.peek(c, { address: '203.0.113.9' }))),
          [10_000 - 30 * RACERS],
        )
      }),
    ),
  ]
}

type Ask = (ip: string) => Promise<number>

function app(store: AtomicStore, clock: StoppedClock, build: (app: Hono) => unknown): Ask {
  const made = new Hono()
  made.use(security({ platform: new TestPlatform(), store, clock, events: keepEvents().sink }))
  build(made)
  return async (ip) => (await made.request('/', {}, peer(ip))).status
}

function race(ask: Ask, ipOf: (i: number) => string): Promise<readonly number[]> {
  return Promise.all(Array.from({ length: RACERS }, (_, i) => ask(ipOf(i))))
}

function passed(statuses: readonly number[]): number {
  assert.deepEqual(
    [...new Set(statuses)].filter((status) => status !== 200 && status !== 429),
    [],
  )
  return statuses.filter((status) => status === 200).length
}

function remaining(states: readonly LimitPeek[]): readonly number[] {
  return states.map((state) => state.remaining)
}
