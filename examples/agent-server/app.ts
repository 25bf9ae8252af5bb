import {
  apiKeys, authenticate, type AtomicStore, type Clock, emit, type Environment, lineSink, localOnly, type Platform,
  rateLimit, readLimit, readMode, readOrigins, requireScope, requireSettings, type Sink, security,
} from 'hinoban'
import { auditTrail } from 'hinoban/audit'
import { credentialVault, type Vault } from 'hinoban/credentials'
import { ChatText, Id, text, validate } from 'hinoban/validate'
import { Hono } from 'hono'
import * as z from 'zod/mini'

export interface AppOptions {
  platform: Platform
  store: AtomicStore
  env: Environment
  clock?: Clock
  events?: Sink[]
}

const ChatMessage = z.object({ message: ChatText })
const Credential = z.object({ name: Id, value: text(8192) })
const CredentialName = z.object({ name: Id })

/** An agent server: a key for everything but /health, limits, checked input, credentials encrypted, an audit trail. */
export function createApp({ platform, store, env, clock, events = [] }: AppOptions) {
  const settings = requireSettings(env, {
    HINOBAN_API_KEY_DIGEST: `KEY=hnb_$(openssl rand -hex 32); echo "$KEY"; printf %s "$KEY" | sha256sum`,
    HINOBAN_CREDENTIAL_SECRET: 'openssl rand -hex 32',
    HINOBAN_CREDENTIAL_SALT: 'openssl rand -hex 16',
  })
  const mode = readMode(env)
  const time = clock ? { clock } : {}
  const trail = auditTrail({ store })
  const vault = credentialVault({ store, secret: settings.HINOBAN_CREDENTIAL_SECRET, salt: settings.HINOBAN_CREDENTIAL_SALT, ...time })
  const owner = { id: 'owner', digest: settings.HINOBAN_API_KEY_DIGEST, scopes: ['audit:read'] }
  const model = { url: env.MODEL_URL, credential: 'openai' }

  const api = new Hono()
    .use(rateLimit({ quota: readLimit(env, 'API_RATE_LIMIT', 100), periodSeconds: 60 }))
    .use(authenticate(apiKeys({ keys: [owner] })))
    .post('/chat', validate('json', ChatMessage), async (c) => {
      const { message } = c.req.valid('json')
      const answer = await askModel(model, vault, message)
      return answer ? c.json(answer, 200) : c.json({ error: 'The model did not answer.' }, 502)
    })
    .post('/credentials', localOnly(), validate('json', Credential), async (c) => {
      const { name, value } = c.req.valid('json')
      await vault.store(name, value)
      emit(c, { type: 'credential.stored', level: 'info', resource: name })
      return c.json({ stored: name }, 201)
    })
    .get('/credentials', localOnly(), async (c) => c.json(await vault.list(), 200))
    .delete('/credentials/:name', validate('param', CredentialName), localOnly(), async (c) => {
      const { name } = c.req.valid('param')
      const deleted = await vault.delete(name)
      if (deleted) emit(c, { type: 'credential.deleted', level: 'info', resource: name })
      return c.json({ deleted }, 200)
    })
    .get('/audit/recent', requireScope('audit:read'), async (c) => c.json(await trail.recent(100), 200))

  return new Hono()
    .use(
      security({
        platform, store, mode, ...time,
        cors: { origins: readOrigins(env, 'CORS_ORIGIN', mode) },
        events: [lineSink(platform.log), trail.sink, ...events],
      }),
    )
    .get('/health', (c) => c.json({ status: 'ok' }, 200))
    .route('/api', api)
}

/** Asks an OpenAI-compatible endpoint with the credential from the vault; without one, echoes and says so. Null when it failed. */
async function askModel(model: { url: unknown; credential: string }, vault: Vault, message: string) {
  const credential = await vault.open(model.credential)
  if (typeof model.url !== 'string' || model.url === '' || credential === null) {
    return { reply: message, note: `Echo: no model was asked. Set MODEL_URL and store a credential named "${model.credential}".` }
  }
  try {
    const response = await fetch(model.url.endsWith('/chat/completions') ? model.url : `${model.url.replace(/\/$/, '')}/chat/completions`, {
      method: 'POST',
      // A redirect must not carry the credential to another server.
      redirect: 'manual',
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'default', messages: [{ role: 'user', content: message }] }),
      signal: AbortSignal.timeout(30_000),
    })
    const { choices } = Completion.parse(response.ok ? await response.json() : null)
    // Whatever the provider says, the credential stays here.
    return { reply: choices[0]!.message.content.replaceAll(credential, '[redacted]'), note: null }
  } catch {
    return null
  }
}

const Completion = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).check(z.minLength(1)),
})
