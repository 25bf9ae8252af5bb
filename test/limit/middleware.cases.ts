import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type RateLimitOptions, rateLimit } from '../../src/limit/middleware.ts'
import type { ProblemDetails } from '../../src/problem.ts'
import type { SecurityOptions } from '../../src/security.ts'
import { type AtomicStore, StoreOutage } from '../../src/store/contract.ts'
import type { Decision } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { peer, secured } from '../support/fixtures.ts'

function setUp(limits: readonly RateLimitOptions[], options: Partial<SecurityOptions> = {}) {
  const made = secured(options)
  let handled = 0
  for (const limit of limits) made.app.use(rateLimit(limit))
  made.app.all('/*', (c) => c.text(`${++handled}`))
  const ask = (ip = '203.0.113.9', path = '/') => made.app.request(path, {}, peer(ip))
  return { ...made, ask, handled: () => handled }
}

/** A store whose `consume` is this, and nothing else of it is called. */
function storeThat(consume: () => unknown): AtomicStore {
  return { ...memoryStore(), consistency: 'atomic', consume } as unknown as AtomicStore
}

const STATE = { remaining: 5, resetAfterMs: 1000, retryAfterMs: 0 }

export const limitMiddlewareCases: readonly Case[] = [
  ...cases('LIM-1', {
    'of 1,000 parallel requests exactly the quota passes': async () => {
      for (const quota of [1, 10, 100]) {
        const { ask, handled } = setUp([{ quota, periodSeconds: 60 }])
        const answers = await Promise.all(Array.from({ length: 1000 }, () => ask()))
        assert.equal(answers.filter(({ status }) => status === 200).length, quota)
        assert.equal(answers.filter(({ status }) => status === 429).length, 1000 - quota)
        assert.equal(handled(), quota)
      }
    },
    'the next request passes when its time has come, not a millisecond earlier': async () => {
      const { ask, clock } = setUp([{ quota: 2, periodSeconds: 10 }])
      assert.deepEqual([(await ask()).status, (await ask()).status, (await ask()).status], [200, 200, 429])
      clock.advance(4999)
      assert.equal((await ask()).status, 429)
      clock.advance(1)
      assert.equal((await ask()).status, 200)
      assert.equal((await ask()).status, 429)
      clock.advance(10_000)
      assert.deepEqual([(await ask()).status, (await ask()).status, (await ask()).status], [200, 200, 429])
    },
    'burst and rate are apart': async () => {
      const { ask, clock } = setUp([{ quota: 60, periodSeconds: 60, burst: 2 }])
      assert.deepEqual([(await ask()).status, (await ask()).status, (await ask()).status], [200, 200, 429])
      clock.advance(1000)
      assert.deepEqual([(await ask()).status, (await ask()).status], [200, 429])
    },
    'a quota that does not divide its period passes whole': async () => {
      const { ask } = setUp([{ quota: 7, periodSeconds: 60 }])
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask()))
      assert.equal(answers.filter(({ status }) => status === 200).length, 7)
    },
    'a refused request costs nothing': async () => {
      const { ask, clock } = setUp([{ quota: 1, periodSeconds: 10 }])
      await ask()
      for (let i = 0; i < 50; i++) assert.equal((await ask()).status, 429)
      clock.advance(10_000)
      assert.equal((await ask()).status, 200)
    },
    'a clock that steps back an hour blocks nobody longer than a period and a minute': async () => {
      const { ask, clock } = setUp([{ quota: 1, periodSeconds: 10 }])
      await ask()
      clock.advance(-3_600_000)
      await ask()
      clock.advance(70_000)
      assert.equal((await ask()).status, 200)
    },
  }),
  ...cases('LIM-3', {
    'an answer carries the fields of its limit in both dialects': async () => {
      const { ask } = setUp([{ quota: 4, periodSeconds: 60 }])
      const { headers, status } = await ask()
      assert.equal(status, 200)
      assert.match(headers.get('ratelimit-policy')!, /^"4-per-60s";q=4;w=60;pk=:[0-9a-f]{16}:$/)
      assert.match(headers.get('ratelimit')!, /^"4-per-60s";r=3;t=15;pk=:[0-9a-f]{16}:$/)
      assert.equal(headers.get('x-ratelimit-limit'), '4')
      assert.equal(headers.get('x-ratelimit-remaining'), '3')
      assert.equal(headers.get('x-ratelimit-reset'), '15')
      assert.equal(headers.get('retry-after'), null)
    },
    'a 429 says when to come back, and is a problem': async () => {
      const { ask, events, platform } = setUp([{ quota: 1, periodSeconds: 60, name: 'general' }])
      await ask()
      const answer = await ask()
      assert.equal(answer.status, 429)
      assert.equal(answer.headers.get('retry-after'), '60')
      assert.match(answer.headers.get('ratelimit')!, /^"general";r=0;t=60;pk=:[0-9a-f]{16}:$/)
      assert.equal(answer.headers.get('x-ratelimit-remaining'), '0')
      const problem = (await answer.json()) as ProblemDetails
      assert.equal(problem.code, 'limit.exceeded')
      assert.equal(problem.type, 'https://iana.org/assignments/http-problem-types#quota-exceeded')
      assert.deepEqual(problem['violated-policies'], ['general'])
      assert.match(problem.detail, /quota is spent \(general\)\. Try again in 60 s/)
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, reason, resource, address }) => [type, reason, resource, address]),
        [['limit.refused', 'quota', 'general', '203.0.113.9']],
      )
    },
    'Retry-After is never early: who waits so long passes': async () => {
      const limits = fc.record({
        quota: fc.integer({ min: 1, max: 50 }),
        periodSeconds: fc.integer({ min: 1, max: 90 }),
        offset: fc.nat(5000),
      })
      for (const { quota, periodSeconds, offset } of fc.sample(limits, { seed: 17, numRuns: 60 })) {
        const { ask, clock } = setUp([{ quota, periodSeconds }])
        clock.advance(offset)
        for (let i = 0; i < quota; i++) await ask()
        const refused = await ask()
        assert.equal(refused.status, 429)
        const wait = Number(refused.headers.get('retry-after'))
        assert.ok(Number.isInteger(wait) && wait >= 1)
        clock.advance(wait * 1000)
        assert.equal((await ask()).status, 200, `${quota} per ${periodSeconds}`)
      }
    },
    'two policies are both listed, and the older fields speak of the tighter': async () => {
      const { ask } = setUp([
        { quota: 100, periodSeconds: 60, name: 'general' },
        { quota: 2, periodSeconds: 60, name: 'chat' },
      ])
      const { headers } = await ask()
      const withoutKeys = (name: string) => headers.get(name)!.replaceAll(/;pk=:[0-9a-f]{16}:/g, '')
      assert.equal(withoutKeys('ratelimit-policy'), '"general";q=100;w=60, "chat";q=2;w=60')
      assert.equal(withoutKeys('ratelimit'), '"general";r=99;t=1, "chat";r=1;t=30')
      assert.equal(headers.get('x-ratelimit-limit'), '2')
      assert.equal(headers.get('x-ratelimit-remaining'), '1')
      await ask()
      const refused = await ask()
      assert.equal(refused.status, 429)
      assert.equal(refused.headers.get('x-ratelimit-limit'), '2')
      assert.equal(refused.headers.get('retry-after'), '30')
    },
    'a bad setting throws at start, naming it': () => {
      assert.throws(() => rateLimit({ quota: 0, periodSeconds: 60 }), /quota/)
      assert.throws(() => rateLimit({ quota: 1, periodSeconds: Number.NaN }), /periodSeconds/)
      for (const ipv6Prefix of [0, 129, 1.5, '64' as never])
        assert.throws(() => rateLimit({ quota: 1, periodSeconds: 1, ipv6Prefix }), /ipv6Prefix/)
    },
  }),
  ...cases('LIM-2', {
    'two addresses have a bucket each, and two spellings of one share theirs': async () => {
      const { ask } = setUp([{ quota: 1, periodSeconds: 60 }])
      assert.equal((await ask('1.2.3.4')).status, 200)
      assert.equal((await ask('1.2.3.5')).status, 200)
      assert.equal((await ask('::ffff:1.2.3.4')).status, 429)
      assert.equal((await ask('::ffff:102:305')).status, 429)
    },
    'a limiter of the same name and other numbers cannot empty the bucket of a stricter one': async () => {
      const { app, clock } = secured()
      app.use('/login', rateLimit({ quota: 5, periodSeconds: 3600, name: 'api' }))
      app.use('/x', rateLimit({ quota: 100, periodSeconds: 1, name: 'api' })).all('*', (c) => c.text('ok'))
      const status = async (path: string) => (await app.request(path, {}, peer('203.0.113.9'))).status
      let passed = 0
      for (let i = 0; i < 30; i++) {
        if ((await status('/login')) === 200) passed += 1
        assert.equal(await status('/x'), 200)
        clock.advance(1000)
      }
      assert.equal(passed, 5)
    },
    'limiters of one name share their buckets, of two names they do not': async () => {
      const shared = setUp([
        { quota: 2, periodSeconds: 60, name: 'a' },
        { quota: 2, periodSeconds: 60, name: 'a' },
      ])
      assert.deepEqual([(await shared.ask()).status, (await shared.ask()).status], [200, 429])
      const apart = setUp([
        { quota: 2, periodSeconds: 60, name: 'a' },
        { quota: 2, periodSeconds: 60, name: 'b' },
      ])
      assert.deepEqual(
        [(await apart.ask()).status, (await apart.ask()).status, (await apart.ask()).status],
        [200, 200, 429],
      )
    },
  }),
  ...cases('LOC-5', {
    'unknown clients share one bucket': async () => {
      const { app } = setUp([{ quota: 1, periodSeconds: 60 }])
      assert.equal((await app.request('/')).status, 200)
      assert.equal((await app.request('/', {}, peer('127.1'))).status, 429)
      assert.equal((await app.request('/', { headers: { 'x-forwarded-for': '1.2.3.4' } })).status, 429)
    },
    'a spoofed header buys no fresh bucket, behind a declared proxy neither': async () => {
      // B 1.6.21: the leftmost entry was used for the limit.
      const direct = setUp([{ quota: 1, periodSeconds: 60 }])
      const proxied = setUp([{ quota: 1, periodSeconds: 60 }], {
        trustedProxies: { networks: ['10.0.0.1'], header: 'x-forwarded-for' },
      })
      for (let i = 0; i < 5; i++) {
        const status = i === 0 ? 200 : 429
        assert.equal(
          (await direct.app.request('/', { headers: { 'x-forwarded-for': `1.2.3.${i}` } }, peer('203.0.113.9'))).status,
          status,
        )
        assert.equal(
          (
            await proxied.app.request(
              '/',
              { headers: { 'x-forwarded-for': `1.2.3.${i}, 203.0.113.9` } },
              peer('10.0.0.1'),
            )
          ).status,
          status,
        )
      }
    },
    'the addresses of one /64 share a bucket, unless another prefix is told': async () => {
      const { ask } = setUp([{ quota: 1, periodSeconds: 60 }])
      assert.equal((await ask('2001:db8:1:2::1')).status, 200)
      for (let i = 2; i < 50; i++) assert.equal((await ask(`2001:db8:1:2:${i}::${i}`)).status, 429)
      assert.equal((await ask('2001:db8:1:3::1')).status, 200)
      const wide = setUp([{ quota: 1, periodSeconds: 60, ipv6Prefix: 48 }])
      assert.deepEqual(
        [(await wide.ask('2001:db8:1:2::1')).status, (await wide.ask('2001:db8:1:3::1')).status],
        [200, 429],
      )
      const single = setUp([{ quota: 1, periodSeconds: 60, ipv6Prefix: 128 }])
      assert.deepEqual([(await single.ask('2001:db8::1')).status, (await single.ask('2001:db8::2')).status], [200, 200])
    },
  }),
  ...cases('KEY-4', {
    'another spelling of a limited path finds no way around the limit': async () => {
      // GHSA-x732-6j76-qmhm: `//sign-in` evaded path limits.
      const { app } = secured()
      let handled = 0
      app.use('/sign-in', rateLimit({ quota: 1, periodSeconds: 60 })).all('*', (c) => c.text(`${++handled}`))
      assert.equal((await app.request('/sign-in')).status, 200)
      assert.equal((await app.request('/sign-in')).status, 429)
      for (const path of ['//sign-in', '/sign-in%2f', '/%73ign-in', '/sign%2Din', '/a//sign-in']) {
        assert.equal((await app.request(new Request(`http://localhost${path}`))).status, 400, path)
      }
      assert.equal(handled, 1)
    },
  }),
  ...cases('LIM-8', {
    'a store that throws or rejects an outage is a 503 with Retry-After, and no handler runs': async () => {
      for (const consume of [
        () => {
          throw new StoreOutage('down')
        },
        () => Promise.reject(new StoreOutage('down')),
        async () => {
          await null
          throw new StoreOutage('redis://user:hunter2@host')
        },
      ]) {
        const { ask, handled, events, platform } = setUp([{ quota: 100, periodSeconds: 60, onStoreFailure: 'deny' }], {
          store: storeThat(consume),
        })
        const answer = await ask()
        assert.equal(answer.status, 503)
        assert.equal(answer.headers.get('retry-after'), '1')
        assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
        const body = await answer.text()
        assert.equal(JSON.parse(body).code, 'store.outage')
        assert.equal(handled(), 0)
        await platform.settled()
        assert.deepEqual(
          events.map(({ type, level }) => [type, level]),
          [['store.outage', 'error']],
        )
        assert.equal((body + JSON.stringify(events)).includes('hunter2'), false)
      }
    },
    'a closed store is an outage': async () => {
      const { ask, handled, store } = setUp([{ quota: 100, periodSeconds: 60, onStoreFailure: 'deny' }])
      assert.equal((await ask()).status, 200)
      store.close()
      assert.equal((await ask()).status, 503)
      assert.equal(handled(), 1)
    },
    'a store that fails otherwise is a 500, and no handler runs': async () => {
      for (const consume of [
        () => {
          throw new Error('bug')
        },
        () => Promise.reject(new Error('bug')),
        () => Promise.reject(undefined),
        () => null,
        () => ({}),
        () => Promise.resolve(undefined),
      ]) {
        const { ask, handled } = setUp([{ quota: 100, periodSeconds: 60 }], { store: storeThat(consume) })
        assert.equal((await ask()).status, 500)
        assert.equal(handled(), 0)
      }
    },
  }),
  ...cases('rateLimit()', {
    'counts a decision only when admitted is true itself': async () => {
      for (const admitted of [false, 1, 'true', {}, [], Promise.resolve(true), undefined, null]) {
        for (const wrap of [(one: unknown) => one, (one: unknown) => Promise.resolve(one)]) {
          const { ask, handled } = setUp([{ quota: 100, periodSeconds: 60 }], {
            store: storeThat(() => wrap({ admitted, states: [STATE] })),
          })
          const refused = await ask()
          assert.equal(refused.status, 429)
          assert.equal(refused.headers.get('retry-after'), '1')
          assert.equal(handled(), 0)
        }
      }
      const decision: Decision = { admitted: true, states: [STATE] }
      const { ask } = setUp([{ quota: 100, periodSeconds: 60 }], { store: storeThat(() => Promise.resolve(decision)) })
      assert.equal((await ask()).status, 200)
    },
    'refuses an eventual store at start': () => {
      const eventual = { ...memoryStore(), consistency: 'eventual' } as unknown as AtomicStore
      assert.throws(() => rateLimit({ quota: 1, periodSeconds: 1, store: eventual }), TypeError)
      assert.throws(() => secured({ store: eventual }), TypeError)
    },
    'uses a store of its own before that of the app': async () => {
      const own = memoryStore()
      const { ask, store } = setUp([{ quota: 1, periodSeconds: 60, store: own }])
      store.close()
      assert.deepEqual([(await ask()).status, (await ask()).status], [200, 429])
    },
    'gives a refusal the header fields though a handler would set its own': async () => {
      const { app } = secured()
      app
        .use(rateLimit({ quota: 5, periodSeconds: 60 }))
        .get('/', (c) => c.text('ok', 200, { 'x-ratelimit-remaining': '999' }))
      assert.equal((await app.request('/')).headers.get('x-ratelimit-remaining'), '4')
    },
  }),
]
