import { strict as assert } from 'node:assert'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { WebSocket } from 'ws'

/** How a socket ended. */
export interface Close {
  readonly code: number
  readonly reason: string
}

/** A client's end of a real WebSocket. */
export interface Line {
  readonly socket: WebSocket
  readonly heard: string[]
  readonly closed: Promise<Close>
  say(...texts: readonly string[]): void
  /** The closing handshake. */
  close(): Promise<Close>
}

/** Opens a WebSocket: what came of it, or the status that refused it. */
export function dial(port: number, key: string, path = '/ws'): Promise<Line | number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, {
    headers: { authorization: `Bearer ${key}`, 'user-agent': 'socket-test' },
  })
  const heard: string[] = []
  socket.on('message', (data) => heard.push(String(data)))
  socket.on('error', () => undefined)
  return new Promise((resolve, reject) => {
    socket.once('unexpected-response', (request, response) => {
      resolve(response.statusCode!)
      request.destroy()
    })
    socket.once('error', reject)
    socket.once('open', () => {
      const closed = new Promise<Close>((done) =>
        socket.once('close', (code, reason) => done({ code, reason: String(reason) })),
      )
      resolve({
        socket,
        heard,
        closed,
        say: (...texts) => {
          for (const text of texts) socket.send(text)
        },
        close: () => {
          socket.close()
          return closed
        },
      })
    })
  })
}

/** Opens a WebSocket that must open. */
export async function mustDial(port: number, key: string, path?: string): Promise<Line> {
  const line = await dial(port, key, path)
  if (typeof line === 'number') throw new Error(`The handshake was refused with ${line}.`)
  return line
}

/** Tries until a WebSocket opens, up to `withinMs`; how long that took, ms. */
export async function dialUntilOpen(
  port: number,
  key: string,
  withinMs: number,
  path?: string,
): Promise<{ line: Line; afterMs: number }> {
  const began = Date.now()
  for (;;) {
    const line = await dial(port, key, path)
    const afterMs = Date.now() - began
    if (typeof line !== 'number') return { line, afterMs }
    if (afterMs > withinMs) throw new Error(`Still refused with ${line} after ${afterMs} ms.`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Shakes hands by hand: the status, and the bare connection. `head` is added to the request, or replaces the key. */
export async function shake(port: number, key: string, socketKey = 'dGhlIHNhbXBsZSBub25jZQ==', extra = '') {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${socketKey}\r\nAuthorization: Bearer ${key}\r\n${extra}\r\n`,
  )
  const [head] = (await once(socket, 'data')) as [Buffer]
  return { socket, status: Number(/^HTTP\/1\.1 (\d+)/.exec(head.toString('latin1'))?.[1] ?? 0) }
}

/** A text frame of a client, masked with zeros. */
export function frame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])
}

/** Waits until something holds, up to 5 s. */
export async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 5_000
  while (!holds()) {
    if (Date.now() > end) throw new Error(`It never held: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Two streams of a user go on for longer than a lease of 2 s, a third is refused; one whose client leaves makes room for one. */
export async function leavingStreams(port: number, key: string): Promise<void> {
  const ask = (): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${key}` }
      get({ host: '127.0.0.1', port, path: '/stream', headers, agent: false }, resolve).on('error', reject)
    })
  const streams = [await ask(), await ask()]
  for (const stream of streams) stream.on('error', () => undefined).resume()
  assert.deepEqual(
    streams.map(({ statusCode }) => statusCode),
    [200, 200],
  )
  await new Promise((resolve) => setTimeout(resolve, 2500))
  const refused = await ask()
  refused.destroy()
  assert.equal(refused.statusCode, 429)
  streams[0]!.destroy()
  const end = Date.now() + 1000
  for (;;) {
    const next = await ask()
    next.on('error', () => undefined).resume()
    if (next.statusCode === 200) {
      next.destroy()
      break
    }
    assert.ok(Date.now() < end, 'still refused after 1 s; after 1.3 s its lease might have ended by itself')
  }
  streams[1]!.destroy()
}
