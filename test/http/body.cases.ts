import assert from 'node:assert/strict'
import type { Context } from 'hono'
import { DEFAULT_MAX_BODY_BYTES, declaredFault, readBody } from '../../src/http/body.ts'
import { type Case, cases } from '../cases.ts'
import { secured, streamedPost, streamOf } from '../support/fixtures.ts'

const CAP = 20
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(97)

/** An app with a small cap whose handler does with the body what it is told. */
function setUp(read: (c: Context) => unknown = (c) => c.req.text(), maxBodyBytes = CAP) {
  const made = secured({ maxBodyBytes })
  let handled = 0
  made.app.all('/*', async (c) => {
    handled++
    return c.json(await read(c))
  })
  return { ...made, handled: () => handled }
}

async function expectRefused(status: number, code: string, request: Request, maxBodyBytes = CAP): Promise<void> {
  const { app, handled } = setUp(undefined, maxBodyBytes)
  const answer = await app.request(request)
  assert.equal(answer.status, status)
  assert.equal(((await answer.json()) as { code: string }).code, code)
  assert.equal(handled(), 0)
}

function post(body: BodyInit, headers: Readonly<Record<string, string>> = {}): Request {
  return new Request('http://localhost/', { method: 'POST', body, headers })
}

export const bodyCases: readonly Case[] = [
  ...cases('VAL-2', {
    'the default cap is 1 MiB': async () => {
      assert.equal(DEFAULT_MAX_BODY_BYTES, 1_048_576)
      const { app } = secured()
      app.post('/', async (c) => c.json((await c.req.arrayBuffer()).byteLength))
      assert.equal(await (await app.request(post(bytes(1_048_576) as BodyInit))).json(), 1_048_576)
      assert.equal((await app.request(post(bytes(1_048_577) as BodyInit))).status, 413)
    },
    'a body at exactly the cap is served, one byte more is refused': async () => {
      const { app, handled } = setUp()
      assert.equal(await (await app.request(post('a'.repeat(CAP)))).json(), 'a'.repeat(CAP))
      assert.equal(await (await app.request(streamedPost(streamOf(bytes(CAP))))).json(), 'a'.repeat(CAP))
      assert.equal(handled(), 2)
      await expectRefused(413, 'body.too_large', post('a'.repeat(CAP + 1)))
      await expectRefused(413, 'body.too_large', streamedPost(streamOf(bytes(CAP + 1))))
    },
    'a body made in this process of anything but bytes is refused, not taken for an empty one': async () => {
      for (const chunk of [
        'text',
        new Int32Array(2),
        new ArrayBuffer(2),
        [97],
        { byteLength: 0, [Symbol.toStringTag]: 'Uint8Array' },
        null,
      ]) {
        await expectRefused(400, 'body.unreadable', streamedPost(streamOf(chunk as never)))
      }
    },
    'a declared oversize is refused without reading': async () => {
      let pulled = 0
      const body = new ReadableStream<Uint8Array>({ pull: () => void pulled++ }, { highWaterMark: 0 })
      await expectRefused(413, 'body.too_large', streamedPost(body, { 'content-length': String(CAP + 1) }))
      assert.equal(pulled, 0)
    },
    'a GET that declares an oversized body is refused': async () => {
      await expectRefused(
        413,
        'body.too_large',
        new Request('http://localhost/', { headers: { 'content-length': '21' } }),
      )
    },
    'an understated Content-Length is not believed: the bytes are counted': async () => {
      // GHSA-92vj-g62v-jqhh, CVE-2026-54288: CL 1 with 21 bytes, with and without Transfer-Encoding.
      await expectRefused(413, 'body.too_large', streamedPost(streamOf(bytes(CAP + 1)), { 'content-length': '1' }))
      await expectRefused(
        413,
        'body.too_large',
        streamedPost(streamOf(bytes(CAP + 1)), { 'content-length': '1', 'transfer-encoding': 'chunked' }),
      )
      await expectRefused(
        413,
        'body.too_large',
        streamedPost(streamOf(bytes(1), bytes(CAP)), { 'content-length': '0' }),
      )
    },
    'a chunked body without length is refused at the first byte over the cap, in chunks of one byte too': async () => {
      await expectRefused(
        413,
        'body.too_large',
        streamedPost(streamOf(...Array.from({ length: CAP + 1 }, () => bytes(1)))),
      )
      const { app } = setUp()
      assert.equal(
        await (await app.request(streamedPost(streamOf(...Array.from({ length: CAP }, () => bytes(1)))))).json(),
        'a'.repeat(CAP),
      )
    },
    'a body that never ends is refused after the cap': async () => {
      let pulled = 0
      let cancelled = false
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          pulled++
          controller.enqueue(bytes(1))
        },
        cancel() {
          cancelled = true
        },
      })
      await expectRefused(413, 'body.too_large', streamedPost(body))
      assert.ok(pulled <= CAP + 5, String(pulled))
      assert.equal(cancelled, true)
    },
    'no handler runs for an oversized body, though it would ignore it, read a chunk or swallow the error': async () => {
      // CVE-2026-44456: the limit was decided after the handler.
      const handlers: ((c: Context) => unknown)[] = [
        () => 'ignored',
        async (c) => (await c.req.raw.body?.getReader().read())?.value?.length,
        (c) => c.req.text().catch(() => 'swallowed'),
      ]
      for (const handler of handlers) {
        const { app, handled } = setUp(handler)
        assert.equal((await app.request(streamedPost(streamOf(bytes(10), bytes(11))))).status, 413)
        assert.equal(handled(), 0)
      }
    },
    'a body that breaks off is refused with 400': async () => {
      await expectRefused(400, 'body.unreadable', streamedPost(streamOf(bytes(3), new Error('reset'))))
      await expectRefused(400, 'body.unreadable', streamedPost(streamOf(new Error('reset'))))
    },
    'a Content-Length that is no number is refused with 400': async () => {
      for (const length of ['-1', '+5', '0x10', '5, 5', '1e1', 'x', '1.5']) {
        await expectRefused(
          400,
          'body.unreadable',
          new Request('http://localhost/', { method: 'POST', headers: { 'content-length': length } }),
        )
      }
      await expectRefused(
        413,
        'body.too_large',
        new Request('http://localhost/', { method: 'POST', headers: { 'content-length': '9'.repeat(400) } }),
      )
    },
    'a cap of 0 takes empty bodies alone': async () => {
      const { app } = setUp(undefined, 0)
      assert.equal((await app.request('/', { method: 'POST' })).status, 200)
      assert.equal((await app.request(post(''))).status, 200)
      assert.equal((await app.request('/')).status, 200)
      await expectRefused(413, 'body.too_large', post('a'), 0)
      await expectRefused(413, 'body.too_large', streamedPost(streamOf(bytes(1))), 0)
    },
    'an allowed body is read whole by every way of reading': async () => {
      const body = '{"a":"é"}'
      const readings: Record<string, (c: Context) => unknown> = {
        'c.req.text': (c) => c.req.text(),
        'c.req.json': async (c) => JSON.stringify(await c.req.json()),
        'c.req.arrayBuffer': async (c) => new TextDecoder().decode(await c.req.arrayBuffer()),
        'c.req.blob': async (c) => (await c.req.blob()).text(),
        'c.req.raw.text': (c) => c.req.raw.text(),
        'c.req.raw.json': async (c) => JSON.stringify(await c.req.raw.json()),
        'c.req.raw.body': async (c) => {
          let text = ''
          const decoder = new TextDecoder()
          const reader = c.req.raw.body!.getReader()
          for (let read = await reader.read(); !read.done; read = await reader.read())
            text += decoder.decode(read.value, { stream: true })
          return text
        },
        'twice, through the cache of Hono': async (c) => {
          const first = await c.req.text()
          return first === (await c.req.text()) ? first : 'differs'
        },
      }
      for (const [way, read] of Object.entries(readings)) {
        const { app } = setUp(read)
        assert.equal(await (await app.request(post(body))).json(), body, way)
        const utf8 = new TextEncoder().encode(body)
        assert.equal(
          await (await app.request(streamedPost(streamOf(utf8.slice(0, 6), utf8.slice(6))))).json(),
          body,
          way,
        )
      }
    },
    'a form is parsed after the guard, and pollutes no prototype': async () => {
      // GHSA-v8w9-8mx6-g223: `__proto__.x` in parseBody.
      const { app } = setUp(async (c) => Object.keys(await c.req.parseBody({ dot: true })), 1000)
      const type = { 'content-type': 'application/x-www-form-urlencoded' }
      const answer = await app.request(post('a=1&__proto__.polluted=1&constructor.prototype.polluted=1', type))
      assert.ok(((await answer.json()) as string[]).includes('a'))
      assert.equal(({} as { polluted?: string }).polluted, undefined)
    },
    'method, headers and URL of the request are as they were': async () => {
      const { app } = setUp((c) => [
        c.req.method,
        c.req.header('x-mine'),
        c.req.raw.headers.get('content-type'),
        new URL(c.req.raw.url).search,
      ])
      const request = new Request('http://localhost/a?b=c', {
        method: 'PATCH',
        body: 'x',
        headers: { 'x-mine': '1', 'content-type': 'text/x-mine' },
      })
      assert.deepEqual(await (await app.request(request)).json(), ['PATCH', '1', 'text/x-mine', '?b=c'])
    },
  }),
  ...cases('readBody()', {
    'gives up on a body that does not arrive within its time, and stops reading': async () => {
      let cancelled = false
      const stalled = new ReadableStream<Uint8Array>({
        cancel() {
          cancelled = true
        },
      })
      const { setTimeout: original } = globalThis
      const asked: unknown[] = []
      globalThis.setTimeout = ((run: () => void, ms: number) => {
        asked.push(ms)
        return original(run, 0)
      }) as typeof setTimeout
      try {
        const answer = await readBody(stalled, CAP, null, 10)
        assert.equal((answer as { code: string }).code, 'body.timeout')
      } finally {
        globalThis.setTimeout = original
      }
      assert.deepEqual(asked, [10_000])
      assert.equal(cancelled, true)
    },
    'a body that stops half-way is too slow, and never taken for whole': async () => {
      for (const declared of [null, 3, 10]) {
        let cancelled = 0
        const stopping = new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(bytes(3)),
          cancel() {
            cancelled++
          },
        })
        const answer = await readBody(stopping, CAP, declared, 0.02)
        assert.equal((answer as { code: string }).code, 'body.timeout', String(declared))
        assert.equal(cancelled, 1)
      }
    },
    'leaves no timer behind, however the body ends': async () => {
      const { setTimeout: set, clearTimeout: clear } = globalThis
      const running = new Set<unknown>()
      let made = 0
      globalThis.setTimeout = ((run: () => void, ms: number) => {
        const timer = set(run, ms)
        running.add(timer)
        made += 1
        return timer
      }) as typeof setTimeout
      globalThis.clearTimeout = ((timer: ReturnType<typeof set>) => {
        running.delete(timer)
        clear(timer)
      }) as typeof clearTimeout
      try {
        for (const chunk of [bytes(CAP), bytes(CAP + 1), new Error('reset')]) {
          // What is here already needs no timer.
          const prompt = readBody(streamOf(chunk), CAP, null, 10)
          await new Promise((go) => set(go, 0))
          assert.equal(made, 0)
          await prompt
          const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
          const slow = readBody(readable, CAP, null, 10)
          await new Promise((go) => set(go, 0))
          assert.equal(running.size, 1)
          const writer = writable.getWriter()
          if (chunk instanceof Error) await writer.abort(chunk)
          else await Promise.allSettled([writer.write(chunk), writer.close()])
          await slow
          assert.equal(running.size, 0)
          made = 0
        }
      } finally {
        globalThis.setTimeout = set
        globalThis.clearTimeout = clear
      }
    },
    'gives exactly the bytes that came': async () => {
      const read = await readBody(streamOf(Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3)), 3, null, 10)
      assert.deepEqual(read, Uint8Array.of(1, 2, 3))
    },
    'refuses a body that is longer or shorter than it declares': async () => {
      const read = async (length: number, declared: number) => readBody(streamOf(bytes(length)), CAP, declared, 10)
      assert.equal(((await read(11, 10)) as { code: string }).code, 'body.too_large')
      assert.equal(((await read(9, 10)) as { code: string }).code, 'body.unreadable')
      assert.deepEqual(await read(10, 10), bytes(10))
      assert.deepEqual(await readBody(streamOf(), CAP, 0, 10), new Uint8Array())
    },
  }),
  ...cases('declaredFault()', {
    'refuses more than the cap alone': () => {
      assert.equal(declaredFault(null, 5), null)
      assert.equal(declaredFault('5', 5), null)
      assert.equal(declaredFault('005', 5), null)
      assert.equal(declaredFault('6', 5)?.code, 'body.too_large')
      assert.equal(declaredFault('', 5)?.code, 'body.unreadable')
    },
  }),
]
