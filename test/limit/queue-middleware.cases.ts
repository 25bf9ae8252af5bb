import assert from 'node:assert/strict'
import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import { timeout } from 'hono/timeout'
import { type QueueOptions, queue } from '../../src/limit/queue-middleware.ts'
import type { ProblemDetails } from '../../src/problem.ts'
import type { SecurityOptions } from '../../src/security.ts'
import { type Case, cases } from '../cases.ts'
import { quietly, secured, streamOf, TestPlatform } from '../support/fixtures.ts'

const byAgent = (c: Context): string | null => c.req.param('id') ?? null
const QUEUE: QueueOptions = { maxRunning: 2, maxWaiting: 2, maxWaitSeconds: 5, by: byAgent }

/** A platform where no request may wait for another. */
class WorkerPlatform extends TestPlatform {
  override readonly sharesRequests = false as never
}

/** An app whose handler runs until it is told to answer. */
function setUp(options: Partial<QueueOptions> = {}, others: Partial<SecurityOptions> = {}) {
  const made = secured(others)
  const started: string[] = []
  const running: { readonly name: string; answer(response?: Response): void; fail(error: unknown): void }[] = []
  const limit = queue({ ...QUEUE, ...options })
  made.app.all('/agents/:id', limit, (c) => {
    const name = c.req.query('n') ?? ''
    started.push(name)
    const end = Promise.withResolvers<Response>()
    running.push({
      name,
      answer: (response = new Response(`${name} done`)) => end.resolve(response),
      fail: end.reject,
    })
    return end.promise
  })
  const ask = (agent: string, n: string, init: RequestInit = {}) =>
    Promise.resolve(made.app.request(`/agents/${agent}?n=${n}`, init))
  /** Reads an answer to its end, as a client does. */
  const whole = async (answer: Promise<Response>) => {
    const response = await answer
    return `${response.status} ${await response.text()}`
  }
  return { ...made, ask, whole, started, running }
}

/** Lets everything run that can run now. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 0))
}

async function refusal(answer: Promise<Response>): Promise<string> {
  const response = await answer
  assert.equal(response.status, 503)
  const problem = (await response.json()) as ProblemDetails
  assert.equal(problem.code, 'limit.overloaded')
  const wait = response.headers.get('retry-after')
  assert.match(wait ?? '', /^[1-9]\d*$/)
  return wait!
}

export const queueMiddlewareCases: readonly Case[] = [
  ...cases('LIM-6', {
    'of one agent as many run as may, others wait in their order, and who finds the line full is refused': async () => {
      const { ask, whole, started, running, events, platform } = setUp()
      const answers = ['1', '2', '3', '4'].map((n) => whole(ask('a', n)))
      await settle()
      assert.deepEqual(started, ['1', '2'])
      await refusal(ask('a', '5'))
      running[1]!.answer()
      assert.equal(await answers[1], '200 2 done')
      await settle()
      assert.deepEqual(started, ['1', '2', '3'])
      running[2]!.answer()
      running[0]!.answer()
      await settle()
      assert.deepEqual(started, ['1', '2', '3', '4'])
      running[3]!.answer()
      assert.deepEqual(await Promise.all(answers), ['200 1 done', '200 2 done', '200 3 done', '200 4 done'])
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, level, reason }) => [type, level, reason]),
        [['limit.overloaded', 'warn', 'queue_full']],
      )
    },
    "one agent's flood holds up no other's requests": async () => {
      const { ask, whole, started, running } = setUp()
      const flood = Array.from({ length: 50 }, () => whole(ask('a', 'flood')))
      await settle()
      const other = whole(ask('b', 'calm'))
      await settle()
      assert.deepEqual(started, ['flood', 'flood', 'calm'])
      running[2]!.answer()
      assert.equal(await other, '200 calm done')
      for (const run of running) run.answer()
      await settle()
      for (const run of running) run.answer()
      const answers = await Promise.all(flood)
      assert.equal(answers.filter((answer) => answer === '200 flood done').length, 4)
      assert.equal(answers.filter((answer) => answer.startsWith('503')).length, 46)
    },
    'who waits longer than the deadline is refused, and takes no place afterwards': async () => {
      const { ask, whole, started, running, events, platform } = setUp({ maxRunning: 1, maxWaitSeconds: 0.03 })
      const first = whole(ask('a', '1'))
      const from = performance.now()
      await refusal(ask('a', '2'))
      assert.ok(performance.now() - from >= 25)
      running[0]!.answer()
      await first
      const third = whole(ask('a', '3'))
      await settle()
      running[1]!.answer()
      assert.equal(await third, '200 3 done')
      assert.deepEqual(started, ['1', '3'])
      await platform.settled()
      assert.deepEqual(
        events.map(({ type, reason }) => [type, reason]),
        [['limit.overloaded', 'queue_timeout']],
      )
    },
    'a client that goes away leaves the line, and no handler runs for it': async () => {
      const { ask, whole, started, running, events, platform } = setUp({ maxRunning: 1, maxWaiting: 1 })
      const first = whole(ask('a', '1'))
      const away = new AbortController()
      const gone = ask('a', '2', { signal: away.signal })
      await settle()
      await refusal(ask('a', '3'))
      away.abort()
      await gone.catch(() => null)
      const fourth = whole(ask('a', '4'))
      await settle()
      running[0]!.answer()
      await first
      await settle()
      running[1]!.answer()
      assert.equal(await fourth, '200 4 done')
      assert.deepEqual(started, ['1', '4'])
      await platform.settled()
      assert.deepEqual(
        events.map(({ reason }) => reason),
        ['queue_full'],
      )
    },
    'a client that was gone before it came does not wait': async () => {
      const { ask, whole, started, running } = setUp({ maxRunning: 1, maxWaiting: 1 })
      const first = whole(ask('a', '1'))
      await settle()
      void ask('a', '2', { signal: AbortSignal.abort() }).catch(() => null)
      await settle()
      const third = whole(ask('a', '3'))
      await settle()
      running[0]!.answer()
      await first
      await settle()
      running[1]!.answer()
      assert.equal(await third, '200 3 done')
      assert.deepEqual(started, ['1', '3'])
    },
    'whatever way an answer ends, its place is given back once, and not before': async () => {
      const broken = (): ReadableStream => streamOf(new TextEncoder().encode('a'), new Error('broke off'))
      const chunk = new Uint8Array(10)
      const endings: Record<string, (run: ReturnType<typeof setUp>) => Promise<unknown>> = {
        'answered without a body': async ({ ask, running }) => {
          const answer = ask('a', 'x')
          await settle()
          running.at(-1)!.answer(new Response(null, { status: 204 }))
          await answer
        },
        'a HEAD request': async ({ ask, running }) => {
          const answer = ask('a', 'x', { method: 'HEAD' })
          await settle()
          running.at(-1)!.answer()
          await answer
        },
        'an error thrown': async ({ ask, running }) => {
          const answer = ask('a', 'x')
          await settle()
          running.at(-1)!.fail(new Error('thrown'))
          assert.equal((await answer).status, 500)
          await (await answer).text()
        },
        'no Response': async ({ ask, running }) => {
          const answer = ask('a', 'x')
          await settle()
          running.at(-1)!.answer('no response' as never)
          await (await answer).text()
        },
        'a stream read to its end': async ({ ask, running }) => {
          const answer = ask('a', 'x')
          await settle()
          running.at(-1)!.answer(new Response(streamOf(chunk, chunk)))
          await (await answer).text()
        },
        'a stream that breaks': async ({ ask, running }) => {
          const answer = ask('a', 'x')
          await settle()
          running.at(-1)!.answer(new Response(broken()))
          await assert.rejects((await answer).text())
        },
        'a stream that the client breaks off': async ({ ask, running }) => {
          const answer = ask('a', 'x')
          await settle()
          running.at(-1)!.answer(new Response(streamOf(...Array.from({ length: 100 }, () => chunk))))
          const reader = (await answer).body!.getReader()
          await reader.read()
          await reader.cancel()
        },
        'a client that goes away while the handler runs': async ({ ask, running }) => {
          const away = new AbortController()
          const answer = ask('a', 'x', { signal: away.signal })
          await settle()
          away.abort()
          running.at(-1)!.answer(new Response(streamOf(chunk, chunk)))
          await answer.catch(() => null)
        },
        'an upgrade': async ({ ask, running }) => {
          const answer = ask('a', 'x')
          await settle()
          // No constructor makes a 101 outside workerd.
          const upgrade = new Response(null)
          Object.defineProperty(upgrade, 'status', { value: 101 })
          running.at(-1)!.answer(upgrade)
          await answer
        },
        'a body that somebody else reads': async ({ ask, running }) => {
          const answer = ask('a', 'x')
          await settle()
          const response = new Response(streamOf(chunk))
          response.body!.getReader()
          running.at(-1)!.answer(response)
          await answer
        },
      }
      for (const [name, end] of Object.entries(endings)) {
        const run = setUp({ maxRunning: 1, maxWaiting: 0 })
        await quietly(() => end(run))
        await settle()
        const next = run.ask('a', 'next')
        await settle()
        assert.deepEqual(run.started, ['x', 'next'], name)
        // Were it given back twice, this one would run beside the last.
        await refusal(run.ask('a', 'one more'))
        run.running.at(-1)!.answer()
        await (await next).text()
      }
    },
    'a stream keeps its place until its last byte was taken': async () => {
      const { app, clock } = secured()
      const more = Promise.withResolvers<void>()
      app.get('/agents/:id', queue({ ...QUEUE, maxRunning: 1, maxWaiting: 0 }), (c) =>
        streamSSE(c, async (out) => {
          await out.writeSSE({ data: 'one' })
          await more.promise
        }),
      )
      const answer = await app.request('/agents/a')
      const reader = answer.body!.getReader()
      await reader.read()
      clock.advance(5000)
      assert.equal((await app.request('/agents/a')).status, 503)
      more.resolve()
      while (!(await reader.read()).done);
      const next = await app.request('/agents/a')
      assert.equal(next.status, 200)
      await next.body?.cancel()
    },
    'a request that a time-out answered while it waited leaves the line, and its handler never runs': async () => {
      const { app } = secured()
      const started: string[] = []
      const first = Promise.withResolvers<void>()
      app.use(async (c, next) => (c.req.query('n') === '2' ? timeout(10)(c, next) : next()))
      app.get('/agents/:id', queue({ ...QUEUE, maxRunning: 1, maxWaiting: 1 }), async (c) => {
        const n = c.req.query('n')!
        started.push(n)
        if (n === '1') await first.promise
        return c.text(n)
      })
      const ask = async (n: string) => {
        const answer = await app.request(`/agents/a?n=${n}`)
        return [answer.status, await answer.text()]
      }
      const one = ask('1')
      await settle()
      assert.equal((await ask('2'))[0], 504)
      // Its place in the line is free again, and so is the place to run.
      const three = ask('3')
      await settle()
      first.resolve()
      assert.deepEqual(
        [await one, await three],
        [
          [200, '1'],
          [200, '3'],
        ],
      )
      assert.deepEqual(started, ['1', '3'])
      assert.deepEqual(await ask('4'), [200, '4'])
    },
    'a request that comes to the line after a time-out answered takes no place': async () => {
      const { app } = secured()
      const late = Promise.withResolvers<void>()
      const limit = queue({ ...QUEUE, maxRunning: 1, maxWaiting: 0 })
      app.get('/late/:id', timeout(10), async (_c, next) => late.promise.then(next))
      app.get('/:kind/:id', limit, (c) => c.text('ok'))
      const answer = await app.request('/late/a')
      assert.equal(answer.status, 504)
      await answer.text()
      late.resolve()
      await settle()
      const next = await app.request('/x/a')
      assert.equal(next.status, 200)
      await next.text()
    },
    'a request that meets one queue() twice has one place': async () => {
      const { app } = secured()
      const limit = queue({ ...QUEUE, maxRunning: 1, maxWaiting: 0, by: 'everyone' })
      app.use(limit).get('/', limit, (c) => c.text('ok'))
      for (let i = 0; i < 3; i++) {
        const answer = await app.request('/')
        assert.equal(answer.status, 200)
        await answer.text()
      }
    },
    'Retry-After is how long the line takes, by what runs took': async () => {
      const { ask, whole, running, clock } = setUp({ maxRunning: 1, maxWaiting: 1 })
      const first = whole(ask('a', '1'))
      await settle()
      const others = [whole(ask('a', '2'))]
      await settle()
      clock.advance(20_000)
      running[0]!.answer()
      await first
      others.push(whole(ask('a', '3')))
      await settle()
      assert.equal(await refusal(ask('a', '4')), '40')
      clock.advance(30_000)
      assert.equal(await refusal(ask('a', '5')), '60')
      running[1]!.answer()
      await others[0]
      await settle()
      running[2]!.answer()
      await others[1]
    },
    'where no request may wait for another, who finds all places taken is refused at once': async () => {
      const platform = new WorkerPlatform()
      const { ask, whole, started, running, events } = setUp({ maxRunning: 1, maxWaitSeconds: 0.01 }, { platform })
      const first = whole(ask('a', '1'))
      await settle()
      await refusal(ask('a', '2'))
      await platform.settled()
      assert.deepEqual(
        events.map(({ reason }) => reason),
        ['queue_full'],
      )
      running[0]!.answer()
      assert.equal(await first, '200 1 done')
      const third = whole(ask('a', '3'))
      await settle()
      running[1]!.answer()
      assert.equal(await third, '200 3 done')
      assert.deepEqual(started, ['1', '3'])
    },
    'where requests may be killed, one that never ends keeps its place for a minute': async () => {
      const { ask, clock, started } = setUp({ maxRunning: 1 }, { platform: new WorkerPlatform() })
      void ask('a', 'killed')
      await settle()
      clock.advance(59_999)
      await refusal(ask('a', '2'))
      clock.advance(1)
      void ask('a', '3')
      await settle()
      assert.deepEqual(started, ['killed', '3'])
    },
    'requests whose key cannot be told share one line': async () => {
      const { ask, started } = setUp({ maxRunning: 1, maxWaiting: 0, by: () => null })
      void ask('a', '1')
      await settle()
      await refusal(ask('b', '2'))
      assert.deepEqual(started, ['1'])
    },
  }),
  ...cases('queue()', {
    'a bad setting throws at start, naming it': () => {
      const make = (options: object) => () => queue({ ...QUEUE, ...options } as QueueOptions)
      for (const maxRunning of [0, -1, 1.5, Number.NaN, '4', undefined])
        assert.throws(make({ maxRunning }), /queue\(\): maxRunning/)
      for (const maxWaiting of [-1, 0.5, Number.POSITIVE_INFINITY, '1'])
        assert.throws(make({ maxWaiting }), /queue\(\): maxWaiting/)
      for (const maxWaitSeconds of [0, -1, 3601, Number.NaN, '5'])
        assert.throws(make({ maxWaitSeconds }), /queue\(\): maxWaitSeconds/)
      for (const by of [undefined, [], 'agent', ['route', 'route']]) assert.throws(make({ by }), /queue\(\): by/)
      for (const ipv6Prefix of [0, 129, 1.5]) assert.throws(make({ ipv6Prefix }), /queue\(\): ipv6Prefix/)
    },
  }),
]
