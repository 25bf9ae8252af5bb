import assert from 'node:assert/strict'
import { type RateLimitOptions, rateLimit } from '../../src/limit/middleware.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import { type Charge, type Decision, makeRate } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases, waitingCases } from '../cases.ts'
import { peer, quietly, StoppedClock, secured, storeOver } from '../support/fixtures.ts'
import { volume } from '../support/volume.ts'

const ME = '203.0.113.9'
const HANGS = new Promise<never>(() => undefined)

/** A store whose decisions can be made to fail, behind a limiter. */
function setUp(options: Partial<RateLimitOptions>, declared?: { readonly deadlineMs: number }) {
  const clock = new StoppedClock()
  const inner = memoryStore({ clock })
  let calls = 0
  let fault: (() => Promise<never> | Decision) | null = null
  const store = storeOver(inner, {
    ...declared,
    consume(partition: string, charges: readonly Charge[]) {
      calls++
      return fault ? fault() : Promise.resolve(inner.consume(partition, charges))
    },
  })
  const made = secured({ store, clock })
  let handled = 0
  made.app.use(rateLimit({ quota: 3, periodSeconds: 60, name: 'x', ...options } as RateLimitOptions))
  made.app.get('/*', (c) => c.text(String(++handled)))
  const status = async (ip = ME) => (await made.app.request('/', {}, peer(ip))).status
  return {
    ...made,
    clock,
    status,
    statuses: (times: number, ip = ME) => Promise.all(Array.from({ length: times }, () => status(ip))),
    calls: () => calls,
    handled: () => handled,
    breakBy: (how: typeof fault) => {
      fault = how
    },
  }
}

const dead = () => Promise.reject(new StoreOutage('down'))

function count(statuses: readonly number[], status: number): number {
  return statuses.filter((one) => one === status).length
}

export const failureCases: readonly Case[] = [
  ...cases('LIM-7', {
    'a denied client costs one store call in 5 s, however often it comes': async () => {
      const { status, calls, clock } = setUp({})
      for (let i = 0; i < 3; i++) assert.equal(await status(), 200)
      const before = calls()
      for (let ms = 0; ms < 15_000; ms += 100) {
        assert.equal(await status(), 429)
        clock.advance(100)
      }
      assert.ok(calls() - before <= 3, `${calls() - before} calls in 15 s`)
    },
    'a denied client passes when its time has come, though its denial was remembered': async () => {
      const { status, clock } = setUp({ quota: 60 })
      for (let i = 0; i < 60; i++) await status()
      assert.equal(await status(), 429)
      clock.advance(999)
      assert.equal(await status(), 429)
      clock.advance(1)
      assert.deepEqual([await status(), await status()], [200, 429])
    },
    'a denied client costs no store call over several partitions either': async () => {
      const options: RateLimitOptions = {
        quotas: [
          { quota: 100, periodSeconds: 3600, by: 'route', name: 'route' },
          { quota: 2, periodSeconds: 3600, by: 'address', name: 'client' },
        ],
      }
      const clock = new StoppedClock()
      const inner = memoryStore({ clock })
      let calls = 0
      const store = storeOver(inner, {
        consume(partition, charges) {
          calls++
          return inner.consume(partition, charges)
        },
      })
      const { app } = secured({ store, clock })
      app.get('/', rateLimit(options), (c) => c.text('ok'))
      const status = async () => (await app.request('/', {}, peer(ME))).status
      assert.deepEqual([await status(), await status(), await status()], [200, 200, 429])
      const before = calls
      for (let i = 0; i < 100; i++) assert.equal(await status(), 429)
      assert.equal(calls - before, 0)
    },
    'what another process gave back is seen after 5 s, over several partitions too': async () => {
      const clock = new StoppedClock()
      const inner = memoryStore({ clock })
      const { app } = secured({
        clock,
        store: storeOver(inner),
      })
      const quotas = [
        { quota: 100, periodSeconds: 3600, by: 'route', name: 'route' },
        { quota: 1, periodSeconds: 3600, by: 'address', name: 'client' },
      ] as const
      app.get('/', rateLimit({ quotas }), (c) => c.text('ok'))
      const status = async () => (await app.request('/', {}, peer(ME))).status
      assert.deepEqual([await status(), await status()], [200, 429])
      const rate = makeRate(1, 3600)
      inner.consume(`address:${ME}`, [{ name: 'limit:client:1/3600000000us/1', rate, cost: -1 }])
      clock.advance(4_999)
      assert.equal(await status(), 429)
      clock.advance(1)
      assert.equal(await status(), 200)
    },
    'the denial of a dear request refuses no cheap one, nor one client for another': async () => {
      const clock = new StoppedClock()
      const { app } = secured({ clock, store: memoryStore({ clock }) })
      app.use(rateLimit({ quota: 10, periodSeconds: 60, cost: (c) => Number(c.req.query('n')), name: 'x' }))
      app.get('/', (c) => c.text('ok'))
      const status = async (n: number, ip = ME) => (await app.request(`/?n=${n}`, {}, peer(ip))).status
      assert.deepEqual([await status(6), await status(6), await status(5)], [200, 429, 429])
      assert.deepEqual([await status(6, '198.51.100.1'), await status(4)], [200, 200])
    },
  }),
  ...cases('LIM-8', {
    'a store that fails in words of its own is an outage too': async () => {
      const { statuses, breakBy } = setUp({})
      breakBy(() => Promise.reject(new Error('ECONNREFUSED')))
      assert.equal(count(await statuses(20), 200), 3)
    },
    'a dead store: this process limits by itself, lets its quota through and no more, and says so': async () => {
      const { statuses, breakBy, handled, events, platform } = setUp({})
      breakBy(dead)
      const came = [...(await statuses(50)), ...(await statuses(50))]
      assert.deepEqual([count(came, 200), count(came, 429)], [3, 97])
      assert.equal(handled(), 3)
      await platform.settled()
      const [first] = events
      assert.deepEqual(
        [first!.type, first!.level, first!.reason, first!.resource],
        ['limit.degraded', 'error', 'local', 'x'],
      )
    },
    'a dead store where nobody may pass then: 503, and no handler runs': async () => {
      const asked = volume(10_000, 1000)
      const { statuses, breakBy, handled } = setUp({ onStoreFailure: 'deny' })
      breakBy(dead)
      assert.equal(count(await statuses(asked), 503), asked)
      assert.equal(handled(), 0)
    },
    'a dead store where all may pass then: everything passes, and it is said': async () => {
      const { statuses, breakBy, events, platform } = setUp({ onStoreFailure: 'allow' })
      breakBy(dead)
      assert.equal(count(await statuses(50), 200), 50)
      await platform.settled()
      assert.deepEqual([events[0]!.type, events[0]!.reason], ['limit.degraded', 'allow'])
    },
    'a dry run refuses nobody for a dead store': async () => {
      const { statuses, breakBy } = setUp({ dryRun: true, onStoreFailure: 'deny' })
      breakBy(dead)
      assert.equal(count(await statuses(20), 200), 20)
    },
    'a store that hangs is soon spared: later requests do not wait for it': async () => {
      const { statuses, breakBy, status } = setUp({})
      breakBy(() => HANGS)
      await statuses(8)
      const began = Date.now()
      for (let i = 0; i < 20; i++) await status()
      assert.ok(Date.now() - began < 2_000)
    },
    'a store that flaps never lets more through than its quota and this process’s together': async () => {
      const { status, breakBy } = setUp({ quota: 10, periodSeconds: 3600 }, { deadlineMs: 0 })
      let passed = 0
      for (let i = 0; i < 200; i++) {
        breakBy(i % 3 === 0 ? dead : null)
        if ((await status()) === 200) passed++
      }
      assert.ok(passed >= 10 && passed <= 20, `${passed} passed`)
    },
    'a store that works again decides again': async () => {
      const { statuses, status, breakBy } = setUp({}, { deadlineMs: 0 })
      breakBy(dead)
      assert.equal(count(await statuses(10), 200), 3)
      breakBy(null)
      assert.deepEqual(await statuses(4), [200, 200, 200, 429])
      assert.equal(await status('198.51.100.1'), 200)
    },
    'a fault of the store that is no outage is never stood in for': async () => {
      for (const onStoreFailure of ['local', 'allow'] as const) {
        const { status, breakBy, handled } = setUp({ onStoreFailure })
        breakBy(() => Promise.reject(new RangeError('bug')))
        assert.equal(await quietly(() => status()), 500)
        assert.equal(handled(), 0)
      }
    },
    'who the stand-in refuses stays refused through a flood of others': async () => {
      const { statuses, status, breakBy } = setUp({ quota: 1, periodSeconds: 3600 })
      breakBy(dead)
      await status()
      for (let i = 0; i < 2_000; i++) await status(`198.51.${i >> 8}.${i & 255}`)
      assert.deepEqual(await statuses(3), [429, 429, 429])
    },
  }),
  ...waitingCases('LIM-8', {
    'a store that hangs: every choice answers within the deadline, whatever the store': async () => {
      for (const [onStoreFailure, expected] of [
        ['local', 200],
        ['deny', 503],
        ['allow', 200],
      ] as const) {
        const { status, breakBy } = setUp({ onStoreFailure })
        breakBy(() => HANGS)
        const began = Date.now()
        assert.equal(await status(), expected)
        const ms = Date.now() - began
        assert.ok(ms >= 200 && ms < 1_500, `${onStoreFailure} answered after ${ms} ms`)
      }
    },
  }),
  ...waitingCases('firstTier', {
    'who a first tier lets through meets the exact limit all the same, and so does everybody when it fails':
      async () => {
        const tiers: readonly (() => unknown)[] = [
          () => true,
          async () => true,
          () => {
            throw new Error('down')
          },
          () => Promise.reject(new Error('down')),
          () => HANGS,
        ]
        for (const admits of tiers) {
          const { app } = secured()
          const firstTier = { periodSeconds: 10, admits: admits as () => boolean }
          app.use(rateLimit({ quota: 2, periodSeconds: 60, firstTier })).get('/', (c) => c.text('ok'))
          const status = async () => (await app.request('/', {}, peer(ME))).status
          assert.deepEqual([await status(), await status(), await status()], [200, 200, 429])
        }
      },
  }),
  ...cases('firstTier', {
    'who a first tier refuses never reaches the store, and waits its period': async () => {
      const keys: string[] = []
      const { app, platform, events } = secured({
        store: storeOver(memoryStore(), { consume: () => assert.fail('asked') }),
      })
      const firstTier = {
        periodSeconds: 10,
        admits: async (key: string) => {
          keys.push(key)
          return false
        },
      }
      app.use(rateLimit({ quota: 5, periodSeconds: 60, name: 'x', firstTier })).get('/', (c) => c.text('ok'))
      const answer = await app.request('/', {}, peer(ME))
      assert.equal(answer.status, 429)
      assert.equal(answer.headers.get('retry-after'), '10')
      assert.deepEqual(keys, [`limit:x:5/60000000us/5 address:${ME}`])
      await platform.settled()
      assert.deepEqual([events[0]!.type, events[0]!.reason], ['limit.refused', 'first_tier'])
    },
    'a first tier that cannot be one throws at start': () => {
      const admits = () => true
      for (const periodSeconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, undefined as never]) {
        assert.throws(
          () => rateLimit({ quota: 1, periodSeconds: 1, firstTier: { periodSeconds, admits } }),
          /periodSeconds/,
        )
      }
      assert.throws(() => rateLimit({ quota: 1, periodSeconds: 1, firstTier: { periodSeconds: 1 } as never }), /admits/)
    },
    'a first tier that says anything but true refuses': async () => {
      for (const said of [1, 'true', {}, undefined, null]) {
        const { app } = secured()
        const firstTier = { periodSeconds: 10, admits: () => said as never }
        app.use(rateLimit({ quota: 2, periodSeconds: 60, firstTier })).get('/', (c) => c.text('ok'))
        assert.equal((await app.request('/', {}, peer(ME))).status, 429)
      }
    },
  }),
]
