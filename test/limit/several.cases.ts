import assert from 'node:assert/strict'
import { type Context, Hono } from 'hono'
import { authenticate, identify } from '../../src/auth/middleware.ts'
import type { Scheme } from '../../src/auth/scheme.ts'
import type { KitEnv } from '../../src/kit.ts'
import { type RateLimitOptions, rateLimit } from '../../src/limit/middleware.ts'
import { makePrincipal, type Principal } from '../../src/principal.ts'
import type { ProblemDetails } from '../../src/problem.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { inHandler, peer, quietly, type Secured, StoppedClock, secured, storeOver } from '../support/fixtures.ts'

/** Believes what a header says: who calls is not what these cases are about. */
const named: Scheme<Principal> = {
  name: 'named',
  challenge: 'Named',
  hint: '',
  authenticate(exchange) {
    const id = exchange.header('x-user')
    return id === null ? null : { principal: makePrincipal({ scheme: 'named', id }) }
  },
}

interface Asked {
  readonly ip?: string
  readonly user?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
}

function setUp(limit: RateLimitOptions | readonly RateLimitOptions[], made: Secured = secured()) {
  const limits = [limit].flat() as readonly RateLimitOptions[]
  made.app.use(identify(named))
  for (const one of limits) made.app.use(rateLimit(one))
  made.app.get('/users/:id', (c) => c.text('user')).post('/users/:id', (c) => c.text('posted'))
  made.app.all('/*', (c) => c.json(c.var.security.limits, 200))
  const ask = ({ ip = '203.0.113.9', user, path = '/', headers = {} }: Asked = {}) =>
    made.app.request(path, { headers: { ...headers, ...(user && { 'x-user': user }) } }, peer(ip))
  const status = async (asked?: Asked) => (await ask(asked)).status
  return { ...made, ask, status }
}

/** How many of so many requests pass. */
async function passes(times: number, status: () => Promise<number>): Promise<number> {
  let passed = 0
  for (let i = 0; i < times; i++) if ((await status()) === 200) passed++
  return passed
}

export const severalQuotasCases: readonly Case[] = [
  ...cases('LIM-2', {
    'two users behind one address have a quota each, and one user has one from everywhere': async () => {
      const { status } = setUp({ quota: 2, periodSeconds: 60, by: 'principal' })
      assert.deepEqual([await status({ user: 'a' }), await status({ user: 'a', ip: '198.51.100.1' })], [200, 200])
      assert.equal(await status({ user: 'a', ip: '198.51.100.2' }), 429)
      assert.equal(await status({ user: 'b' }), 200)
    },
    'a stranger is counted by address where principals are counted': async () => {
      const { status } = setUp({ quota: 1, periodSeconds: 60, by: 'principal' })
      assert.deepEqual([await status(), await status(), await status({ ip: '198.51.100.1' })], [200, 429, 200])
    },
    'no user can be named so that it shares the bucket of an address or of another user': async () => {
      const { status } = setUp({ quota: 1, periodSeconds: 60, by: 'principal' })
      assert.equal(await status({ ip: '1.2.3.4' }), 200)
      for (const user of ['1.2.3.4', 'address:1.2.3.4', 'a/b', 'a', 'a%2Fb', 'a:b', 'b'])
        assert.equal(await status({ user }), 200, user)
    },
    'counting by principal where nobody was asked who they are fails closed and says how to mend it': async () => {
      const { app, events, platform } = secured()
      app.use(rateLimit({ quota: 1, periodSeconds: 60, by: 'principal' })).get('/', (c) => c.text('ok'))
      const answer = await quietly(() => app.request('/'))
      assert.equal(answer.status, 500)
      await platform.settled()
      assert.match(events[0]!.resource!, /counts by principal: put authenticate\(\) or identify\(\) before it/)
    },
    'the routes of an app have a quota each, however their parameters are filled in': async () => {
      const { app } = secured()
      const api = new Hono().get('/users/:id', (c) => c.text('user')).post('/users/:id', (c) => c.text('posted'))
      app.use(rateLimit({ quota: 2, periodSeconds: 60, by: 'route' })).route('/api', api)
      const status = async (path: string, method = 'GET') => (await app.request(path, { method })).status
      assert.deepEqual([await status('/api/users/1'), await status('/api/users/2')], [200, 200])
      assert.equal(await status('/api/users/3'), 429)
      assert.equal(await status('/api/users/3', 'HEAD'), 429)
      assert.equal(await status('/api/users/1', 'POST'), 200)
      assert.deepEqual([await status('/a'), await status('/b'), await status('/c')], [404, 404, 429])
    },
    'a function counts by what it gives, and what gives nothing shares one bucket': async () => {
      const { status } = setUp({
        quota: 1,
        periodSeconds: 60,
        by: (c) => c.req.header('x-tenant') ?? null,
        name: 'tenant',
      })
      const of = (tenant: string) => status({ headers: { 'x-tenant': tenant } })
      assert.deepEqual([await of('a'), await of('b'), await of('a')], [200, 200, 429])
      assert.deepEqual([await status(), await status({ ip: '198.51.100.1' })], [200, 429])
      assert.deepEqual([await of('null'), await of('undefined')], [200, 200])
    },
    'a function that gives no text fails closed': async () => {
      for (const by of [() => 1, () => ({}), () => Promise.resolve('a'), () => ['a']]) {
        const { status } = setUp({ quota: 1, periodSeconds: 60, by: by as never, name: 'x' })
        assert.equal(await quietly(() => status()), 500)
      }
    },
    'each user has a quota for each route where both are counted': async () => {
      const { status } = setUp({ quota: 1, periodSeconds: 60, by: ['principal', 'route'] })
      assert.equal(await status({ user: 'a', path: '/users/1' }), 200)
      assert.equal(await status({ user: 'a', path: '/users/2' }), 429)
      assert.equal(await status({ user: 'a', path: '/other' }), 200)
      assert.equal(await status({ user: 'b', path: '/users/1' }), 200)
    },
    'everyone together has one quota where everyone is counted': async () => {
      const { status } = setUp({ quota: 2, periodSeconds: 60, by: 'everyone' })
      assert.deepEqual(
        [await status({ ip: '1.2.3.4' }), await status({ user: 'a' }), await status({ ip: '1.2.3.5' })],
        [200, 200, 429],
      )
    },
    'a request that one quota refuses costs nothing in the others, of the same client': async () => {
      const { status, clock } = setUp({
        quotas: [
          { quota: 100, periodSeconds: 3600, name: 'hour' },
          { quota: 2, periodSeconds: 60, name: 'minute' },
        ],
      })
      assert.equal(await passes(50, status), 2)
      for (let minute = 1; minute < 50; minute++) {
        clock.advance(60_000)
        assert.equal(await passes(10, status), 2, `minute ${minute}`)
      }
    },
    'a request that one quota refuses costs nothing in the others, of other partitions': async () => {
      const options: RateLimitOptions = {
        quotas: [
          { quota: 5, periodSeconds: 3600, by: 'principal', name: 'user' },
          { quota: 3, periodSeconds: 3600, by: 'everyone', name: 'all' },
          { quota: 100, periodSeconds: 3600, by: 'address', name: 'client' },
        ],
      }
      const made = setUp(options)
      const { status, ask } = made
      assert.equal(await passes(20, () => status({ user: 'a' })), 3)
      const refused = (await (await ask({ user: 'b' })).json()) as ProblemDetails
      assert.deepEqual(refused['violated-policies'], ['all'])
      const left = async (principal: string) =>
        (await inHandler(made, (c) => rateLimit(options).peek(c, { principal, address: '203.0.113.9' }))).map(
          (one) => one.remaining,
        )
      assert.deepEqual(
        [await left('named::a'), await left('named::b')],
        [
          [2, 0, 97],
          [5, 0, 97],
        ],
      )
    },
    'a thousand racers over two partitions never pass more than either has, and refusals leave no trace': async () => {
      const { ask, clock } = setUp({
        quotas: [
          { quota: 60, periodSeconds: 60, by: 'principal', name: 'user' },
          { quota: 100, periodSeconds: 60, by: 'everyone', name: 'all' },
        ],
      })
      const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => ask({ user: `u${i % 4}` })))
      assert.equal(answers.filter(({ status }) => status === 200).length, 100)
      clock.advance(60_000)
      const again = await Promise.all(Array.from({ length: 240 }, (_, i) => ask({ user: `u${i % 4}` })))
      assert.equal(again.filter(({ status }) => status === 200).length, 100)
    },
    'over a store that answers later, racers over two partitions never pass more than either has': async () => {
      const inner = memoryStore()
      const later = storeOver(inner, {
        async consume(partition, charges) {
          await new Promise((resolve) => setTimeout(resolve, (partition.length * 7 + charges.length) % 3))
          return inner.consume(partition, charges)
        },
      })
      const { ask } = setUp(
        {
          quotas: [
            { quota: 30, periodSeconds: 3600, by: 'principal', name: 'user' },
            { quota: 50, periodSeconds: 3600, by: 'everyone', name: 'all' },
          ],
        },
        secured({ store: later }),
      )
      const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => ask({ user: `u${i % 3}` })))
      const passed = answers.filter(({ status }) => status === 200).length
      assert.ok(passed <= 50 && passed >= 30, `${passed} passed`)
    },
    'when a later partition cannot be asked, the earlier is given back': async () => {
      const clock = new StoppedClock()
      const inner = memoryStore({ clock })
      let down = true
      const store = storeOver(inner, {
        consume(partition, charges) {
          if (down && partition.startsWith('everyone')) throw new StoreOutage('down')
          return inner.consume(partition, charges)
        },
      })
      const { status } = setUp(
        {
          onStoreFailure: 'deny',
          quotas: [
            { quota: 3, periodSeconds: 3600, by: 'principal', name: 'user' },
            { quota: 50, periodSeconds: 3600, by: 'everyone', name: 'all' },
          ],
        },
        secured({ store, clock }),
      )
      for (let i = 0; i < 4; i++) assert.equal(await status({ user: 'a' }), 503)
      down = false
      // What each charge may have stood for, a store's deadline, is not given back.
      clock.advance(1_000)
      assert.equal(await passes(10, () => status({ user: 'a' })), 3)
    },
    'Retry-After is when every quota of the client would let it pass': async () => {
      const { ask, status, clock } = setUp({
        quotas: [
          { quota: 1, periodSeconds: 10, name: 'a' },
          { quota: 1, periodSeconds: 30, name: 'b' },
        ],
      })
      await ask()
      const refused = await ask()
      assert.equal(refused.headers.get('retry-after'), '30')
      assert.deepEqual(((await refused.json()) as ProblemDetails)['violated-policies'], ['a', 'b'])
      clock.advance(30_000)
      assert.equal(await status(), 200)
    },
    'Retry-After is told of all denials that are remembered, whichever partition they lie in': async () => {
      const { ask } = setUp({
        quotas: [
          { quota: 1, periodSeconds: 100, by: 'everyone', name: 'all' },
          { quota: 1, periodSeconds: 10, by: 'address', name: 'client' },
        ],
      })
      await ask()
      const refused = await ask()
      assert.equal(refused.headers.get('retry-after'), '100')
    },
    'a key has the limits of its own plan': async () => {
      const plans = {
        free: [{ quota: 1, periodSeconds: 60, by: 'principal', name: 'free' }],
        paid: [{ quota: 3, periodSeconds: 60, by: 'principal', name: 'paid' }],
      } as const
      const { status, ask } = setUp({
        quotas: (c) => plans[c.get('principal')?.id === 'rich' ? 'paid' : 'free'],
      })
      assert.equal(await passes(5, () => status({ user: 'rich' })), 3)
      assert.equal(await passes(5, () => status({ user: 'poor' })), 1)
      assert.match((await ask({ user: 'rich' })).headers.get('ratelimit-policy')!, /^"paid";q=3/)
    },
    'a plan without a quota, or a wrong one, lets nobody through': async () => {
      for (const quotas of [[], null, undefined, [{ quota: 0, periodSeconds: 60 }], {}]) {
        const { status } = setUp({ quotas: () => quotas as never })
        assert.equal(await quietly(() => status()), 500)
      }
    },
    'who is skipped is not limited, by true itself alone': async () => {
      const { status } = setUp({ quota: 1, periodSeconds: 60, skip: (c) => c.req.header('x-user') === 'root' })
      assert.equal(await passes(5, () => status({ user: 'root' })), 5)
      assert.equal(await passes(5, () => status({ user: 'a' })), 1)
      const later = setUp({ quota: 1, periodSeconds: 60, skip: async (c) => c.req.header('x-user') === 'root' })
      assert.equal(await passes(5, () => later.status({ user: 'root' })), 5)
      for (const skip of [() => 1, () => 'true', () => ({}), async () => 'yes']) {
        assert.equal(await passes(3, setUp({ quota: 1, periodSeconds: 60, skip: skip as never }).status), 1)
      }
    },
    'who is skipped is not asked for a plan': async () => {
      const { status } = setUp({
        skip: () => true,
        quotas: () => {
          throw new Error('no plan')
        },
      })
      assert.equal(await status(), 200)
    },
    'a function to count by needs a name beside it, and a long text that a client sent is looked up by its digest':
      async () => {
        assert.throws(() => rateLimit({ quota: 1, periodSeconds: 1, by: () => 'a' }), /name is needed/)
        const long = (end: string) => `${'x'.repeat(2_000)}${end}`
        const limiter = { quota: 1, periodSeconds: 60, by: (c: Context) => c.req.header('x-tenant')!, name: 'tenant' }
        const { status } = setUp(limiter)
        const of = (tenant: string) => status({ headers: { 'x-tenant': tenant } })
        assert.deepEqual([await of(long('a')), await of(long('b')), await of(long('a'))], [200, 200, 429])
      },
    'a skip that throws lets nobody through': async () => {
      const { status } = setUp({
        quota: 1,
        periodSeconds: 60,
        skip: () => {
          throw new Error('bug')
        },
      })
      assert.equal(await quietly(() => status()), 500)
    },
    'mixed or missing settings throw at start, naming them': () => {
      const bad: readonly [unknown, RegExp][] = [
        [{ quotas: [] }, /quotas/],
        [{ quotas: 'a' }, /quotas/],
        [{ quotas: [{ quota: 1, periodSeconds: 1 }], quota: 1 }, /quota belongs into each of quotas/],
        [{ quotas: [{ quota: 1, periodSeconds: 1 }], by: 'route' }, /by belongs into each of quotas/],
        [{ quotas: [1, 2].map(() => ({ quota: 1, periodSeconds: 1 })) }, /one name/],
        [{ quota: 1, periodSeconds: 1, onStoreFailure: 'open' }, /onStoreFailure/],
        [{ quota: 1, periodSeconds: 1, cost: 2 }, /cost is above the burst/],
      ]
      for (const [options, message] of bad) assert.throws(() => rateLimit(options as RateLimitOptions), message)
    },
  }),
  ...cases('LIM-3', {
    'the state of every limiter is readable in the handler': async () => {
      const { ask } = setUp([
        { quota: 10, periodSeconds: 60, name: 'a' },
        { quotas: [{ quota: 5, periodSeconds: 30, by: 'everyone', name: 'b' }] },
        { quota: 1, periodSeconds: 30, by: 'route', name: 'c', dryRun: true },
      ])
      const states = (await (await ask()).json()) as KitEnv['Variables']['security']['limits']
      assert.deepEqual(
        states.map(({ policy, remaining, resetAfterMs, isDryRun }) => [policy, remaining, resetAfterMs, isDryRun]),
        [
          ['a', 9, 6000, false],
          ['b', 4, 6000, false],
          ['c', 0, 30_000, true],
        ],
      )
      assert.match(states[0]!.partitionKey!, /^[0-9a-f]{16}$/)
      assert.equal(states[1]!.partitionKey, null)
    },
    'with legacyFields: false the X-RateLimit fields are left out, of a refusal too, and nothing else is': async () => {
      const { ask } = setUp({ quota: 1, periodSeconds: 60, name: 'general', legacyFields: false })
      for (const [status, wait] of [
        [200, null],
        [429, '60'],
      ]) {
        const { headers, status: seen } = await ask()
        assert.equal(seen, status)
        assert.deepEqual(
          [...headers.keys()].filter((name) => name.startsWith('x-ratelimit-')),
          [],
        )
        assert.match(headers.get('ratelimit')!, /^"general";r=0;t=60;/)
        assert.match(headers.get('ratelimit-policy')!, /^"general";q=1;w=60;/)
        assert.equal(headers.get('retry-after'), wait)
      }
      for (const legacyFields of [0, 'false', null]) {
        const options = { quota: 1, periodSeconds: 1, legacyFields: legacyFields as never }
        assert.throws(() => rateLimit(options), /rateLimit\(\): legacyFields must be true or false/)
      }
    },
    'where one of two limiters leaves them out, the X-RateLimit fields speak of the one with least left, as ever':
      async () => {
        const tight = { quota: 1, periodSeconds: 60, name: 'tight', legacyFields: false } as const
        const wide = { quota: 9, periodSeconds: 60, name: 'wide' }
        for (const limiters of [
          [tight, wide],
          [wide, tight],
        ]) {
          const { ask } = setUp(limiters)
          const { headers } = await ask()
          const told = ['limit', 'remaining', 'reset'].map((field) => headers.get(`x-ratelimit-${field}`))
          assert.deepEqual(told, ['1', '0', '60'])
          assert.match(headers.get('ratelimit')!, /"tight";r=0;/)
          assert.match(headers.get('ratelimit')!, /"wide";r=8;/)
          const refused = await ask()
          assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '60'])
          // Who is refused by the first never comes to the second, which would have sent them.
          assert.equal(refused.headers.get('x-ratelimit-remaining'), limiters[0] === wide ? '0' : null)
        }
      },
    'with legacyFields: false the X-RateLimit fields that a handler sends stand': async () => {
      const made = secured()
      made.app.use(rateLimit({ quota: 9, periodSeconds: 60, legacyFields: false }))
      made.app.get('/', (c) => c.text('a', 200, { 'x-ratelimit-limit': '5000' }))
      const { headers } = await made.app.request('/', {}, peer('203.0.113.9'))
      assert.equal(headers.get('x-ratelimit-limit'), '5000')
    },
    'pk tells clients of one share from those of another, and not who they are': async () => {
      const { ask } = setUp({ quota: 10, periodSeconds: 60, by: 'principal' })
      const pk = async (asked: Asked) => /;pk=:([^:]+):/.exec((await ask(asked)).headers.get('ratelimit')!)![1]
      const alice = await pk({ user: 'alice' })
      assert.equal(await pk({ user: 'alice', ip: '198.51.100.7' }), alice)
      assert.notEqual(await pk({ user: 'bob' }), alice)
      assert.doesNotMatch(atob(alice!), /alice/)
    },
  }),
  ...cases('LIM-8', {
    'a dry run takes nothing from the limiter that it is to replace': async () => {
      const { status } = setUp([
        { quota: 4, periodSeconds: 60 },
        { quota: 4, periodSeconds: 60, dryRun: true },
      ])
      assert.equal(await passes(10, status), 4)
      for (const dryRun of ['false', 1, null]) {
        assert.throws(() => rateLimit({ quota: 1, periodSeconds: 1, dryRun: dryRun as never }), /dryRun/)
      }
    },
    'a dry run refuses nobody and tells clients nothing, and says in events whom it would have refused': async () => {
      const { ask, events, platform } = setUp({ quota: 1, periodSeconds: 60, name: 'trial', dryRun: true })
      for (let i = 0; i < 3; i++) {
        const answer = await ask()
        assert.equal(answer.status, 200)
        assert.equal(answer.headers.get('ratelimit'), null)
        assert.equal(answer.headers.get('x-ratelimit-limit'), null)
      }
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, reason, resource }) => [type, reason, resource]),
        [['limit.refused', 'dry_run', 'trial']],
      )
    },
  }),
  ...cases('KEY-1', {
    'behind authenticate() a limit by principal counts who was proved': async () => {
      const { app } = secured()
      const api = new Hono()
        .use(authenticate(named))
        .use(rateLimit({ quota: 1, periodSeconds: 60, by: 'principal' }))
        .get('/', (c) => c.text(c.var.principal.id))
      app.route('/', api)
      const status = async (user: string) => (await app.request('/', { headers: { 'x-user': user } })).status
      assert.deepEqual([await status('a'), await status('a'), await status('b')], [200, 429, 200])
      assert.equal((await app.request('/')).status, 401)
    },
  }),
]
