/** Apps as a user would write them, as text for esbuild. Each gives what it made, so that nothing is shaken off. */

const HANDLERS = {
  plain: `.get('/api/me', (c) => c.json({ id: 'me' }))`,
  ours: `.get('/api/me', (c) => c.json({ id: 'me' }))
    .post('/api/chat', validate('json', z.object({ message: ChatText })), (c) => c.json(c.req.valid('json')))`,
  peers: `.get('/api/me', (c) => c.json({ id: 'me' }))
    .post('/api/chat', zValidator('json', z.object({ message: TEXT })), (c) => c.json(c.req.valid('json')))`,
}

export function bare(): string {
  return `import { Hono } from 'hono'
export default new Hono()${HANDLERS.plain}`
}

/** Ours for a runtime; `validates` with a body's schema too. */
export function ours(runtime: 'node' | 'cloudflare', validates: boolean): string {
  return `import { Hono } from 'hono'
import { apiKeys, authenticate, memoryStore, rateLimit, security } from 'hinoban'
import { platform } from 'hinoban/${runtime}'
${validates ? `import { ChatText, validate } from 'hinoban/validate'\nimport * as z from 'zod/mini'` : ''}
export default (keys) => new Hono()
  .use(security({ platform, store: memoryStore(), cors: { origins: ['https://app.example'] } }))
  .use(rateLimit({ quota: 100, periodSeconds: 60 }))
  .use(authenticate(apiKeys({ keys })))${validates ? HANDLERS.ours : HANDLERS.plain}`
}

/** Theirs, with the import of Zod that is given, if any, and a text of its kind. */
export function peers(zod: { readonly from: string; readonly text: string } | null): string {
  return `import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { secureHeaders } from 'hono/secure-headers'
import { rateLimiter } from 'hono-rate-limiter'
${zod ? `import { zValidator } from '@hono/zod-validator'\n${zod.from}\nconst TEXT = ${zod.text}` : ''}
export default (token, keyGenerator) => new Hono()
  .use(secureHeaders())
  .use(cors())
  .use(bodyLimit({ maxSize: 1048576 }))
  .use(rateLimiter({ windowMs: 60000, limit: 100, standardHeaders: 'draft-7', keyGenerator }))
  .use(bearerAuth({ token }))${zod ? HANDLERS.peers : HANDLERS.plain}`
}

/** Theirs with a hash for keys that does not wait, which none of them brings: before anything of ours. */
export function peersWithHash(): string {
  return `${peers(null)}
export { sha256 } from '@noble/hashes/sha2.js'
export { bytesToHex } from '@noble/hashes/utils.js'`
}

export const ZOD = {
  mini: { from: `import * as z from 'zod/mini'`, text: 'z.string().check(z.minLength(1), z.maxLength(10000))' },
  named: { from: `import { z } from 'zod'`, text: 'z.string().min(1).max(10000)' },
  all: { from: `import * as z from 'zod'`, text: 'z.string().min(1).max(10000)' },
}
