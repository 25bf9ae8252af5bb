import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { Hono } from 'hono'
import { type LockoutOptions, type LockoutState, lockout } from '../../src/limit/lockout-middleware.ts'
import { Problem, type ProblemDetails } from '../../src/problem.ts'
import { type AtomicStore, StoreOutage } from '../../src/store/contract.ts'
import { rememberDenials } from '../../src/store/denials.ts'
import type { Charge, Decision } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { quietly, StoppedClock } from '../support/fixtures.ts'
import { volume } from '../support/volume.ts'
import { holdsOn, type Login, loginApp, statuses } from './lockout-script.ts'

const VICTIM = { from: '198.51.100.1', password: 'right' }
const FIVE = [401, 401, 401, 401, 401]
const GUESSES = volume(10_000, 1000)

/** The memory store, answering later, in whatever order. */
function lateStore(clock: StoppedClock, seed: number): AtomicStore {
  const store = memoryStore({ clock })
  let random = seed
  const late = async <T>(answer: () => T): Promise<T> => {
    random = (random * 48_271) % 2_147_483_647
    for (let i = random % 7; i >= 0; i--) await null
    const found = answer()
    for (let i = random % 5; i >= 0; i--) await null
    return found
  }
  const consume = (partition: string, charges: readonly Charge[]): Promise<Decision> =>
    late(() => store.consume(partition, charges))
  return { ...memoryStore(), consistency: 'atomic', consume } as unknown as AtomicStore
}

/** A memory store that fails from the given call of `consume` on, or in that one alone. */
function failingStore(clock: StoppedClock, fails: (call: number) => boolean): AtomicStore {
  const store = memoryStore({ clock })
  let calls = 0
  const consume = (partition: string, charges: readonly Charge[]): Decision => {
    if (fails(++calls)) throw new StoreOutage('redis://user:hunter2@host')
    return store.consume(partition, charges)
  }
  return { ...memoryStore(), consistency: 'atomic', consume } as unknown as AtomicStore
}

async function lockedEvents({ platform, events }: Login): Promise<readonly unknown[]> {
  await platform.settled()
  return events
    .filter(({ type }) => type === 'limit.locked' || type === 'limit.reset')
    .map(({ level, reason, resource }) => [level, reason, resource])
}

export const lockoutCases: readonly Case[] = [
  ...cases('PPL-3', {
    'the fifth wrong password locks, not the fourth, and the sixth is not compared': async () => {
      const login = loginApp()
      assert.deepEqual(await statuses(login, 4), [401, 401, 401, 401])
      assert.equal(await login.status({ password: 'right' }), 200)
      assert.deepEqual(await statuses(login, 5), FIVE)
      assert.equal(await login.status({ password: 'right' }), 429)
      assert.equal(login.checked(), 10)
    },
    'of 1,000 guesses at once exactly five are compared': async () => {
      for (let run = 0; run < volume(20, 4); run++) {
        const clock = new StoppedClock()
        const login = loginApp({}, run === 0 ? {} : { clock, store: lateStore(clock, 7919 * run) })
        const answers = await Promise.all(Array.from({ length: run === 0 ? 1000 : 300 }, () => login.post()))
        assert.equal(login.checked(), 5)
        assert.equal(answers.filter(({ status }) => status === 401).length, 5)
        for (const { status, headers } of answers) {
          if (status !== 401) assert.deepEqual([status, headers.get('retry-after')], [429, '900'])
        }
        assert.deepEqual((await lockedEvents(login)).filter((one) => (one as string[])[1] === 'locked').length, 1)
      }
    },
    'of 10,000 guesses in two days 45 are compared: after each five a lock, at last of a day': async () => {
      const login = loginApp()
      for (let i = 0; i < GUESSES; i++) {
        await login.status()
        login.clock.advance(17_280)
      }
      // The first tenth of them takes 4.8 hours.
      assert.equal(login.checked(), volume(45, 25))
    },
    'a lock ends when it says, and each further one stands twice as long, up to the longest': async () => {
      const login = loginApp({ maxLockSeconds: 7000 })
      for (const seconds of [900, 1800, 3600, 7000, 7000, 7000]) {
        assert.deepEqual(await statuses(login, 5), FIVE)
        assert.equal((await login.post()).headers.get('retry-after'), String(seconds))
        login.clock.advance(seconds * 1000 - 1)
        assert.equal((await login.post()).headers.get('retry-after'), '1')
        login.clock.advance(1)
      }
    },
    'time forgets how long locks were, and failures that led to none': async () => {
      const login = loginApp()
      await statuses(login, 5)
      login.clock.advance(86_400_000)
      await statuses(login, 5)
      assert.equal((await login.post()).headers.get('retry-after'), '900')
      login.clock.advance(2 * 86_400_000)
      await statuses(login, 4)
      login.clock.advance(86_400_000)
      assert.deepEqual(await statuses(login, 4), [401, 401, 401, 401])
    },
    'Retry-After is whole seconds and never early: who waits so long is let through': async () => {
      const numbers = fc.record({
        failures: fc.integer({ min: 1, max: 7 }),
        lockSeconds: fc.integer({ min: 1, max: 100 }),
        maxLockSeconds: fc.integer({ min: 100, max: 1000 }),
        pause: fc.nat(3000),
      })
      for (const { pause, ...options } of fc.sample(numbers, { seed: 3, numRuns: volume(60, 15) })) {
        const login = loginApp(options)
        for (let i = 0; i < 40; i++) {
          const answer = await login.post()
          if (answer.status === 429) {
            const wait = answer.headers.get('retry-after')!
            assert.match(wait, /^[1-9]\d*$/)
            login.clock.advance(Number(wait) * 1000)
            assert.equal(await login.status(), 401, JSON.stringify(options))
          }
          login.clock.advance(pause)
        }
      }
    },
    'the owner behind another address logs in, whatever 10,000 guesses did': async () => {
      const login = loginApp()
      for (let i = 0; i < GUESSES; i++) {
        await login.status({ from: i % 2 ? '203.0.113.9' : `203.0.${i % 256}.${(i >> 8) % 256}` })
        if (i % 100 === 0) assert.equal(await login.status(VICTIM), 200, `after ${i}`)
      }
      assert.equal(await login.status(VICTIM), 200)
    },
    'failures at one account lock no other': async () => {
      const login = loginApp()
      await statuses(login, 6)
      assert.equal(await login.status({ account: 'alice', password: 'right' }), 200)
      assert.equal(await login.status({ password: 'right' }), 429)
    },
    'a constant name counts a client at all accounts together': async () => {
      const login = loginApp()
      const clients = lockout({ name: 'clients', failures: 5, lockSeconds: 900 })
      const passes = (from: string): Promise<boolean> =>
        login.inHandler(async (c) => (await clients.attempt(c, 'any')).refused === null, from)
      for (let i = 0; i < 5; i++) assert.equal(await passes('203.0.113.9'), true)
      assert.equal(await passes('203.0.113.9'), false)
      assert.equal(await passes('203.0.113.10'), true)
    },
    'success clears this client at this account, and nothing else': async () => {
      const login = loginApp()
      for (const from of ['203.0.113.9', '203.0.113.10']) await statuses(login, 4, { from })
      await statuses(login, 4, { account: 'alice' })
      assert.equal(await login.status({ password: 'right' }), 200)
      assert.deepEqual(await statuses(login, 6), [...FIVE, 429])
      for (const attempt of [{ from: '203.0.113.10' }, { account: 'alice' }]) {
        assert.deepEqual(await statuses(login, 2, attempt), [401, 429])
      }
    },
    'a success at the last attempt leaves no lock behind': async () => {
      for (const failures of [1, 2, 5]) {
        const login = loginApp({ failures })
        for (let i = 0; i < 3; i++) {
          await statuses(login, failures - 1)
          assert.equal(await login.status({ password: 'right' }), 200)
        }
        await statuses(login, failures)
        assert.equal((await login.post()).headers.get('retry-after'), '900')
      }
    },
    'who always knows the password is never locked, however often and many at once': async () => {
      for (const failures of [1, 5]) {
        const login = loginApp({ failures })
        for (let i = 0; i < 300; i++) assert.equal(await login.status({ password: 'right' }), 200)
      }
      const login = loginApp()
      for (let i = 0; i < 50; i++) {
        assert.deepEqual(
          await Promise.all(Array.from({ length: 4 }, () => login.status({ password: 'right' }))),
          [200, 200, 200, 200],
        )
      }
      assert.deepEqual(await statuses(login, 6), [...FIVE, 429])
    },
    'succeeded() told twice gives back once': async () => {
      const login = loginApp()
      await login.inHandler(async (c) => {
        const attempt = await login.logins.attempt(c, 'alice')
        const other = await login.logins.attempt(c, 'alice')
        assert.ok(attempt.refused === null && other.refused === null)
        await Promise.all([attempt.succeeded(), attempt.succeeded(), attempt.succeeded()])
        assert.equal((await login.logins.peek(c, { account: 'alice', address: '203.0.113.9' })).failuresLeft, 4)
      })
    },
    'a success at one lockout clears no count at another': async () => {
      const login = loginApp()
      const codes = lockout({ name: 'second factor', failures: 5, lockSeconds: 900 })
      let compared = 0
      for (let i = 0; i < 20; i++) {
        await login.inHandler(async (c) => {
          if ((await codes.attempt(c, 'bob')).refused === null) compared++
        })
        assert.equal(await login.status({ password: 'right' }), 200)
      }
      assert.equal(compared, 5)
    },
    'other numbers count apart': async () => {
      const { store, ...login } = loginApp({ failures: 3 })
      await statuses(login as Login, 2)
      const other = loginApp({ failures: 5 }, { store, clock: login.clock })
      assert.deepEqual(await statuses(other, 6), [...FIVE, 429])
    },
    'a handler that throws after the attempt gives nothing back': async () => {
      const login = loginApp()
      const found = await quietly(() => statuses(login, 8, { password: 'crash' }))
      assert.deepEqual(found, [500, 500, 500, 500, 500, 429, 429, 429])
      assert.equal(login.checked(), 5)
    },
    'a process that ends between counting and locking leaves it locked': async () => {
      const clock = new StoppedClock()
      const login = loginApp({}, { clock, store: failingStore(clock, (call) => call === 6) })
      assert.deepEqual(await statuses(login, 5), [401, 401, 401, 401, 503])
      const refused = await login.post({ password: 'right' })
      assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '900'])
      assert.equal(login.checked(), 4)
      clock.advance(900_000)
      assert.deepEqual(await statuses(login, 6), [...FIVE, 429])
    },
    'moving within one /64 does not help, unless a longer prefix is told': async () => {
      const login = loginApp()
      for (let i = 0; i < 100; i++) await login.status({ from: `2001:db8:1:2:${i}::${i + 1}` })
      assert.equal(login.checked(), 5)
      assert.equal(await login.status({ from: '2001:db8:1:3::1' }), 401)
      const narrow = loginApp({ ipv6Prefix: 128 })
      for (let i = 0; i < 10; i++) await narrow.status({ from: `2001:db8:1:2::${i + 1}` })
      assert.equal(narrow.checked(), 10)
    },
    'another spelling of the account does not help': async () => {
      const login = loginApp()
      const spellings = ['bob@x.example', 'BOB@x.example', ' bob@x.example', 'bob＠x.example', 'b\u200bob@x.example']
      for (const account of [...spellings, 'bob@x.example.', 'bób@x.example', '\u202ebob@x.example'])
        await login.status({ account })
      assert.equal(login.checked(), 5)
    },
    'no text throws: lone surrogates, control characters and very long ones are accounts like others': async () => {
      const login = loginApp()
      const texts = [
        '',
        '\ud800',
        '\udc00\ud800',
        '\0',
        '%',
        '__proto__',
        '../..',
        'a'.repeat(100_000),
        '\u0301'.repeat(5000),
        '{x}',
        ' ',
        '.',
      ]
      for (const account of [...texts, ...fc.sample(fc.string({ unit: 'binary' }), { seed: 9, numRuns: 500 })]) {
        const status = await login.status({ account })
        assert.ok(status === 401 || status === 429, JSON.stringify(account))
      }
    },
    'a clock that steps back an hour or ten years keeps nobody out longer than the longest lock': async () => {
      for (const hours of [1, 24, 87_600]) {
        const login = loginApp()
        await statuses(login, 5)
        login.clock.advance(-hours * 3_600_000)
        const wait = Number((await login.post()).headers.get('retry-after'))
        assert.ok(wait >= 900 && wait <= 86_400, String(wait))
        login.clock.advance(86_400_000)
        assert.equal(await login.status(), 401)
      }
    },
    'the answer is the same whether the account exists, and says nothing of it': async () => {
      const login = loginApp()
      const bodies: string[] = []
      for (const account of ['bob', 'nobody@example.com']) {
        await statuses(login, 5, { account })
        const answer = await login.post({ account })
        assert.equal(answer.headers.get('cache-control'), 'no-store')
        bodies.push(await answer.text())
      }
      assert.equal(bodies[0], bodies[1])
      const problem = JSON.parse(bodies[0]!) as ProblemDetails
      assert.equal(problem.code, 'limit.locked')
      assert.equal(problem.detail, 'Too many attempts failed. Try again in 900 s.')
      await login.platform.settled()
      assert.equal(JSON.stringify(login.events).includes('nobody'), false)
    },
    'an event tells when a lock begins, and another who is refused': async () => {
      const login = loginApp()
      await statuses(login, 4)
      assert.deepEqual(await lockedEvents(login), [])
      await statuses(login, 2)
      assert.deepEqual(await lockedEvents(login), [
        ['warn', 'locked', 'login'],
        ['warn', 'refused', 'login'],
      ])
    },
    'holds on the memory store, and behind what remembers denials': async () => {
      const clock = new StoppedClock()
      for (const wrap of [(one: AtomicStore) => one, (one: AtomicStore) => rememberDenials(one, { clock })]) {
        const store = wrap(memoryStore({ clock }))
        await holdsOn(store, () => store, clock)
      }
    },
  }),
  ...cases('lockout() when the store fails', {
    'refuses with 503, 0 of 10,000 compared': async () => {
      const clock = new StoppedClock()
      const login = loginApp({}, { clock, store: failingStore(clock, () => true) })
      for (let i = 0; i < GUESSES; i++) assert.equal(await login.status({ password: 'right' }), 503)
      assert.equal(login.checked(), 0)
      const answer = await login.post()
      assert.equal(answer.headers.get('retry-after'), '1')
      const body = await answer.text()
      assert.equal(JSON.parse(body).code, 'store.outage')
      await login.platform.settled()
      assert.ok(login.events.every(({ type }) => type === 'store.outage'))
      assert.equal((body + JSON.stringify(login.events)).includes('hunter2'), false)
    },
    'at whatever step, lets no more than five of 300 be compared': async () => {
      for (let broken = 1; broken < 12; broken++) {
        const clock = new StoppedClock()
        const login = loginApp({}, { clock, store: failingStore(clock, (call) => call === broken) })
        const found = await statuses(login, 300)
        assert.ok(login.checked() <= 5 && found.filter((status) => status === 503).length === 1, String(broken))
      }
    },
    'refuses a success that it could not take note of': async () => {
      const clock = new StoppedClock()
      const login = loginApp({}, { clock, store: failingStore(clock, (call) => call === 2) })
      assert.equal(await login.status({ password: 'right' }), 503)
    },
    'throws a Problem, also where the app answers errors itself': async () => {
      const login = loginApp()
      login.store.close()
      login.app.onError((error, c) => c.text(error instanceof Problem ? error.code : 'other', 418))
      const answer = await login.post()
      assert.deepEqual([answer.status, await answer.text()], [418, 'store.outage'])
    },
    'lets nobody through for an answer that is none': async () => {
      const state = { remaining: 5, resetAfterMs: 0, retryAfterMs: 0 }
      for (const answer of [
        null,
        {},
        { admitted: true },
        ...['true', 1, {}].map((admitted) => ({ admitted, states: [state, state, state] })),
      ]) {
        for (const consume of [() => answer, () => Promise.resolve(answer)]) {
          const store = { ...memoryStore(), consistency: 'atomic', consume } as unknown as AtomicStore
          const login = loginApp({}, { store })
          const status = await login.status({ password: 'right' })
          assert.ok(status === 429 || status === 500, String(status))
          assert.equal(login.checked(), 0)
        }
      }
    },
  }),
  ...cases('lockout({ lockForEveryoneAfter })', {
    'locks an account for everyone after so many failures from all clients, and counts no refused ones': async () => {
      const login = loginApp({ lockForEveryoneAfter: 20 })
      for (let i = 0; i < 100; i++) await login.status({ from: '203.0.113.9' })
      assert.equal(await login.status(VICTIM), 200)
      for (let i = 0; i < 40; i++) await login.status({ from: `203.0.113.${10 + i}` })
      assert.equal(login.checked(), 26)
      const refused = await login.post(VICTIM)
      assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '900'])
      assert.equal(await login.status({ ...VICTIM, account: 'alice' }), 200)
      assert.deepEqual(
        (await lockedEvents(login)).find((one) => (one as string[])[1] === 'locked_for_everyone'),
        ['warn', 'locked_for_everyone', 'login'],
      )
      login.clock.advance(900_000)
      assert.equal(await login.status(VICTIM), 200)
    },
    'is off unless told: a thousand addresses lock nobody out': async () => {
      const login = loginApp()
      for (let i = 0; i < 1000; i++) await login.status({ from: `10.0.${i >> 8}.${i & 255}` })
      assert.equal(login.checked(), 1000)
      assert.equal(await login.status(VICTIM), 200)
    },
    'of 1,000 guesses at once from as many addresses lets exactly so many be compared': async () => {
      const login = loginApp({ lockForEveryoneAfter: 20 })
      await Promise.all(Array.from({ length: 1000 }, (_, i) => login.status({ from: `10.0.${i >> 8}.${i & 255}` })))
      assert.equal(login.checked(), 20)
    },
  }),
  ...cases('lockout() for support staff', {
    'tells what a client has left, and opens its lock for it alone, with an event': async () => {
      const login = loginApp()
      for (const from of ['203.0.113.9', '2001:db8::1']) await statuses(login, 6, { from })
      assert.deepEqual(await stateOf(login, '203.0.113.9'), { lockedForSeconds: 900, failuresLeft: 5 })
      assert.deepEqual(await stateOf(login, '198.51.100.1'), { lockedForSeconds: 0, failuresLeft: 5 })
      login.clock.advance(1)
      assert.deepEqual(await stateOf(login, '2001:db8::ffff'), { lockedForSeconds: 900, failuresLeft: 5 })
      await clearFor(login, '203.0.113.9')
      assert.equal(await login.status({ password: 'right' }), 200)
      assert.equal(await login.status({ from: '2001:db8::1', password: 'right' }), 429)
      await statuses(login, 2)
      assert.deepEqual(await stateOf(login, '203.0.113.9'), { lockedForSeconds: 0, failuresLeft: 3 })
      await statuses(login, 3)
      assert.equal((await login.post()).headers.get('retry-after'), '900')
      assert.ok((await lockedEvents(login)).some((one) => JSON.stringify(one) === '["info","lockout","login"]'))
    },
    'opens the lock of everyone': async () => {
      const login = loginApp({ failures: 1, lockForEveryoneAfter: 3 })
      for (let i = 0; i < 9; i++) await login.status({ from: `203.0.113.${i}` })
      assert.equal(await login.status(VICTIM), 429)
      assert.equal((await stateOf(login, null)).lockedForSeconds, 900)
      await clearFor(login, null)
      assert.equal(await login.status(VICTIM), 200)
    },
    'knows clients without an address as one, and no address that is none': async () => {
      const login = loginApp()
      await statuses(login, 6, { from: 'nonsense' })
      assert.equal((await stateOf(login, 'unknown')).lockedForSeconds, 900)
      for (const address of ['', '203.0.113.999', 'nonsense', null]) {
        await assert.rejects(async () => stateOf(login, address), { name: 'RangeError', message: /address/ })
        await assert.rejects(async () => clearFor(login, address), { name: 'RangeError', message: /address/ })
      }
    },
    'answers 503 when the store fails': async () => {
      const login = loginApp()
      login.store.close()
      for (const ask of [stateOf, clearFor]) {
        await assert.rejects(async () => ask(login, '203.0.113.9'), { name: 'Problem', code: 'store.outage' })
      }
    },
  }),
  ...cases('lockout()', {
    'names the setting that is wrong, at start': () => {
      const good: LockoutOptions = { name: 'login', failures: 5, lockSeconds: 900 }
      const wrong: readonly (readonly [Partial<Record<keyof LockoutOptions, unknown>>, RegExp])[] = [
        [{ name: '' }, /name/],
        [{ name: 'a"b' }, /name/],
        [{ name: undefined }, /name/],
        ...[0, 101, 1.5, Number.NaN, '5', undefined].map((failures) => [{ failures }, /failures/] as const),
        ...[0, -1, 0.5, Number.POSITIVE_INFINITY, '900', undefined].map(
          (lockSeconds) => [{ lockSeconds }, /lockSeconds/] as const,
        ),
        ...[899, 1e9, 1000.5].map((maxLockSeconds) => [{ maxLockSeconds }, /maxLockSeconds/] as const),
        [{ lockSeconds: 1, maxLockSeconds: 60 * 86_400 }, /maxLockSeconds is too long/],
        ...[4, 10_001, 7.5].map((count) => [{ lockForEveryoneAfter: count }, /lockForEveryoneAfter/] as const),
        ...[0, 129, 1.5, '64'].map((ipv6Prefix) => [{ ipv6Prefix }, /ipv6Prefix/] as const),
        [{ store: { ...memoryStore(), consistency: 'eventual' } }, /eventually consistent/],
      ]
      for (const [setting, message] of wrong) {
        assert.throws(() => lockout({ ...good, ...setting } as LockoutOptions), message, JSON.stringify(setting))
      }
      for (const setting of [
        { lockSeconds: 183 * 86_400 },
        { lockSeconds: 1, maxLockSeconds: 1 },
        { failures: 100, lockForEveryoneAfter: 10_000 },
      ]) {
        lockout({ ...good, ...setting })
      }
    },
    'without a kit says what is missing': async () => {
      const logins = lockout({ name: 'login', failures: 5, lockSeconds: 900 })
      const app = new Hono().get('/', async (c) => (await logins.attempt(c, 'bob')).refused ?? c.text('ok'))
      let error: unknown
      app.onError((thrown, c) => {
        error = thrown
        return c.text('', 500)
      })
      await app.request('/')
      assert.match(String(error), /lockout\(\) found no kit/)
    },
    'uses a store of its own before that of the app': async () => {
      const login = loginApp({ store: memoryStore() })
      login.store.close()
      assert.deepEqual(await statuses(login, 6), [...FIVE, 429])
    },
  }),
]

function stateOf(login: Login, address: string | null): Promise<LockoutState> {
  return login.inHandler((c) => login.logins.peek(c, { account: 'BOB', address }), '198.51.100.99')
}

function clearFor(login: Login, address: string | null): Promise<void> {
  return login.inHandler((c) => login.logins.reset(c, { account: 'Bob', address }), '198.51.100.99')
}
