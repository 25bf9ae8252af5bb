import { serve } from '@hono/node-server'
import { concurrency, memoryStore, queue, security } from 'hinoban'
import { platform } from 'hinoban/node'
import { Hono } from 'hono'
import { timeout } from 'hono/timeout'
import { expect, test } from 'vitest'

const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms))

test.each(['outside', 'inside'])(
  'node > LIM-5 LIM-6 a handler that a time-out %s security() gave up on keeps no slot and no place',
  async (where) => {
    const app = new Hono()
    const guard = security({ platform, store: memoryStore(), events: [] })
    if (where === 'inside') app.use(guard)
    app.use(timeout(50))
    if (where === 'outside') app.use(guard)
    app
      .get('/slot', concurrency({ limit: 1, by: 'everyone', name: 'slot' }), async (c) => {
        await pause(Number(c.req.query('ms')))
        return c.text('ok')
      })
      .get('/place', queue({ maxRunning: 1, maxWaitSeconds: 1, by: 'everyone' }), async (c) => {
        await pause(Number(c.req.query('ms')))
        return c.text('ok')
      })
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    const ask = async (path: string): Promise<number> => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`)
      await answer.text()
      return answer.status
    }
    try {
      for (const path of ['/slot', '/place']) {
        expect(await ask(`${path}?ms=150`)).toBe(504)
        await pause(200)
        expect(await ask(`${path}?ms=0`)).toBe(200)
      }
    } finally {
      server.close()
    }
  },
)
