import {
  type AtomicStore,
  apiKeys,
  authenticate,
  type Clock,
  type Environment,
  emit,
  lineSink,
  localOnly,
  type Platform,
  QUOTAS,
  rateLimit,
  readLimit,
  readMode,
  readOrigins,
  requireScope,
  requireSettings,
  security,
  systemClock,
} from 'hinoban'
import { auditTrail } from 'hinoban/audit'
import { credentialVault } from 'hinoban/credentials'
import { ChatText, Id, text, validate } from 'hinoban/validate'
import { Hono } from 'hono'
import * as z from 'zod/mini'
import { askModel, modelEndpoint } from './model.ts'

export interface AppOptions {
  platform: Platform
  store: AtomicStore
  env: Environment
  clock?: Clock
}

const ChatMessage = z.object({ message: ChatText })
// A credential goes into a header, so it is visible ASCII.
const Credential = z.object({ name: Id, value: text(8192).check(z.regex(/^[\x21-\x7e]+$/, 'Only visible ASCII.')) })
const CredentialName = z.object({ name: Id })

/** An agent server: a key for everything but /health, limits, checked input, credentials encrypted, an audit trail. */
export function createApp({ platform, store, env, clock = systemClock }: AppOptions) {
  const settings = requireSettings(env, {
    HINOBAN_API_KEY_DIGEST: `KEY=hnb_$(openssl rand -hex 32); echo "$KEY"; printf %s "$KEY" | sha256sum`,
    HINOBAN_CREDENTIAL_SECRET: 'openssl rand -hex 32',
    HINOBAN_CREDENTIAL_SALT: 'openssl rand -hex 16',
  })
  const mode = readMode(env)
  const trail = auditTrail({ store })
  const vault = credentialVault({
    store,
    secret: settings.HINOBAN_CREDENTIAL_SECRET,
    salt: settings.HINOBAN_CREDENTIAL_SALT,
    clock,
  })
  const owner = { id: 'owner', digest: settings.HINOBAN_API_KEY_DIGEST, scopes: ['audit:read'] }
  const model = { endpoint: modelEndpoint(env.MODEL_URL), credential: 'openai' }

  // Of a key, for all that costs money or secrets; the first limit is of an address, before any key is looked at.
  const dear = rateLimit({
    ...QUOTAS.chat,
    quota: readLimit(env, 'CHAT_RATE_LIMIT', QUOTAS.chat.quota),
    by: ['principal', 'route'],
  })

  const api = new Hono()
    .use(rateLimit({ ...QUOTAS.general, quota: readLimit(env, 'API_RATE_LIMIT', QUOTAS.general.quota) }))
    .use(authenticate(apiKeys({ keys: [owner] })))
    .post('/chat', dear, validate('json', ChatMessage), async (c) => {
      const { message } = c.req.valid('json')
      const answer = await askModel(model, vault, message)
      if (answer) return c.json(answer, 200)
      emit(c, { type: 'fault', level: 'error', reason: 'model' })
      return c.json({ error: 'The model did not answer.' }, 502)
    })
    .post('/credentials', localOnly(), dear, validate('json', Credential), async (c) => {
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
        platform,
        store,
        mode,
        clock,
        cors: { origins: readOrigins(env, 'CORS_ORIGIN', mode) },
        events: [lineSink(platform.log), trail.sink],
      }),
    )
    .get('/health', (c) => c.json({ status: 'ok' }, 200))
    .route('/api', api)
}
