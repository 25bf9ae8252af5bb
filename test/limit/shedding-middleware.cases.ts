import assert from 'node:assert/strict'
import { apiKeys } from '../../src/auth/api-keys.ts'
import { digestApiKey } from '../../src/auth/key-format.ts'
import { identify } from '../../src/auth/middleware.ts'
import { MIN_LIMIT } from '../../src/limit/adaptive.ts'
import { queue } from '../../src/limit/queue-middleware.ts'
import { type ShedLoadOptions, shedLoad } from '../../src/limit/shedding-middleware.ts'
import type { ProblemDetails } from '../../src/problem.ts'
import type { SecurityOptions } from '../../src/security.ts'
import { type Case, cases } from '../cases.ts'
import { quietly, secured, TEST_KEYS, TestPlatform } from '../support/fixtures.ts'

/** A platform where no request may finish after it was answered. */
class WorkerPlatform extends TestPlatform {
  override readonly sharesRequests = false as never
}

/** An app with `/health` before the layer, a handler that answers when told, and one that answers at once. */
function setUp(options: ShedLoadOptions = {}, others: Partial<SecurityOptions> = {}) {
  const made = secured(others)
  let answer: () => void = () => undefined
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })
  let handled = 0
  made.app.get('/health', (c) => c.text('ok'))
  made.app.use(identify(apiKeys({ keys: [{ id: 'ops', digest: digestApiKey(TEST_KEYS[0]), scopes: ['ops'] }] })))
  made.app.use(shedLoad(options))
  made.app.all('/slow', async (c) => {
    handled += 1
    await answered
    return c.text('done')
  })
  made.app.get('/quick', (c) => c.text('quick'))
  made.app.get('/computes', (c) => {
    made.clock.advance(3)
    return c.text('computed')
  })
  made.app.get('/throws', () => {
    throw new Error('thrown')
  })
  const ask = (path: string, init: RequestInit = {}) => Promise.resolve(made.app.request(path, init))
  /** Has the event loop compute for so long that the limit falls to its least. */
  const overload = async () => {
    for (let i = 0; i < 5; i++) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/computes')))
      assert.ok(answers.every(({ status }) => status === 200))
      await turn()
    }
  }
  /** Overloads it, and takes all places. */
  const fill = async () => {
    await overload()
    const inside = Array.from({ length: MIN_LIMIT }, () => ask('/slow'))
    await turn()
    // An array, as a promise of promises would wait for them.
    return inside
  }
  return { ...made, ask, overload, fill, answer: () => answer(), handled: () => handled }
}

const ops = { headers: { authorization: `Bearer ${TEST_KEYS[0]}` } }

async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 1))
}

export const sheddingMiddlewareCases: readonly Case[] = [
  ...cases('LIM-6', {
    'a loop that gets to no timer while requests keep coming is seen to be overloaded': async () => {
      const { app, clock } = secured()
      app.use(shedLoad()).get('/', (c) => {
        clock.advance(3)
        return c.text('ok')
      })
      const statuses: number[] = []
      // Of these promises none waits for a timer, so that no turn of the loop ends by itself.
      for (let i = 0; i < 100; i++) {
        const answers = await Promise.all(Array.from({ length: 10 }, () => app.request('/')))
        statuses.push(...answers.map(({ status }) => status))
        // Refusing takes time as well.
        clock.advance(2)
      }
      const first = statuses.indexOf(503)
      assert.ok(first > 0, 'nobody was refused')
      assert.ok(statuses.slice(first).includes(200), 'nobody was served any more')
    },
    'an overloaded server refuses with 503 and Retry-After, runs no handler for it, and says so': async () => {
      const { ask, fill, answer, handled, events, platform } = setUp()
      const inside = await fill()
      const refused = await ask('/quick')
      assert.equal(refused.status, 503)
      assert.match(refused.headers.get('retry-after') ?? '', /^[123]$/)
      assert.equal(refused.headers.get('x-content-type-options'), 'nosniff')
      const problem = (await refused.json()) as ProblemDetails
      assert.equal(problem.code, 'limit.overloaded')
      assert.equal(problem.type, 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity')
      answer()
      for (const one of inside) assert.equal((await one).status, 200)
      assert.equal(handled(), MIN_LIMIT)
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, level, reason }) => [type, level, reason]),
        [['limit.overloaded', 'warn', 'shed']],
      )
    },
    'what stands before the layer is served all the while, and the privileged are': async () => {
      const { ask, fill, answer } = setUp({ privileged: (c) => c.var.principal?.scopes.includes('ops') === true })
      const inside = await fill()
      assert.equal((await ask('/quick')).status, 503)
      assert.equal((await ask('/health')).status, 200)
      assert.equal((await ask('/quick', ops)).status, 200)
      answer()
      await Promise.all(inside)
    },
    'nothing but true makes a request privileged': async () => {
      for (const value of [1, 'true', {}, [], Promise.resolve(true), undefined, null]) {
        const { ask, fill, answer } = setUp({ privileged: () => value as never })
        const inside = await fill()
        assert.equal((await ask('/quick')).status, 503)
        answer()
        await Promise.all(inside)
      }
    },
    'a privilege that cannot be found out is none: the request is refused as others are, and a fault is recorded':
      async () => {
        const { ask, fill, answer, handled, events, platform } = setUp({
          privileged: () => {
            throw new RangeError('broken')
          },
        })
        const inside = await fill()
        assert.equal((await ask('/slow')).status, 503)
        answer()
        await Promise.all(inside)
        assert.equal(handled(), MIN_LIMIT)
        await platform.settled()
        assert.deepEqual(
          events.map(({ type, reason }) => [type, reason]),
          [
            ['fault', 'RangeError'],
            ['limit.overloaded', 'shed'],
          ],
        )
      },
    'a place is free again once its request was answered, whether well, with an error or not at all': async () => {
      const { ask, overload } = setUp()
      await overload()
      for (const path of ['/quick', '/throws', '/nowhere']) {
        for (let i = 0; i < 5; i++) {
          const answers = await quietly(() => Promise.all(Array.from({ length: MIN_LIMIT }, () => ask(path))))
          assert.ok(answers.every(({ status }) => status !== 503))
          await turn()
        }
      }
    },
    'handlers that compute without a pause count as at once while the event loop has not turned': async () => {
      const { ask, overload } = setUp()
      await overload()
      // Awaited one after the other, and yet the event loop does not turn.
      const statuses: number[] = []
      for (let i = 0; i < MIN_LIMIT + 5; i++) statuses.push((await ask('/quick')).status)
      assert.equal(statuses.lastIndexOf(200), MIN_LIMIT - 1)
      assert.equal(statuses.indexOf(503), MIN_LIMIT)
      await turn()
      assert.equal((await ask('/quick')).status, 200)
    },
    'pages that compute 20 ms on an idle server, now and then, are no overload': async () => {
      const { app, clock } = secured()
      app.use(shedLoad()).get('/page', (c) => {
        clock.advance(20)
        return c.text('page')
      })
      app.get('/asset', (c) => c.text('asset'))
      for (const pauseMs of [3_600_000, 1000, 1000, 10, 10]) {
        for (let i = 0; i < 4; i++) {
          assert.equal((await app.request('/page')).status, 200)
          await turn()
          clock.advance(pauseMs)
        }
        const assets = await Promise.all(Array.from({ length: 200 }, () => app.request('/asset')))
        assert.ok(assets.every(({ status }) => status === 200))
        await turn()
      }
    },
    'a second without a refusal after an overload, any number of requests may be in again': async () => {
      const { ask, fill, answer, clock } = setUp()
      const inside = await fill()
      assert.equal((await ask('/quick')).status, 503)
      clock.advance(1001)
      const more = Array.from({ length: 200 }, () => ask('/slow'))
      answer()
      assert.ok((await Promise.all([...inside, ...more])).every(({ status }) => status === 200))
    },
    'hundreds that are never answered turn nobody away while the event loop is idle': async () => {
      const { ask, answer, clock } = setUp()
      const hanging: Promise<Response>[] = []
      for (let i = 0; i < 100; i++) {
        for (let k = 0; k < 20; k++) hanging.push(ask('/slow'))
        assert.equal((await ask('/quick')).status, 200)
        await turn()
        clock.advance(1000)
      }
      answer()
      assert.ok((await Promise.all(hanging)).every(({ status }) => status === 200))
    },
    'who waits in the line of a queue takes no place from others, even under overload': async () => {
      const { app, ask, overload } = setUp()
      const gate = Promise.withResolvers<void>()
      app.get('/agent', queue({ maxRunning: 1, maxWaiting: 50, maxWaitSeconds: 60, by: () => 'one' }), async (c) => {
        await gate.promise
        return c.text('done')
      })
      await overload()
      const line: Promise<string>[] = []
      for (let i = 0; i < 40; i++) {
        line.push(ask('/agent').then((answer) => answer.text()))
        await turn()
      }
      // One runs; the others wait.
      const quick = await Promise.all(Array.from({ length: MIN_LIMIT - 1 }, () => ask('/quick')))
      assert.ok(quick.every(({ status }) => status === 200))
      assert.equal((await ask('/quick')).status, 503)
      gate.resolve()
      assert.ok((await Promise.all(line)).every((text) => text === 'done'))
      await turn()
      const again = await Promise.all(Array.from({ length: MIN_LIMIT }, () => ask('/quick')))
      assert.ok(again.every(({ status }) => status === 200))
    },
    'where nothing may outlive its request, a place is free as soon as its request was answered': async () => {
      const { app } = secured({ platform: new WorkerPlatform() })
      app.use(shedLoad()).get('/', (c) => c.text('computed'))
      for (let i = 0; i < 300; i++) assert.equal((await app.request('/')).status, 200)
    },
    'under overload a request that does not end keeps its place for a second': async () => {
      const { ask, fill, answer, clock } = setUp()
      const inside = await fill()
      for (const ms of [500, 499]) {
        clock.advance(ms)
        assert.equal((await ask('/quick')).status, 503)
      }
      clock.advance(1)
      assert.equal((await ask('/quick')).status, 200)
      answer()
      await Promise.all(inside)
      await turn()
      assert.equal((await ask('/quick')).status, 200)
    },
    'those who are refused together are told to come back at unlike times': async () => {
      const { ask, fill, answer } = setUp()
      const inside = await fill()
      const waits = await Promise.all(
        Array.from({ length: 9 }, async () => (await ask('/quick')).headers.get('retry-after')),
      )
      assert.deepEqual(waits.sort(), ['1', '1', '1', '2', '2', '2', '3', '3', '3'])
      answer()
      await Promise.all(inside)
    },
    'a stream gives its place back when its answer is known, not when it ends': async () => {
      const { app, ask, overload } = setUp()
      app.get('/stream', () => new Response(new ReadableStream()))
      await overload()
      for (let i = 0; i < 3 * MIN_LIMIT; i++) {
        assert.equal((await ask('/stream')).status, 200)
        if (i % MIN_LIMIT === MIN_LIMIT - 1) await turn()
      }
    },
  }),
  ...cases('shedLoad()', {
    'a bad setting throws at start, naming it': () => {
      for (const privileged of [true, 'ops', null]) {
        assert.throws(() => shedLoad({ privileged: privileged as never }), /shedLoad\(\): privileged/)
      }
    },
  }),
]
