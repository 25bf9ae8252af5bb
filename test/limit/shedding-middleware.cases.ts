import assert from 'node:assert/strict'
import { apiKeys } from '../../src/auth/api-keys.ts'
import { digestApiKey } from '../../src/auth/key-format.ts'
import { identify } from '../../src/auth/middleware.ts'
import { FIRST_LIMIT } from '../../src/limit/adaptive.ts'
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
  made.app.get('/throws', () => {
    throw new Error('thrown')
  })
  const ask = (path: string, init: RequestInit = {}) => Promise.resolve(made.app.request(path, init))
  const fill = () => Array.from({ length: FIRST_LIMIT }, () => ask('/slow'))
  return { ...made, ask, fill, answer: () => answer(), handled: () => handled }
}

const ops = { headers: { authorization: `Bearer ${TEST_KEYS[0]}` } }

async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 1))
}

export const sheddingMiddlewareCases: readonly Case[] = [
  ...cases('LIM-6', {
    'an overloaded server refuses with 503 and Retry-After, runs no handler for it, and says so': async () => {
      const { ask, fill, answer, handled, events, platform } = setUp()
      const inside = fill()
      await turn()
      const refused = await ask('/quick')
      assert.equal(refused.status, 503)
      assert.match(refused.headers.get('retry-after') ?? '', /^[123]$/)
      assert.equal(refused.headers.get('x-content-type-options'), 'nosniff')
      const problem = (await refused.json()) as ProblemDetails
      assert.equal(problem.code, 'limit.overloaded')
      assert.equal(problem.type, 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity')
      answer()
      for (const one of inside) assert.equal((await one).status, 200)
      assert.equal(handled(), FIRST_LIMIT)
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, level, reason }) => [type, level, reason]),
        [['limit.overloaded', 'warn', 'shed']],
      )
    },
    'what stands before the layer is served all the while, and the privileged are': async () => {
      const { ask, fill, answer } = setUp({ privileged: (c) => c.var.principal?.scopes.includes('ops') === true })
      const inside = fill()
      await turn()
      assert.equal((await ask('/quick')).status, 503)
      assert.equal((await ask('/health')).status, 200)
      assert.equal((await ask('/quick', ops)).status, 200)
      answer()
      await Promise.all(inside)
    },
    'nothing but true makes a request privileged': async () => {
      for (const value of [1, 'true', {}, [], Promise.resolve(true), undefined, null]) {
        const { ask, fill, answer } = setUp({ privileged: () => value as never })
        const inside = fill()
        await turn()
        assert.equal((await ask('/quick')).status, 503)
        answer()
        await Promise.all(inside)
      }
    },
    'a privilege that cannot be found out is a 500, and lets nobody through': async () => {
      const { ask, fill, answer, handled } = setUp({
        privileged: () => {
          throw new Error('broken')
        },
      })
      const inside = fill()
      await turn()
      assert.equal((await quietly(() => ask('/slow'))).status, 500)
      answer()
      await Promise.all(inside)
      assert.equal(handled(), FIRST_LIMIT)
    },
    'a place is free again once its request was answered, whether well, with an error or not at all': async () => {
      const { ask } = setUp()
      for (const path of ['/quick', '/throws', '/nowhere']) {
        for (let i = 0; i < 5; i++) {
          const answers = await quietly(() => Promise.all(Array.from({ length: FIRST_LIMIT / 2 }, () => ask(path))))
          assert.ok(answers.every(({ status }) => status !== 503))
          await turn()
        }
      }
    },
    'handlers that compute without a pause count as at once while the event loop has not turned': async () => {
      const { app } = secured()
      app.use(shedLoad()).get('/', (c) => c.text('computed'))
      // Awaited one after the other, and yet the event loop does not turn.
      const statuses: number[] = []
      for (let i = 0; i < FIRST_LIMIT + 20; i++) statuses.push((await app.request('/')).status)
      assert.equal(statuses.lastIndexOf(200), FIRST_LIMIT - 1)
      assert.equal(statuses.indexOf(503), FIRST_LIMIT)
      await turn()
      assert.equal((await app.request('/')).status, 200)
    },
    'turns of the event loop that are slow for a while are a sign of load, although the limit is far': async () => {
      const { app, clock } = secured()
      app.use(shedLoad()).get('/', (c) => {
        clock.advance(3)
        return c.text('computed')
      })
      const statuses: number[] = []
      for (let i = 0; i < 40; i++) {
        const answers = await Promise.all(Array.from({ length: 20 }, () => app.request('/')))
        statuses.push(...answers.map(({ status }) => status))
        await turn()
      }
      assert.ok(statuses.slice(0, 60).every((status) => status === 200))
      assert.ok(statuses.slice(-100).filter((status) => status === 503).length > 50)
    },
    'when cheap routes give way to dear ones, that alone sheds nothing': async () => {
      const { app, clock } = secured()
      let gate = Promise.withResolvers<void>()
      app.use(shedLoad()).get('/:route', async (c) => {
        await gate.promise
        return c.text('done')
      })
      app.get('/dear/:id', async (c) => {
        await gate.promise
        return c.text('done')
      })
      /** Asks until one is refused, and gives how many were let in. */
      const round = async (path: string, ms: number): Promise<number> => {
        gate = Promise.withResolvers()
        const asked: Promise<Response>[] = []
        let isFull = false
        while (!isFull) {
          const answer = Promise.resolve(app.request(path))
          asked.push(answer)
          void answer.then(({ status }) => {
            isFull ||= status === 503
          })
          if (asked.length % 50 === 0) await turn()
        }
        clock.advance(ms)
        gate.resolve()
        const answers = await Promise.all(asked)
        await turn()
        return answers.filter(({ status }) => status === 200).length
      }
      // The first rounds probe, as nothing is known.
      let most = 0
      for (let i = 0; i < 30; i++) most = await round('/cheap', 1)
      for (let i = 0; i < 12; i++) assert.ok((await round('/dear/1', 200)) >= most, `round ${i}`)
    },
    'where nothing may outlive its request, a place is free as soon as its request was answered': async () => {
      const { app } = secured({ platform: new WorkerPlatform() })
      app.use(shedLoad()).get('/', (c) => c.text('computed'))
      for (let i = 0; i < 3 * FIRST_LIMIT; i++) assert.equal((await app.request('/')).status, 200)
    },
    'a request that never ends keeps its place for a minute': async () => {
      const { ask, fill, answer, clock } = setUp()
      const inside = fill()
      await turn()
      clock.advance(59_999)
      assert.equal((await ask('/quick')).status, 503)
      clock.advance(1)
      assert.equal((await ask('/quick')).status, 200)
      answer()
      await Promise.all(inside)
      await turn()
      assert.equal((await ask('/quick')).status, 200)
    },
    'those who are refused together are told to come back at unlike times': async () => {
      const { ask, fill, answer } = setUp()
      const inside = fill()
      await turn()
      const waits = await Promise.all(
        Array.from({ length: 9 }, async () => (await ask('/quick')).headers.get('retry-after')),
      )
      assert.deepEqual(waits.sort(), ['1', '1', '1', '2', '2', '2', '3', '3', '3'])
      answer()
      await Promise.all(inside)
    },
    'a stream gives its place back when its answer is known, not when it ends': async () => {
      const { app } = secured()
      app.use(shedLoad()).get('/', () => new Response(new ReadableStream()))
      for (let i = 0; i < 3 * FIRST_LIMIT; i++) {
        const answer = await app.request('/')
        assert.equal(answer.status, 200)
        if (i % 50 === 49) await turn()
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
