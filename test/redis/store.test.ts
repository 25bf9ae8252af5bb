import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { Redis as IoRedis } from 'ioredis'
import { describe, test } from 'vitest'
import { type RedisCommand, type RedisStoreOptions, redisStore } from '../../adapters/redis/index.ts'
import { type AtomicStore, type StoreNotice, StoreOutage } from '../../src/store/contract.ts'
import { type Bucket, type Charge, type Decision, decide, makeRate } from '../../src/store/gcra.ts'
import { connect } from './clients.ts'
import { sayIfLeftOut } from './left-out.ts'
import { hasRedis, startRedis } from './server.ts'
import { useRedis } from './use-redis.ts'

const START = 1_780_000_000_000
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const KEY = { partition: 'p', name: 'n' }
const TEN = makeRate(10, 60)

sayIfLeftOut()

describe.runIf(hasRedis)('redis > redisStore()', () => {
  const redis = useRedis('ioredis')

  /** A store under a prefix of its own, with the commands that it sent. */
  function open(options: Partial<RedisStoreOptions> = {}): {
    store: AtomicStore
    prefix: string
    sent: RedisCommand[]
    notices: StoreNotice[]
  } {
    const sent: RedisCommand[] = []
    const notices: StoreNotice[] = []
    const prefix = options.prefix ?? crypto.randomUUID()
    const send: RedisStoreOptions['send'] = (command, key) => {
      sent.push(command)
      return redis.client.send(command, key)
    }
    const store = redisStore({ send, prefix, deadlineMs: 5_000, ...options })
    store.watch!((notice) => notices.push(notice))
    return { store, prefix, sent, notices }
  }

  function stopped(): { at: number; now(): number } {
    const clock = { at: START, now: () => clock.at }
    return clock
  }

  test('names the option that is wrong', () => {
    const { send } = redis.client
    assert.throws(() => redisStore({} as RedisStoreOptions), { name: 'TypeError', message: /send is missing/ })
    assert.throws(() => redisStore({ send, prefix: 'a b' }), { name: 'RangeError', message: /prefix must be/ })
    assert.throws(() => redisStore({ send, prefix: '{a}' }), { name: 'RangeError', message: /prefix must be/ })
    for (const deadlineMs of [0, -1, 0.5, Number.NaN, 60_001]) {
      assert.throws(() => redisStore({ send, deadlineMs }), { name: 'RangeError', message: /deadlineMs must be/ })
    }
  })

  test('LIM-1 decides as the step in TypeScript does, over random schedules', async () => {
    const rates = [TEN, makeRate(7, 60), makeRate(3, 1, 9), makeRate(1000, 0.5, 20), makeRate(13, 86_400)]
    const charge = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      rate: fc.nat(rates.length - 1),
      cost: fc.integer({ min: -12, max: 12 }),
    })
    const call = fc.record({
      stepMs: fc.oneof(fc.nat(2_000), fc.constantFrom(0, -1, -500, -HOUR, HOUR, 90 * MINUTE)),
      charges: fc.uniqueArray(charge, { maxLength: 3, selector: ({ name }) => name }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 25 }), async (calls) => {
        const clock = stopped()
        const { store } = open({ clock })
        const kept = new Map<string, Bucket>()
        for (const { stepMs, charges } of calls) {
          clock.at += stepMs
          const charged: Charge[] = charges.map(({ name, rate, cost }) => ({ name, rate: rates[rate]!, cost }))
          const { decision, buckets } = decide(charged, clock.at, (name) => kept.get(name) ?? null)
          assert.deepEqual(await store.consume('p', charged), decision)
          for (const [i, bucket] of buckets.entries()) {
            const { name } = charged[i]!
            if (bucket && (kept.has(name) || bucket.tatUs > clock.at * 1000)) kept.set(name, bucket)
          }
        }
      }),
      { numRuns: 150 },
    )
  })

  test('LIM-1 a refund of more than the burst leaves a full bucket, however far ahead it lay', async () => {
    const clock = stopped()
    const { store } = open({ clock })
    const charges = (cost: number): readonly Charge[] => [{ name: 'n', rate: TEN, cost }]
    await store.consume('p', charges(10))
    clock.at -= 50_000
    assert.equal((await store.consume('p', charges(0))).states[0]!.remaining, 0)
    assert.equal((await store.consume('p', charges(-11))).states[0]!.remaining, 10)
  })

  test('a decision is one round trip', async () => {
    const { store, sent } = open()
    const one = [{ name: 'n', rate: TEN, cost: 1 }]
    await store.consume('p', one)
    await store.consume('p', one)
    await settled()
    sent.length = 0
    await store.consume('p', [...one, { name: 'm', rate: TEN, cost: 1 }])
    await store.consume('p', one)
    assert.deepEqual(
      sent.map(([name]) => name),
      ['EVALSHA', 'EVALSHA'],
    )
  })

  test('decisions that meet go together, and each counts', async () => {
    const { store, sent } = open()
    const rate = makeRate(100, 3600)
    const consume = async (i: number): Promise<boolean> =>
      (await store.consume(`p${i % 2}`, [{ name: 'n', rate, cost: 1 }])).admitted
    await consume(0)
    sent.length = 0
    const admitted = await Promise.all(Array.from({ length: 1000 }, (_, i) => consume(i)))
    assert.equal(admitted.filter(Boolean).length, 199)
    assert.ok(sent.length < 10, `${sent.length} commands for 1,000 decisions`)
  })

  test('a bucket or record that something else wrote is an outage for its call alone, and is not repeated', async () => {
    const { store, prefix } = open()
    const consume = async (name: string): Promise<unknown> => store.consume('p', [{ name, rate: TEN, cost: 1 }])
    await redis.server.command('SET', `${prefix}/b/p/text`, 'secret text')
    await redis.server.command('RPUSH', `${prefix}/b/p/list`, 'secret')
    await redis.server.command('SET', `${prefix}/r/p/n`, 'version - {"secret"')
    await redis.server.command('RPUSH', `${prefix}/r/p/list`, 'secret')
    const [good, ...bad] = await Promise.allSettled([
      consume('good'),
      consume('text'),
      consume('list'),
      (async () => store.get(KEY))(),
      (async () => store.get({ ...KEY, name: 'list' }))(),
      (async () => store.take({ ...KEY, name: 'list' }))(),
    ])
    assert.equal(good.status, 'fulfilled')
    for (const one of bad) {
      assert.ok(one.status === 'rejected' && one.reason instanceof StoreOutage)
      assert.doesNotMatch(inspect(one.reason), /secret/)
    }
  })

  test('no key or value is in an error', async () => {
    const { store } = open({ send: ([, ...args], key) => redis.client.send(['NO-SUCH-COMMAND', ...args], key) })
    const outage = await rejected(async () => store.set({ partition: 'p', name: 'secret-name' }, 'secret-value', null))
    assert.doesNotMatch(inspect(outage), /secret-/)
    const refused = await startRedis('--rename-command', 'SET', '')
    const other = await connect('ioredis', refused.port)
    const broken = redisStore({ send: other.send })
    const fault = await rejected(async () => broken.set({ partition: 'p', name: 'secret-name' }, 'secret-value', null))
    assert.doesNotMatch(inspect(fault), /secret-/)
    other.close()
    await refused.stop()
  })

  test('says what to set when Redis is a cluster', async () => {
    const { store } = open({
      send: () => Promise.reject(new Error("CROSSSLOT Keys in request don't hash to the same slot")),
    })
    const { message, cause } = await rejected(async () => store.get(KEY))
    assert.match(message, /cluster: true/)
    assert.equal((cause as { code?: string }).code, 'CROSSSLOT')
  })

  test('scripts that Redis forgot are sent again', async () => {
    const { store, sent } = open()
    await store.set(KEY, 1, null)
    // One and many are two scripts.
    const two = [TEN, makeRate(1000, 60)].map((rate, i) => ({ name: 'nm'[i]!, rate, cost: 2 }))
    await store.consume('p', two)
    await store.consume('p', [{ name: 'n', rate: TEN, cost: 2 }])
    await settled()
    await store.consume('q', [{ name: 'n', rate: TEN, cost: 2 }])
    await redis.server.command('SCRIPT', 'FLUSH')
    sent.length = 0
    assert.equal((await store.get(KEY))?.value, 1)
    assert.equal((await store.consume('p', [{ name: 'n', rate: TEN, cost: 4 }])).admitted, true)
    assert.equal((await store.consume('p', two)).admitted, true)
    assert.equal((await store.consume('p', [{ name: 'n', rate: TEN, cost: 1 }])).admitted, false)
    assert.equal(sent.filter(([name]) => name === 'EVAL').length, 3)
  })

  test('the first decisions are made in the order that they came, though Redis does not know the scripts', async () => {
    const one = [{ name: 'n', rate: makeRate(1, 86_400), cost: 1 }]
    for (let i = 0; i < 10; i++) {
      const { store } = open()
      // The first asks for the epoch too.
      await store.consume('other', one)
      const both = await Promise.all([store.consume('p', one), store.consume('p', one)])
      assert.deepEqual(
        both.map(({ admitted }) => admitted),
        [true, false],
      )
    }
  })

  test('a clock that throws fails its calls, and no later one', async () => {
    let broken = false
    const clock = {
      now() {
        if (broken) throw new Error('The clock broke.')
        return START
      },
    }
    const { store } = open({ clock })
    const consume = async (): Promise<Decision> => store.consume('p', [{ name: 'n', rate: TEN, cost: 1 }])
    await consume()
    broken = true
    for (let i = 0; i < 5; i++) {
      const ended = await Promise.allSettled([consume(), consume(), consume()])
      assert.deepEqual(
        ended.map(({ status }) => status),
        ['rejected', 'rejected', 'rejected'],
      )
    }
    broken = false
    assert.equal((await consume()).admitted, true)
  })

  test('a client whose promise throws at once fails its call once, and still at most two batches are under way', async () => {
    let way: 'serves' | 'throws' | 'hangs' = 'serves'
    let underWay = 0
    const { store } = open({
      deadlineMs: 200,
      send(command, key) {
        if (way === 'serves') return redis.client.send(command, key)
        if (way === 'hangs') underWay++
        const then = (): never => assert.fail('at once')
        return way === 'hangs' ? new Promise(() => undefined) : ({ then } as unknown as Promise<unknown>)
      },
    })
    const consume = async (): Promise<Decision> => store.consume('p', [{ name: 'n', rate: TEN, cost: 0 }])
    for (let i = 0; i < 4; i++) {
      await consume()
      way = 'throws'
      await assert.rejects(consume, StoreOutage)
      way = 'serves'
    }
    await settled()
    await consume()
    way = 'hangs'
    const hanging = Array.from({ length: 40 }, () => consume())
    await Promise.resolve()
    await Promise.resolve()
    assert.ok(underWay <= 2, `${underWay} were under way`)
    assert.ok((await Promise.allSettled(hanging)).every(({ status }) => status === 'rejected'))
  })

  test('a client that begins to throw fails each of thousands that wait once, and the process lives', async () => {
    let way: 'serves' | 'hangs' | 'throws' = 'serves'
    const release: (() => void)[] = []
    const { store } = open({
      send(command, key) {
        if (way === 'throws') throw new Error('Not ready.')
        return way === 'serves'
          ? redis.client.send(command, key)
          : new Promise((resolve) => release.push(() => resolve(null)))
      },
    })
    await store.get(KEY)
    await settled()
    way = 'hangs'
    const calls = Array.from({ length: 6_000 }, (_, i) => store.get({ ...KEY, name: `${i}` }))
    const ended = Promise.allSettled(calls)
    await settled()
    way = 'throws'
    for (const answer of release) answer()
    assert.equal((await ended).filter(({ status }) => status === 'fulfilled').length, 256)
  })

  test('a store that was never served is tried five times before it rests', async () => {
    let asked = 0
    const { store } = open({
      send: () => {
        asked++
        return Promise.reject(new Error('Away.'))
      },
    })
    for (let i = 0; i < 8; i++) await assert.rejects(async () => store.get(KEY), StoreOutage)
    assert.equal(asked, 5)
  })

  test('at most 256 commands are under way, and 16,384 wait', async () => {
    let underWay = 0
    let most = 0
    let holds = false
    const answers: (() => void)[] = []
    const { store } = open({
      send: (command, key) => {
        if (!holds) return redis.client.send(command, key)
        most = Math.max(most, ++underWay)
        return new Promise((resolve) =>
          answers.push(() => {
            underWay--
            resolve(null)
          }),
        )
      },
    })
    await store.get(KEY)
    await settled()
    holds = true
    const calls = Array.from({ length: 256 + 16_384 + 10 }, (_, i) =>
      (async () => store.get({ partition: 'p', name: `${i}` }))().then(
        () => 'answered',
        (error: Error) => error.message,
      ),
    )
    const drain = setInterval(() => {
      for (const answer of answers.splice(0)) answer()
    }, 0)
    const outcomes = await Promise.all(calls)
    clearInterval(drain)
    assert.equal(most, 256)
    assert.equal(outcomes.filter((one) => /Too many commands/.test(one)).length, 10)
    assert.equal(outcomes.filter((one) => one === 'answered').length, 256 + 16_384)
  })

  describe('when the client sends again what a broken connection left open', () => {
    /** A store whose next write is carried out twice, and answered once. */
    function twice(): ReturnType<typeof open> & { again(): void } {
      let isNext = false
      const opened = open({
        send: async (command, key) => {
          if (isNext && command[0] === 'EVALSHA') {
            isNext = false
            await redis.client.send(command, key)
          }
          return redis.client.send(command, key)
        },
      })
      return {
        ...opened,
        again: () => {
          isNext = true
        },
      }
    }

    test('a refund counts once', async () => {
      const { store, again } = twice()
      const consume = async (cost: number): Promise<number> =>
        (await store.consume('p', [{ name: 'n', rate: makeRate(10, 86_400), cost }])).states[0]!.remaining
      assert.equal(await consume(10), 0)
      again()
      assert.equal(await consume(-4), 4)
      assert.equal(await consume(0), 4)
      assert.equal(await consume(-4), 8)
    })

    test('a charge may count twice, which admits nobody', async () => {
      const { store, again } = twice()
      const charges = (cost: number): readonly Charge[] => [{ name: 'n', rate: makeRate(10, 86_400), cost }]
      // The first asks for the epoch too, the second brings the script.
      await store.consume('p', charges(0))
      await store.consume('p', charges(0))
      await settled()
      again()
      assert.equal((await store.consume('p', charges(4))).states[0]!.remaining, 2)
    })

    test('claim() and swap() answer as the first time', async () => {
      const { store, again } = twice()
      await store.get(KEY)
      await store.claim({ ...KEY, name: 'first' }, Date.now() + HOUR)
      await store.swap({ ...KEY, name: 'other' }, null, 0, null)
      again()
      assert.equal(await store.claim(KEY, Date.now() + HOUR), true)
      assert.equal(await store.claim(KEY, Date.now() + HOUR), false)
      const key = { ...KEY, name: 'swapped' }
      again()
      const made = await store.swap(key, null, 1, null)
      assert.notEqual(made, null)
      await store.swap({ ...KEY, name: 'other' }, '0', 0, null)
      again()
      assert.notEqual(await store.swap(key, made, 2, null), null)
      assert.equal((await store.get(key))?.value, 2)
    })
  })

  test('a write that its client kept for later is not made after its deadline', async () => {
    let kept: (() => Promise<unknown>) | null = null
    let keeps = false
    const { store } = open({
      deadlineMs: 100,
      send: (command, key) => {
        if (!keeps) return redis.client.send(command, key)
        kept = async () => redis.client.send(command, key)
        return new Promise(() => undefined)
      },
    })
    const consume = async (): Promise<number> =>
      (await store.consume('p', [{ name: 'n', rate: TEN, cost: 1 }])).states[0]!.remaining
    await store.set(KEY, 'before', null)
    const { version } = (await store.get(KEY))!
    // Each script is known to Redis, so that what is kept is the write itself.
    await store.claim({ ...KEY, name: 'other' }, Date.now() + HOUR)
    await store.take({ ...KEY, name: 'nothing' })
    await store.swap({ ...KEY, name: 'nothing' }, '0', 0, null)
    await store.delete({ ...KEY, name: 'nothing' })
    assert.equal(await consume(), 9)
    assert.equal(await consume(), 8)
    await settled()
    for (const write of [
      async () => store.set(KEY, 'late', null),
      async () => store.delete(KEY),
      async () => store.take(KEY),
      async () => store.claim({ ...KEY, name: 'late' }, Date.now() + HOUR),
      async () => store.swap(KEY, version, 'late', null),
      consume,
    ]) {
      keeps = true
      await assert.rejects(write, StoreOutage)
      keeps = false
      await new Promise((resolve) => setTimeout(resolve, 20))
      await kept!()
      assert.deepEqual(await store.get(KEY), { value: 'before', version, expiresAt: null })
    }
    assert.equal(await store.get({ ...KEY, name: 'late' }), null)
    assert.equal(await consume(), 7)
  })

  test('a client that never settles what it lost does not close the store for ever', async (context) => {
    let loses = true
    const { store } = open({
      deadlineMs: 50,
      send: (command, key) => (loses ? new Promise(() => undefined) : redis.client.send(command, key)),
    })
    const lost = Array.from({ length: 256 }, (_, i) => (async () => store.get({ ...KEY, name: `${i}` }))())
    await Promise.allSettled(lost)
    loses = false
    await assert.rejects(async () => store.get(KEY), StoreOutage)
    // What the client holds is forgotten after 2 s; moved ahead, as nobody wants to wait.
    const now = performance.now.bind(performance)
    performance.now = () => now() + 3_000
    context.onTestFinished(() => {
      performance.now = now
    })
    assert.equal(await store.get(KEY), null)
  })

  test('a decision that waits behind two that hang is sent after 5 ms', async () => {
    let hangs = false
    const { store } = open({
      deadlineMs: 2_000,
      send: (command, key) => (hangs ? new Promise(() => undefined) : redis.client.send(command, key)),
    })
    const consume = async (): Promise<boolean> =>
      (await store.consume('p', [{ name: 'n', rate: TEN, cost: 1 }])).admitted
    await consume()
    await settled()
    hangs = true
    const hanging = [consume(), settled().then(consume)]
    await settled()
    await settled()
    hangs = false
    const began = performance.now()
    assert.equal(await consume(), true)
    assert.ok(performance.now() - began < 1_000)
    assert.ok((await Promise.allSettled(hanging)).every(({ status }) => status === 'rejected'))
  })

  test('one node that hangs takes nothing from the others', async () => {
    const healthy = new Set<string>()
    const { store } = open({
      cluster: true,
      deadlineMs: 150,
      send: (command, key) => {
        const tag = Number(/\{(\d+)\}/.exec(key)![1])
        if (tag % 3 === 0) return new Promise(() => undefined)
        healthy.add(key)
        return redis.client.send(command, key)
      },
    })
    const claim = async (i: number): Promise<boolean> =>
      store.claim({ partition: `p${i}`, name: crypto.randomUUID() }, Date.now() + HOUR)
    let served = 0
    for (let round = 0; round < 5; round++) {
      const ended = await Promise.allSettled(Array.from({ length: 600 }, (_, i) => claim(i)))
      served = ended.filter(({ status }) => status === 'fulfilled').length
    }
    assert.ok(served > 350, `${served} of 600 were served in the last round`)
  })

  test('an error of Redis about one call does not close the store for others', async () => {
    const { store, prefix } = open()
    await redis.server.command('RPUSH', `${prefix}/r/p/list`, 'x')
    for (let i = 0; i < 8; i++) await assert.rejects(async () => store.get({ ...KEY, name: 'list' }), StoreOutage)
    assert.equal(await store.get(KEY), null)
  })

  test('what send gets wrong is an outage that says so', async () => {
    for (const send of [() => undefined, () => Promise.reject(undefined), () => assert.fail('at once')]) {
      const { store } = open({ send: send as never })
      await assert.rejects(async () => store.get(KEY), StoreOutage)
    }
    const { store } = open({ send: (() => undefined) as never })
    const { cause } = await rejected(async () => store.get(KEY))
    assert.match((cause as Error).message, /send must return the promise/)
  })

  test('a rate that no makeRate() made is a RangeError for its call alone', async () => {
    const { store } = open()
    const [good, bad] = await Promise.allSettled([
      store.consume('p', [{ name: 'n', rate: TEN, cost: 1 }]),
      (async () => store.consume('p', [{ name: 'n', rate: { ...TEN, stepUs: Number.NaN }, cost: 1 }]))(),
    ])
    assert.equal(good.status, 'fulfilled')
    assert.ok(bad.status === 'rejected' && bad.reason instanceof RangeError)
  })

  describe('leaves nothing behind', () => {
    test('every key of what ends has a time to live, an hour past its end', async () => {
      const clock = stopped()
      const { store, prefix } = open({ clock })
      await store.claim({ partition: 'p', name: 'short' }, START + MINUTE)
      await store.claim({ partition: 'p', name: 'long' }, START + 5 * MINUTE)
      await store.claim({ partition: 'p', name: 'x'.repeat(500) }, START + MINUTE)
      await store.consume('p', [{ name: 'n', rate: TEN, cost: 10 }])
      const ttls = await ttlsOf(prefix)
      assert.deepEqual(minutes(ttls), {
        'b/p/n': 2,
        'd/p': 65,
        'i/p': 65,
        'r/p/long': 65,
        'r/p/short': 61,
        hashed: 61,
        epoch: -1,
        sequence: 2880,
        reach: -1,
      })
    })

    test('an index with a record that never ends stays', async () => {
      const { store, prefix } = open({ clock: stopped() })
      await store.claim({ partition: 'p', name: 'ends' }, START + MINUTE)
      await store.set({ partition: 'p', name: 'stays' }, 1, null)
      await store.claim({ partition: 'p', name: 'ends too' }, START + 5 * MINUTE)
      const ttls = minutes(await ttlsOf(prefix))
      assert.deepEqual([ttls['i/p'], ttls['d/p'], ttls['r/p/stays']], [-1, -1, -1])
    })

    test('index entries of what ended an hour ago go as writes come', async () => {
      const clock = stopped()
      const { store, prefix } = open({ clock })
      for (let i = 0; i < 8; i++) await store.claim({ partition: 'p', name: `${i}` }, START + 1)
      clock.at = START + HOUR + 1
      for (let i = 0; i < 2; i++) await store.set({ partition: 'p', name: 'new' }, i, null)
      assert.deepEqual(await redis.server.command('ZRANGE', `${prefix}/i/p`, '0', '-1'), ['new'])
    })

    test('a bucket that is full again lasts a minute, one that never was used is no key', async () => {
      const { store, prefix } = open({ clock: stopped() })
      await store.consume('p', [{ name: 'n', rate: TEN, cost: 3 }])
      await store.consume('p', [{ name: 'n', rate: TEN, cost: -3 }])
      await store.consume('p', [{ name: 'unused', rate: TEN, cost: 0 }])
      const ttls = minutes(await ttlsOf(prefix))
      assert.deepEqual([ttls['b/p/n'], ttls['b/p/unused']], [1, undefined])
    })

    test("by Redis's own clock a bucket lasts one to two minutes after it is full again", async () => {
      const { store, prefix } = open()
      // 7 s each: one after the other ends in the same minute or in the next.
      const charges = [{ name: 'n', rate: makeRate(100, 700), cost: 1 }]
      for (let i = 0; i < 40; i++) {
        const { states } = await store.consume(
          'p',
          i % 10 === 5 ? [...charges, { ...charges[0]!, name: 'm' }] : charges,
        )
        const ttl = (await ttlsOf(prefix))['b/p/n']!
        const late = ttl - states[0]!.resetAfterMs
        assert.ok(late > MINUTE - 1_000 && late <= 2 * MINUTE, `${late} ms after the charge ${i}`)
      }
    })

    async function ttlsOf(prefix: string): Promise<Record<string, number>> {
      const keys = (await redis.server.command('KEYS', `${prefix}/*`)) as string[]
      const entries = keys.map(async (key) => {
        const name = key.slice(prefix.length + 1)
        return [
          name.length > 100 ? 'hashed' : name.replace(/^sequence.*/, 'sequence'),
          Number(await redis.server.command('PTTL', key)),
        ] as const
      })
      return Object.fromEntries(await Promise.all(entries))
    }

    function minutes(ttls: Record<string, number>): Record<string, number> {
      return Object.fromEntries(
        Object.entries(ttls).map(([key, ttl]) => [key, ttl < 0 ? ttl : Math.round(ttl / MINUTE)]),
      )
    }
  })

  describe('when Redis lost data', () => {
    test('limits start full, single use is an outage for every process until old claims have ended', async () => {
      const clock = stopped()
      const { store, prefix, notices } = open({ clock })
      const other = open({ clock, prefix })
      await store.claim(KEY, START + 30 * MINUTE)
      await other.store.claim({ ...KEY, name: 'of another process' }, START + MINUTE)
      await store.consume('p', [{ name: 'n', rate: TEN, cost: 10 }])
      await drop(prefix)
      await assert.rejects(async () => store.claim(KEY, START + HOUR), StoreOutage)
      await assert.rejects(async () => other.store.claim(KEY, START + HOUR), StoreOutage)
      const newcomer = open({ clock, prefix })
      await assert.rejects(async () => newcomer.store.claim(KEY, START + HOUR), StoreOutage)
      await assert.rejects(async () => store.take(KEY), StoreOutage)
      await assert.rejects(async () => store.swap(KEY, null, 1, null), StoreOutage)
      assert.equal((await store.consume('p', [{ name: 'n', rate: TEN, cost: 10 }])).admitted, true)
      await store.set(KEY, 'plain state works', START + 2 * MINUTE)
      assert.equal((await other.store.get(KEY))?.value, 'plain state works')
      clock.at = START + 31 * MINUTE - 1
      await assert.rejects(async () => store.claim(KEY, START + HOUR), StoreOutage)
      clock.at = START + 31 * MINUTE
      assert.equal(await store.claim(KEY, START + HOUR), true)
      assert.equal(await newcomer.store.claim(KEY, START + HOUR), false)
      assert.deepEqual(notices, [{ type: 'lost', reason: 'flushed' }])
      assert.deepEqual(other.notices, [{ type: 'lost', reason: 'flushed' }])
      assert.deepEqual(newcomer.notices, [])
    })

    test('a decision notices too', async () => {
      const { store, prefix, notices } = open()
      const consume = async (): Promise<unknown> => store.consume('p', [{ name: 'n', rate: TEN, cost: 1 }])
      await consume()
      await drop(prefix)
      await new Promise((resolve) => setTimeout(resolve, 1_100))
      await consume()
      await settled()
      assert.deepEqual(notices, [{ type: 'lost', reason: 'flushed' }])
    })

    test('a restart of the process does not forget how long claims last', async () => {
      const clock = stopped()
      const { store, prefix } = open({ clock })
      await store.claim(KEY, START + 10 * HOUR)
      const restarted = open({ clock, prefix }).store
      await restarted.get(KEY)
      await drop(prefix)
      await assert.rejects(async () => restarted.claim(KEY, START + HOUR), StoreOutage)
      clock.at = START + 10 * HOUR
      await assert.rejects(async () => restarted.claim(KEY, START + 11 * HOUR), StoreOutage)
      clock.at = START + 10 * HOUR + MINUTE
      assert.equal(await restarted.claim(KEY, START + 11 * HOUR), true)
    })

    test('single use opens again after a day, whatever was claimed', async () => {
      const clock = stopped()
      const { store, prefix } = open({ clock })
      await store.claim(KEY, START + 1000 * HOUR)
      await drop(prefix)
      await assert.rejects(async () => store.claim(KEY, START + HOUR), StoreOutage)
      clock.at = START + 24 * HOUR
      assert.equal(await store.claim(KEY, START + 25 * HOUR), true)
    })

    test('a backup from before a flush closes single use again', async () => {
      const clock = stopped()
      const { store, prefix, notices } = open({ clock })
      await store.claim({ ...KEY, name: 'long before' }, START + MINUTE)
      const backup = await redis.server.command('GET', `${prefix}/epoch`)
      clock.at += HOUR
      await store.claim(KEY, clock.at + HOUR)
      await drop(prefix)
      await assert.rejects(async () => store.claim(KEY, clock.at + HOUR), StoreOutage)
      clock.at += MINUTE
      await drop(prefix)
      await redis.server.command('SET', `${prefix}/epoch`, String(backup))
      await assert.rejects(async () => store.claim(KEY, clock.at + HOUR), StoreOutage)
      assert.equal(notices.length, 2)
    })

    test('an epoch that was lost alone is a loss, for a newcomer too', async () => {
      const { store, prefix } = open()
      await store.claim(KEY, Date.now() + HOUR)
      await redis.server.command('DEL', `${prefix}/epoch`)
      const newcomer = open({ prefix })
      await assert.rejects(async () => newcomer.store.claim(KEY, Date.now() + HOUR), StoreOutage)
    })

    test('a process that only read notices too', async () => {
      const { store, prefix, notices } = open()
      await store.get(KEY)
      await drop(prefix)
      await assert.rejects(async () => store.claim(KEY, Date.now() + HOUR), StoreOutage)
      assert.equal(notices.length, 1)
    })

    test('a listener that throws changes nothing for the caller, nor for other listeners', async () => {
      const { store, prefix, notices } = open()
      store.watch!(() => {
        throw new Error('of the listener')
      })
      const later: StoreNotice[] = []
      store.watch!((notice) => later.push(notice))
      await store.claim(KEY, Date.now() + HOUR)
      await drop(prefix)
      await assert.rejects(async () => store.claim(KEY, Date.now() + HOUR), StoreOutage)
      assert.deepEqual([notices.length, later.length], [1, 1])
    })

    test('the many who notice at once agree on one epoch', async () => {
      const clock = stopped()
      const { store, prefix, notices } = open({ clock })
      await store.claim(KEY, START + MINUTE)
      await drop(prefix)
      const claims = Array.from({ length: 200 }, (_, i) =>
        (async () => store.claim({ ...KEY, name: `${i}` }, START + HOUR))(),
      )
      assert.ok((await Promise.allSettled(claims)).every(({ status }) => status === 'rejected'))
      assert.equal(notices.length, 1)
      clock.at = START + 15 * MINUTE
      assert.equal(await store.claim(KEY, START + HOUR), true)
    })

    test('a first start, and a process that starts later, are no loss', async () => {
      const { store, prefix, notices } = open()
      assert.equal(await store.claim(KEY, Date.now() + HOUR), true)
      const later = open({ prefix })
      assert.equal(await later.store.claim(KEY, Date.now() + HOUR), false)
      assert.deepEqual([notices, later.notices], [[], []])
    })

    test('an older copy is noticed: a claim it lacks cannot be made twice', async () => {
      const own = await startRedis('--dbfilename', 'copy.rdb')
      const link = await connect('redis', own.port)
      const notices: StoreNotice[] = []
      const store = redisStore({ send: link.send, deadlineMs: 2_000 })
      store.watch!((notice) => notices.push(notice))
      const key = (name: string) => ({ partition: 'p', name })
      assert.equal(await store.claim(key('kept'), Date.now() + HOUR), true)
      await own.command('SAVE')
      assert.equal(await store.claim(key('lost'), Date.now() + HOUR), true)
      await own.kill()
      await own.start()
      await eventually(async () => store.get(key('kept')))
      await assert.rejects(async () => store.claim(key('lost'), Date.now() + HOUR), /lost data/)
      assert.deepEqual(notices, [{ type: 'lost', reason: 'rolled_back' }])
      link.close()
      await own.stop()
    })

    test('a process notices what it lost itself, though another has made good the number since', async () => {
      const { store, prefix, notices } = open()
      const other = open({ prefix })
      await store.claim({ ...KEY, name: 'kept' }, Date.now() + HOUR)
      await other.store.claim({ ...KEY, name: 'kept too' }, Date.now() + HOUR)
      const copy = await dumpOf(prefix)
      assert.equal(await store.claim(KEY, Date.now() + HOUR), true)
      await drop(prefix)
      await restore(copy)
      for (let i = 0; i < 5; i++) await other.store.claim({ ...KEY, name: `${i}` }, Date.now() + HOUR)
      await assert.rejects(async () => store.claim(KEY, Date.now() + HOUR), /lost data/)
      await assert.rejects(async () => other.store.claim({ ...KEY, name: 'later' }, Date.now() + HOUR), /lost data/)
      assert.deepEqual(notices, [{ type: 'lost', reason: 'rolled_back' }])
    })

    test('a clock that was years ahead at the moment of the loss closes single use for a day at most', async () => {
      const clock = stopped()
      const { store, prefix } = open({ clock })
      await store.claim(KEY, START + HOUR)
      await drop(prefix)
      clock.at = START + 10 * 365 * 24 * HOUR
      await assert.rejects(async () => store.claim(KEY, clock.at + HOUR), StoreOutage)
      clock.at = START
      await assert.rejects(async () => store.claim(KEY, START + HOUR), StoreOutage)
      clock.at = START + 24 * HOUR
      assert.equal(await store.claim(KEY, START + 25 * HOUR), true)
    })

    test('a restart with appendfsync always loses nothing, and nothing is said', async () => {
      const own = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
      const link = await connect('redis', own.port)
      const notices: StoreNotice[] = []
      const store = redisStore({ send: link.send, deadlineMs: 2_000 })
      store.watch!((notice) => notices.push(notice))
      await store.claim(KEY, Date.now() + HOUR)
      await store.consume('p', [{ name: 'n', rate: makeRate(10, 86_400), cost: 10 }])
      await own.kill()
      await own.start()
      await eventually(async () => store.get(KEY))
      assert.equal(await store.claim(KEY, Date.now() + HOUR), false)
      assert.equal((await store.consume('p', [{ name: 'n', rate: makeRate(10, 86_400), cost: 1 }])).admitted, false)
      assert.deepEqual(notices, [])
      link.close()
      await own.stop()
    })

    /** Every key of one prefix, as an older copy of Redis would hold it. */
    async function dumpOf(prefix: string): Promise<readonly (readonly [string, Buffer])[]> {
      const raw = new IoRedis(redis.server.port, '127.0.0.1')
      const keys = await raw.keys(`${prefix}/*`)
      const dumps = await Promise.all(keys.map(async (key) => [key, (await raw.dumpBuffer(key))!] as const))
      raw.disconnect()
      return dumps
    }

    async function restore(copy: readonly (readonly [string, Buffer])[]): Promise<void> {
      const raw = new IoRedis(redis.server.port, '127.0.0.1')
      for (const [key, dump] of copy) await raw.restore(key, 0, dump)
      raw.disconnect()
    }

    /** What FLUSHALL does, for one prefix. */
    async function drop(prefix: string): Promise<void> {
      await redis.server.command('DEL', ...((await redis.server.command('KEYS', `${prefix}/*`)) as [string]))
    }
  })

  test('ready() tells whether Redis answers', async () => {
    const { send } = redis.client
    await redisStore({ send }).ready()
    const dead = redisStore({ send: () => Promise.reject(new Error('connect ECONNREFUSED')) })
    await assert.rejects(async () => dead.ready(), StoreOutage)
  })
})

/** What a decision does after it was told. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50))
}

async function rejected(call: () => Promise<unknown>): Promise<Error> {
  try {
    await call()
  } catch (error) {
    return error as Error
  }
  throw new Error('It was not rejected.')
}

/** An error with its causes and every property. */
function inspect(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error) ?? 'undefined'
  const own = Object.getOwnPropertyNames(error).map((name) => Reflect.get(error, name) as unknown)
  return `${error} ${own.map(inspect).join(' ')}`
}

async function eventually<T>(call: () => PromiseLike<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await call()
    } catch (error) {
      if (tries === 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
