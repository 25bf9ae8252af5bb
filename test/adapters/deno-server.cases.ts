import assert from 'node:assert/strict'
import { Hono } from 'hono'
import { isOffServer } from '../../adapters/deno/off-server.ts'
import { platform } from '../../adapters/deno/platform.ts'
import { type Case, cases } from '../cases.ts'

interface DenoServer {
  readonly addr: { readonly port: number }
  shutdown(): Promise<void>
}

const { Deno } = globalThis as unknown as {
  Deno: { serve(options: object, handler: (request: Request, info: object) => unknown): DenoServer }
}

export const denoServerCases: readonly Case[] = cases('requests on Deno', {
  'a body is read at once only where it is small: Deno holds what is read so until the client goes': async () => {
    const app = new Hono()
    app.all('*', async (c) => {
      const reading = platform.readDeclared!(c, Number(c.req.header('content-length')))
      return c.json(reading && (await reading.bytes).byteLength)
    })
    const server = Deno.serve({ port: 0, hostname: '127.0.0.1', onListen: () => undefined }, app.fetch)
    try {
      const of = async (bytes: number): Promise<unknown> => {
        const url = `http://127.0.0.1:${server.addr.port}/`
        return (await fetch(url, { method: 'POST', body: new Uint8Array(bytes) })).json()
      }
      assert.deepEqual([await of(16_384), await of(16_385), await of(1_000_000)], [16_384, null, null])
    } finally {
      await server.shutdown()
    }
  },
  'one that came over a connection is told from one that the app made or copied': async () => {
    const app = new Hono()
    app.all('/seen', (c) => c.json(isOffServer(c)))
    app.all('/copied', (c) => app.fetch(new Request(new URL('/seen', c.req.url), c.req.raw), c.env))
    app.all('/made', (c) => app.request('/seen', { method: 'POST', body: 'a' }, c.env))
    app.all('/replaced', (c) => {
      c.req.raw = new Request(c.req.raw)
      return c.json(isOffServer(c))
    })
    const server = Deno.serve({ port: 0, hostname: '127.0.0.1', onListen: () => undefined }, app.fetch)
    try {
      const of = async (path: string): Promise<unknown> =>
        (await fetch(`http://127.0.0.1:${server.addr.port}/${path}`, { method: 'POST', body: 'a' })).json()
      assert.deepEqual(
        [await of('made'), await of('seen'), await of('copied'), await of('made'), await of('replaced')],
        [false, true, false, false, false],
      )
    } finally {
      await server.shutdown()
    }
  },
})
