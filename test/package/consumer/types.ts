/** What a user may write and what not, compiled beside README.md's app.ts against the installed package. */
import { type AtomicStore, apiKeys, authenticate, memoryStore, type Platform, type Principal, security } from 'hinoban'
import { Id, validate } from 'hinoban/validate'
import { Hono } from 'hono'
import { hc } from 'hono/client'
import * as z from 'zod'
import { createApp } from './app.ts'

const Note = z.object({ id: Id, text: z.string() })
const store: AtomicStore = memoryStore()

export function notes(platform: Platform, digest: string) {
  const api = new Hono()
    .use(authenticate(apiKeys({ keys: [digest] })))
    .get('/me', (c) => {
      const principal: Principal = c.var.principal
      // @ts-expect-error: a principal has no such field
      principal.password
      return c.json({ id: principal.id }, 200)
    })
    .post('/notes', validate('json', Note), (c) => {
      const note: { id: string; text: string } = c.req.valid('json')
      // @ts-expect-error: only what was validated is there
      c.req.valid('query')
      // @ts-expect-error: the schema says string
      const wrong: number = note.text
      return c.json({ from: c.var.principal.id, note, wrong }, 200)
    })

  return new Hono()
    .use(security({ platform, store }))
    .get('/health', (c) => {
      // @ts-expect-error: nobody was asked who they are here
      c.var.principal
      return c.text('ok')
    })
    .route('/api', api)
}

const app = createApp({} as Platform, store, '')
const client = hc<typeof app>('http://127.0.0.1')
export async function me(): Promise<string> {
  const answer = await client.api.me.$get()
  // @ts-expect-error: there is no such route
  client.api.nothing
  return answer.ok ? (await answer.json()).id : ''
}
