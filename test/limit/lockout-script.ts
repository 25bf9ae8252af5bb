import { strict as assert } from 'node:assert'
import type { Context } from '../../src/layer.ts'
import { lockout } from '../../src/limit/lockout-middleware.ts'
import type { AtomicStore } from '../../src/store/contract.ts'
import { peer, type Secured, secured } from '../support/fixtures.ts'

/** What a log-in form sends, and where from. */
interface Attempt {
  readonly account?: string
  readonly password?: string
  readonly from?: string
}

/** A log-in behind a lockout, and what guessed at it. */
export interface Login extends Secured {
  readonly logins: ReturnType<typeof lockout>
  /** Posts a log-in: the wrong password for `bob` from 203.0.113.9 unless told. */
  post(attempt?: Attempt): Promise<Response>
  /** The status alone. */
  status(attempt?: Attempt): Promise<number>
  /** How many passwords were compared. */
  checked(): number
  /** Runs inside a handler of the app, and gives or throws what it did. */
  inHandler<T>(run: (c: Context) => Promise<T>, from?: string): Promise<T>
}

/** An app whose one password, of every account, is `right`. A password `crash` breaks the handler after the attempt. */
export function loginApp(
  options: Partial<Parameters<typeof lockout>[0]> = {},
  securing: Parameters<typeof secured>[0] = {},
): Login {
  const made = secured(securing)
  const logins = lockout({ name: 'login', failures: 5, lockSeconds: 900, ...options })
  let checked = 0
  made.app.post('/login', async (c) => {
    const { account, password } = await c.req.json<{ account: string; password: string }>()
    const attempt = await logins.attempt(c, account)
    if (attempt.refused) return attempt.refused
    checked++
    // As long as a password takes: what is to be refused meanwhile was counted before.
    await null
    if (password === 'crash') throw new Error('rolled back')
    if (password !== 'right') return c.json({ error: 'Wrong e-mail or password.' }, 401)
    await attempt.succeeded()
    return c.json({ ok: true }, 200)
  })
  let task: (c: Context) => Promise<Response>
  made.app.get('/task', (c) => task(c))
  const inHandler: Login['inHandler'] = (run, from = '203.0.113.9') =>
    new Promise((resolve, reject) => {
      task = async (c) => {
        await run(c).then(resolve, reject)
        return c.text('done')
      }
      void made.app.request('/task', {}, peer(from))
    })
  const post: Login['post'] = async ({ account = 'bob', password = 'wrong', from = '203.0.113.9' } = {}) =>
    made.app.request('/login', { method: 'POST', body: JSON.stringify({ account, password }) }, peer(from))
  const status: Login['status'] = async (attempt) => (await post(attempt)).status
  return { ...made, logins, post, status, checked: () => checked, inHandler }
}

/** The status of several attempts, one after the other. */
export async function statuses(login: Login, times: number, attempt?: Attempt): Promise<readonly number[]> {
  const found: number[] = []
  for (let i = 0; i < times; i++) found.push(await login.status(attempt))
  return found
}

/**
 * What a lockout promises on every atomic store: exactness in parallel, the lock, its end, escalation, and that a success
 * clears.
 *
 * @param another opens the same state again, as after a restart
 */
export async function holdsOn(
  store: AtomicStore,
  another: () => AtomicStore,
  clock: { advance(ms: number): void },
): Promise<void> {
  const login = loginApp({}, { store })
  const many = await Promise.all(Array.from({ length: 200 }, () => login.status()))
  assert.equal(many.filter((one) => one === 401).length, 5)
  assert.equal(many.filter((one) => one === 429).length, 195)
  assert.equal(login.checked(), 5)

  const reopened = another()
  const restarted = loginApp({}, { store: reopened })
  const refused = await restarted.post({ password: 'right' })
  assert.equal(refused.status, 429)
  assert.equal(refused.headers.get('retry-after'), '900')
  assert.equal(await restarted.status({ from: '198.51.100.1', password: 'right' }), 200)
  if (reopened !== store) await reopened.close()

  clock.advance(899_999)
  assert.equal(await login.status(), 429)
  clock.advance(1)
  assert.deepEqual(await statuses(login, 6), [401, 401, 401, 401, 401, 429])
  clock.advance(1_799_999)
  assert.equal(await login.status(), 429)
  clock.advance(1)
  assert.deepEqual(await statuses(login, 4), [401, 401, 401, 401])
  assert.equal(await login.status({ password: 'right' }), 200)
  assert.deepEqual(await statuses(login, 5), [401, 401, 401, 401, 401])
  assert.equal((await login.post()).headers.get('retry-after'), '3600')
}
