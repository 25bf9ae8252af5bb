import { strict as assert } from 'node:assert'
import { type Context, Hono } from 'hono'
import { platform } from '../../adapters/cloudflare/platform.ts'
import { security } from '../../src/security.ts'
import { type Case, cases } from '../cases.ts'
import { streamedPost, streamOf } from '../support/fixtures.ts'

const AT_ONCE_BYTES = 16_384
type Make = (bytes: Uint8Array<ArrayBuffer>) => BodyInit

/** Every way in which a Worker comes by a body: the runtime's own streams fill the room of others, those made in JavaScript may not. */
const BODIES: Record<string, Make> = {
  bytes: (bytes) => bytes,
  text: (bytes) => new TextDecoder().decode(bytes),
  'a blob': (bytes) => new Blob([bytes]),
  'a stream of the runtime': (bytes) => written(new IdentityTransformStream(), bytes),
  'a stream of a fixed length': (bytes) => written(new FixedLengthStream(bytes.length), bytes),
  'a stream of JavaScript': (bytes) => streamOf(bytes),
  'a stream of JavaScript, byte by byte': (bytes) => streamOf(...[...bytes].map((byte) => Uint8Array.of(byte))),
  'a byte stream of JavaScript': (bytes) => {
    const source = {
      type: 'bytes' as const,
      start(to: ReadableByteStreamController) {
        if (bytes.length > 0) to.enqueue(bytes.slice())
        to.close()
      },
    }
    return new ReadableStream(source)
  },
}

export const cloudflareBodiesCases: readonly Case[] = cases('bodies on Workers >', {
  'of each kind one as long as declared arrives whole, a longer one is 413, a shorter one 400': async () => {
    const sent = 'a'.repeat(40)
    for (const [kind, make] of Object.entries(BODIES)) {
      const answers: [number, string][] = []
      for (const declared of [sent.length - 1, sent.length, sent.length + 1]) {
        const answer = await ask(make(new Uint8Array(new TextEncoder().encode(sent))), declared)
        answers.push([
          answer.status,
          answer.status === 200 ? await answer.text() : ((await answer.json()) as { code: string }).code,
        ])
      }
      assert.deepEqual(
        answers,
        [
          [413, 'body.too_large'],
          [200, sent],
          [400, 'body.unreadable'],
        ],
        kind,
      )
    }
  },
  'an empty one is one, and none at all is none': async () => {
    for (const [kind, make] of Object.entries(BODIES)) {
      assert.equal((await ask(make(new Uint8Array()), 0)).status, 200, kind)
      assert.equal((await ask(make(new Uint8Array()), 1)).status, 400, kind)
      assert.equal((await ask(make(new Uint8Array(1)), 0)).status, 413, kind)
    }
    const none = new Request('http://localhost/', { method: 'POST', headers: { 'content-length': '0' } })
    assert.equal((await app().fetch(none)).status, 200)
  },
  'at once is read what fills the room of others and is small': async () => {
    const isAtOnce = (body: BodyInit, length: number): boolean => {
      const raw = streamedPost(body as ReadableStream<Uint8Array>)
      return platform.readDeclared!({ req: { raw } } as Context, length) !== null
    }
    const [small, large] = [new Uint8Array(8), new Uint8Array(AT_ONCE_BYTES + 1)]
    assert.equal(isAtOnce(large, large.length), false)
    for (const [kind, make] of Object.entries(BODIES)) {
      assert.equal(isAtOnce(make(small), 8), !kind.startsWith('a stream of JavaScript'), kind)
    }
  },
  'what sends more than it declares is told to stop': async () => {
    let cancelled = false
    const source = {
      type: 'bytes' as const,
      pull: (to: ReadableByteStreamController) => to.enqueue(Uint8Array.of(97)),
      cancel: () => {
        cancelled = true
      },
    }
    assert.equal((await ask(new ReadableStream(source), 3)).status, 413)
    assert.equal(cancelled, true)
  },
  'one of the most that is read at once, and of a byte more, arrive whole': async () => {
    for (const length of [AT_ONCE_BYTES, AT_ONCE_BYTES + 1]) {
      const answer = await ask('a'.repeat(length), length)
      assert.deepEqual([answer.status, (await answer.text()).length], [200, length])
    }
  },
  'one that breaks off is 400': async () => {
    for (const body of [streamOf(Uint8Array.of(97), new Error('broken')), broken(new IdentityTransformStream())]) {
      assert.equal((await ask(body, 2)).status, 400)
    }
  },
  'one that never comes is given up after its time, and told to stop': async () => {
    for (const length of [2, AT_ONCE_BYTES + 1]) {
      let cancelled = false
      const source = {
        type: 'bytes' as const,
        pull: () => new Promise<void>(() => undefined),
        cancel: () => {
          cancelled = true
        },
      }
      assert.equal((await ask(new ReadableStream(source), length)).status, 408)
      assert.equal(cancelled, true, String(length))
    }
  },
  'the handler reads it by c.req and by c.req.raw': async () => {
    const { body, raw } = (await (await ask('as it is', 8, '/both')).json()) as Record<string, string>
    assert.deepEqual([body, raw], ['as it is', 'as it is'])
  },
})

function app() {
  return new Hono()
    .use(security({ platform, events: () => undefined, bodyTimeoutSeconds: 0.2 }))
    .post('/', async (c) => c.text(await c.req.text()))
    .post('/both', async (c) => c.json({ raw: await c.req.raw.clone().text(), body: await c.req.text() }))
}

async function ask(body: BodyInit, declared: number, path = '/'): Promise<Response> {
  const headers = { 'content-length': String(declared) }
  return app().fetch(streamedPost(body as ReadableStream<Uint8Array>, headers, path))
}

function written(stream: IdentityTransformStream, bytes: Uint8Array): ReadableStream {
  const writer = stream.writable.getWriter()
  // Whoever refuses a body reads no further.
  const nobodyCares = (): undefined => undefined
  if (bytes.length > 0) writer.write(bytes).catch(nobodyCares)
  writer.close().catch(nobodyCares)
  return stream.readable
}

function broken(stream: IdentityTransformStream): ReadableStream {
  const writer = stream.writable.getWriter()
  writer.write(Uint8Array.of(97)).catch(() => undefined)
  writer.abort(new Error('broken')).catch(() => undefined)
  return stream.readable
}
