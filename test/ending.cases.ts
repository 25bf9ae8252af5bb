import assert from 'node:assert/strict'
import { answerEnd } from '../src/answer-end.ts'
import { type Ending, tellingEnd } from '../src/ending.ts'
import { type Case, cases, waitingCases } from './cases.ts'
import { secured, streamOf } from './support/fixtures.ts'

const CHUNK = new Uint8Array(10)

function watch(response: Response, init: RequestInit = {}, failed = false, unreadMs?: number) {
  const told: Ending[] = []
  const { method, signal } = new Request('http://localhost/', init)
  return { told, ...tellingEnd(response, method === 'HEAD', signal, failed, (how) => told.push(how), unreadMs) }
}

export const endingCases: readonly Case[] = [
  ...cases('tellingEnd()', {
    'tells when the last byte was taken, once': async () => {
      const { told, response } = watch(new Response(streamOf(CHUNK, CHUNK), { headers: { 'x-a': 'b' }, status: 201 }))
      assert.deepEqual(told, [])
      assert.equal((await response.arrayBuffer()).byteLength, 20)
      assert.deepEqual(told, ['complete'])
      assert.deepEqual([response.status, response.headers.get('x-a')], [201, 'b'])
    },
    'tells at once of an answer without a body, and of one to HEAD, whose body nobody takes': () => {
      assert.deepEqual(watch(new Response(null, { status: 204 })).told, ['complete'])
      assert.deepEqual(watch(new Response('body'), { method: 'HEAD' }).told, ['complete'])
    },
    'tells of a client that goes away while it reads': async () => {
      const { told, response } = watch(new Response(streamOf(CHUNK, CHUNK, CHUNK)))
      const reader = response.body!.getReader()
      await reader.read()
      await reader.cancel()
      assert.deepEqual(told, ['aborted'])
    },
    'tells of a client that went away before anybody read': async () => {
      const abort = new AbortController()
      const { told } = watch(new Response(streamOf(CHUNK)), { signal: abort.signal })
      abort.abort()
      assert.deepEqual(told, ['aborted'])
      assert.deepEqual(watch(new Response(streamOf(CHUNK)), { signal: AbortSignal.abort() }).told, ['aborted'])
    },
    'tells of a body that breaks, and of an answer that was an error from the start': async () => {
      const broken = watch(new Response(streamOf(CHUNK, new Error('upstream'))))
      await assert.rejects(broken.response.arrayBuffer())
      assert.deepEqual(broken.told, ['failed'])
      const failed = watch(new Response('oops', { status: 500 }), {}, true)
      await failed.response.text()
      assert.deepEqual(failed.told, ['failed'])
    },
    'a body that is broken off fails for who reads it, at once and once, and its source is told': async () => {
      let stopped: unknown = null
      const endless = new ReadableStream<Uint8Array>({
        pull: () => new Promise<void>(() => undefined),
        cancel: (reason) => {
          stopped = reason
        },
      })
      const { told, response, breakOff } = watch(new Response(endless))
      const reading = response.text()
      breakOff!(new Error('enough'))
      breakOff!(new Error('again'))
      await assert.rejects(reading, /enough/)
      assert.deepEqual(told, ['failed'])
      assert.match(String(stopped), /enough/)
    },
    'what was sent whole, and what has no body, cannot be broken off': async () => {
      const { told, response, breakOff } = watch(new Response('whole'))
      assert.equal(await response.text(), 'whole')
      breakOff!(new Error('late'))
      assert.deepEqual(told, ['complete'])
      assert.equal(watch(new Response(null)).breakOff, null)
    },
  }),
  ...waitingCases('tellingEnd()', {
    'a body that nobody begins to read ends, and its source is told; one that is read slowly does not': async () => {
      let stopped: unknown = null
      let pulls = 0
      const source = (): ReadableStream<Uint8Array> =>
        new ReadableStream(
          {
            pull(controller) {
              pulls += 1
              controller.enqueue(CHUNK)
            },
            cancel: (reason) => {
              stopped = reason
            },
          },
          { highWaterMark: 0 },
        )
      const unread = watch(new Response(source()), {}, false, 40)
      const slow = watch(new Response(source()), {}, false, 40)
      const reader = slow.response.body!.getReader()
      await reader.read()
      await new Promise((resolve) => setTimeout(resolve, 100))
      assert.deepEqual([unread.told, slow.told, pulls], [['aborted'], [], 1])
      assert.match(String(stopped), /Nobody began to read/)
      await assert.rejects(unread.response.text(), /Nobody began to read/)
      assert.equal((await reader.read()).done, false)
      await reader.cancel()
      assert.deepEqual(slow.told, ['aborted'])
    },
  }),
  ...cases('answerEnd()', {
    'the answer reaches the client as it was, with its headers, and the end is told': async () => {
      const { app } = secured()
      const told: Ending[] = []
      app.use(async (c, next) => {
        answerEnd(c.var.security, c).onEnd((how) => told.push(how))
        await next()
      })
      app.get('/', (c) => c.json({ a: 1 }, 200))
      const answer = await app.request('/')
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
      assert.match(answer.headers.get('content-type')!, /^application\/json/)
      assert.deepEqual(await answer.json(), { a: 1 })
      assert.deepEqual(told, ['complete'])
    },
    'an answer whose status has no body ends at once, and is sent as it was': async () => {
      for (const status of [204, 205, 304]) {
        const { app } = secured()
        const told: Ending[] = []
        app.use(async (c, next) => {
          answerEnd(c.var.security, c).onEnd((how) => told.push(how))
          await next()
        })
        app.get('/', () => new Response(null, { status }))
        assert.equal((await app.request('/')).status, status)
        assert.deepEqual(told, ['complete'])
      }
    },
    'an answer that no body can be read of ends': async () => {
      const { app } = secured()
      const told: Ending[] = []
      app.use(async (c, next) => {
        answerEnd(c.var.security, c).onEnd((how) => told.push(how))
        await next()
      })
      app.get('/', () => ({ status: 200, headers: new Headers() }) as Response)
      await app.request('/')
      assert.deepEqual(told, ['complete'])
    },
    'who asks after the answer is told at once: a layer behind a time-out came too late': async () => {
      const { app } = secured()
      const told: unknown[] = []
      let late: (() => void) | null = null
      app.use(async (c, next) => {
        await next()
        late = () => {
          c.var.security.lifecycle.onAnswer((failed) => told.push(failed))
          answerEnd(c.var.security, c).onEnd((how) => told.push(how))
          told.push(c.var.security.lifecycle.isAnswered)
        }
      })
      app.get('/', (c) => c.text('timeout', 504))
      await app.request('/')
      late!()
      assert.deepEqual(told, [true, 'failed', true])
    },
    'a listener that throws is told of in an event, and changes no answer and nothing for the others': async () => {
      const { app, events, platform } = secured()
      const told: unknown[] = []
      app.use(async (c, next) => {
        const fail = (): never => {
          throw new Error('bug')
        }
        c.var.security.lifecycle.onAnswer(fail)
        c.var.security.lifecycle.onAnswer((failed) => told.push(failed))
        answerEnd(c.var.security, c).onEnd(fail)
        answerEnd(c.var.security, c).onEnd((how) => told.push(how))
        await next()
      })
      app.get('/', (c) => c.text('ok'))
      assert.equal(await (await app.request('/')).text(), 'ok')
      assert.deepEqual(told, [false, 'complete'])
      await platform.settled()
      assert.deepEqual([events[0]!.type, events[0]!.reason], ['fault', 'Error'])
    },
  }),
]
