import { strict as assert } from 'node:assert'
import type { Context, MiddlewareHandler } from 'hono'
import { timeout } from 'hono/timeout'
import type { UpgradeWebSocket, WSEvents } from 'hono/ws'
import { systemClock } from '../../src/clock.ts'
import { type LimitedEvents, type SocketLimitsOptions, socketLimits } from '../../src/limit/socket-middleware.ts'
import type { SecurityOptions } from '../../src/security.ts'
import { type AtomicStore, StoreOutage } from '../../src/store/contract.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases, waitingCases } from '../cases.ts'
import { peer, quietly, type Secured, StoppedClock, secured, storeOver } from '../support/fixtures.ts'

const HANDSHAKE = {
  upgrade: 'websocket',
  connection: 'keep-alive, Upgrade',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
}

/** The server's end of a WebSocket, without a wire: the test plays the client. */
class FakeSocket {
  readonly closes: [code: number | undefined, reason: string | undefined][] = []
  raw: unknown = null
  readonly url = null
  readonly protocol = null
  binaryType = 'arraybuffer' as const
  readyState: 0 | 1 | 2 | 3 = 0
  readonly #events: WSEvents
  constructor(events: WSEvents) {
    this.#events = events
  }
  send(): void {}
  close(code?: number, reason?: string): void {
    this.closes.push([code, reason])
    this.readyState = 2
  }
  open(): void {
    this.readyState = 1
    this.#events.onOpen?.(new Event('open'), this as never)
  }
  say(text: string): void {
    this.#events.onMessage?.(new MessageEvent('message', { data: text }), this as never)
  }
  leave(): void {
    this.readyState = 3
    this.#events.onClose?.(new Event('close') as CloseEvent, this as never)
  }
  fail(): void {
    this.#events.onError?.(new Event('error'), this as never)
  }
}

/** The runtime's own socket, as of `ws`. */
class PingedSocket {
  pings = 0
  ended = 0
  gone: () => void = () => undefined
  readonly #answers: boolean
  #heard: () => void = () => undefined
  constructor(answers: boolean) {
    this.#answers = answers
  }
  on(event: string, listener: () => void): void {
    assert.equal(event, 'pong')
    this.#heard = listener
  }
  ping(): void {
    this.pings += 1
    if (this.#answers) this.#heard()
  }
  terminate(): void {
    this.ended += 1
    this.gone()
  }
}

interface Bench extends Secured {
  readonly sockets: FakeSocket[]
  readonly heard: string[]
  ask(headers?: Record<string, string>, ip?: string): Promise<Response>
  open(ip?: string): Promise<FakeSocket>
  held(): Promise<number>
}

function setUp(
  limits: Partial<SocketLimitsOptions> = {},
  options: Partial<SecurityOptions> = {},
  own: (heard: string[]) => LimitedEvents = () => ({}),
  upgrading: (c: Context) => Response | undefined = () => new Response(),
): Bench {
  const made = secured(options)
  const sockets: FakeSocket[] = []
  const heard: string[] = []
  const upgrade = ((createEvents: (c: Context) => WSEvents | Promise<WSEvents>): MiddlewareHandler =>
    async (c) => {
      const events = await createEvents(c)
      const answer = upgrading(c)
      if (answer?.status === 200) sockets.push(new FakeSocket(events))
      return answer as Response
    }) as unknown as UpgradeWebSocket
  const limited = socketLimits({ limit: 5, by: 'address', name: 'ws', ...limits })
  made.app.all(
    '/ws',
    limited(upgrade, () => ({
      onOpen: () => void heard.push('open'),
      onMessage: (event) => void heard.push(String(event.data)),
      onLimited: (event, _ws, why) => void heard.push(`${why} ${event.data}`),
      onClose: () => void heard.push('close'),
      ...own(heard),
    })),
  )
  const ask = async (headers: Record<string, string> = HANDSHAKE, ip = '203.0.113.9') =>
    made.app.request('/ws', { headers }, peer(ip))
  const open = async (ip?: string): Promise<FakeSocket> => {
    const answer = await ask(HANDSHAKE, ip)
    assert.equal(answer.status, 200)
    const socket = sockets.at(-1)!
    socket.open()
    return socket
  }
  const held = async (): Promise<number> => {
    const { entries } = await (options.store ?? made.store).list(
      `lease:${limits.limit ?? 5}::address:203.0.113.9`,
      '',
      null,
    )
    return entries.length
  }
  return { ...made, sockets, heard, ask, open, held }
}

/** A store with these verbs in the place of its own. */
function storeWith(verbs: (working: AtomicStore) => Partial<AtomicStore>, working: AtomicStore = memoryStore()) {
  return storeOver(working, verbs(working))
}

const real = (store: AtomicStore) => ({ clock: systemClock, store })
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const reasonsOf = ({ events }: Secured) => events.map(({ type, reason, resource }) => [type, reason, resource])

export const socketsCases: readonly Case[] = [
  ...cases('LIM-5', {
    'of 50 handshakes at once 5 become sockets, and one that closes makes room for one': async () => {
      const bench = setUp()
      const answers = await Promise.all(Array.from({ length: 50 }, () => bench.ask()))
      assert.equal(answers.filter(({ status }) => status === 200).length, 5)
      const refused = answers.find(({ status }) => status !== 200)!
      assert.equal(refused.status, 429)
      assert.equal(refused.headers.get('retry-after'), '1')
      assert.match(await refused.text(), /"code":"limit.busy"/)
      for (const socket of bench.sockets) socket.open()
      assert.equal((await bench.ask(HANDSHAKE, '203.0.113.10')).status, 200)
      bench.sockets[2]!.leave()
      assert.equal(await bench.held(), 4)
      await bench.open()
      assert.equal((await bench.ask()).status, 429)
      for (const socket of bench.sockets) socket.leave()
      await bench.platform.settled()
      assert.deepEqual(reasonsOf(bench)[0], ['limit.refused', 'concurrency', 'ws'])
    },
    'what is no handshake takes no slot': async () => {
      const bench = setUp()
      assert.equal((await bench.ask({})).status, 404)
      const bad: readonly Record<string, string>[] = [
        { 'sec-websocket-key': 'short' },
        { 'sec-websocket-key': '' },
        { 'sec-websocket-version': '7' },
        { 'sec-websocket-protocol': 'a,,b' },
        { connection: 'keep-alive' },
        { connection: '' },
      ]
      for (const change of bad) {
        const answer = await bench.ask({ ...HANDSHAKE, ...change })
        assert.equal(answer.status, 400, JSON.stringify(change))
        assert.equal(answer.headers.get('sec-websocket-version'), '13')
        assert.equal(await bench.held(), 0)
      }
      const post = await bench.app.request('/ws', { method: 'POST', headers: HANDSHAKE }, peer('203.0.113.9'))
      assert.equal(post.status, 400)
      assert.deepEqual(bench.sockets, [])
    },
    'a handshake that fails gives its slot back': async () => {
      const failing: readonly ((c: Context) => Response | undefined)[] = [
        () => undefined,
        () => new Response(null, { status: 500 }),
        () => {
          throw new TypeError('no handshake')
        },
      ]
      for (const upgrading of failing) {
        const bench = setUp({}, {}, () => ({}), upgrading)
        for (let i = 0; i < 20; i++) assert.notEqual((await quietly(() => bench.ask())).status, 429)
        assert.equal(await bench.held(), 0)
      }
      const throwing = setUp({}, {}, () => {
        throw new Error('of the app')
      })
      assert.equal((await quietly(() => throwing.ask())).status, 500)
      assert.equal(await throwing.held(), 0)
    },
    'a handshake that comes to nothing holds its slot for 10 s, and a socket that opens later is closed unheard':
      async () => {
        const bench = setUp({ limit: 1 })
        await bench.ask()
        const late = bench.sockets[0]!
        bench.clock.advance(9_999)
        assert.equal((await bench.ask()).status, 429)
        bench.clock.advance(1)
        const socket = await bench.open()
        late.open()
        late.say('hello')
        assert.deepEqual(late.closes, [[1013, 'The handshake took too long.']])
        assert.deepEqual(bench.heard, ['open'])
        late.leave()
        assert.equal(await bench.held(), 1)
        socket.leave()
        assert.deepEqual(bench.heard, ['open', 'close'])
      },
    'a slot that comes after a time-out has answered is given back, and nothing is upgraded': async () => {
      const gate = Promise.withResolvers<void>()
      const clock = new StoppedClock()
      const store = storeWith(
        (working) => ({
          deadlineMs: 1000,
          swap: async (...args) => {
            await gate.promise
            return working.swap(...args)
          },
        }),
        memoryStore({ clock }),
      )
      const { app, platform } = secured({ clock, store })
      let upgraded = 0
      const upgrade = (() => () => new Response(`${++upgraded}`)) as unknown as UpgradeWebSocket
      app.get(
        '/ws',
        timeout(10),
        socketLimits({ limit: 1, by: 'everyone' })(upgrade, () => ({})),
      )
      const answer = await app.request('/ws', { headers: HANDSHAKE })
      assert.equal(answer.status, 504)
      await answer.text()
      gate.resolve()
      await sleep(5)
      await platform.settled()
      assert.equal(upgraded, 0)
      assert.deepEqual((await store.list('lease:1::everyone:', '', null)).entries, [])
    },
    'the handlers of an app hear all, in order, and what they throw ends nothing': async () => {
      const bench = setUp({ allMessages: { quota: 100, periodSeconds: 1 } }, {}, (heard) => ({
        onMessage: (event) => {
          heard.push(String(event.data))
          if (event.data === 'bad') throw new Error('bug')
          if (event.data === 'worse') return Promise.reject(new Error('bug')) as never
        },
      }))
      const socket = await bench.open()
      for (const text of ['one', 'bad', 'worse', 'two']) socket.say(text)
      await sleep(5)
      socket.leave()
      assert.deepEqual(bench.heard, ['open', 'one', 'bad', 'worse', 'two', 'close'])
      assert.deepEqual(socket.closes, [])
      await bench.platform.settled()
      assert.deepEqual(reasonsOf(bench)[0], ['fault', 'Error', null])
    },
    'an error of the socket gives the slot back once the socket is closed, not before': async () => {
      const bench = setUp()
      const socket = await bench.open()
      socket.fail()
      assert.equal(await bench.held(), 1)
      socket.readyState = 3
      socket.fail()
      assert.equal(await bench.held(), 0)
      socket.leave()
      assert.equal(await bench.held(), 0)
    },
    'a connection that sends one message too many is closed with 1008, others live on': async () => {
      const bench = setUp({ messages: { quota: 3, periodSeconds: 1 } })
      const loud = await bench.open()
      const quiet = await bench.open()
      for (let i = 0; i < 3; i++) loud.say(`${i}`)
      bench.clock.advance(334)
      loud.say('3')
      assert.deepEqual(loud.closes, [])
      for (let i = 4; i < 9; i++) loud.say(`${i}`)
      assert.deepEqual(loud.closes, [[1008, 'Too many messages.']])
      quiet.say('me')
      assert.deepEqual(bench.heard, ['open', 'open', '0', '1', '2', '3', 'me'])
      assert.equal(await bench.held(), 2)
      loud.leave()
      assert.equal(await bench.held(), 1)
      quiet.leave()
      await bench.platform.settled()
      assert.deepEqual(reasonsOf(bench), [['limit.refused', 'messages', 'ws']])
    },
    'of 500 messages over 5 connections of 2 processes exactly 100 are heard in a second, the others dropped':
      async () => {
        const clock = new StoppedClock()
        const store = memoryStore({ clock })
        const limits = { allMessages: { quota: 100, periodSeconds: 1 } }
        const benches = [0, 1].map(() => setUp(limits, { clock, store }))
        const sockets: FakeSocket[] = []
        for (let i = 0; i < 5; i++) sockets.push(await benches[i % 2]!.open())
        for (let i = 0; i < 100; i++) for (const socket of sockets) socket.say(`${i}`)
        const heard = benches.flatMap((bench) => bench.heard).filter((text) => text !== 'open')
        assert.equal(heard.filter((text) => !text.startsWith('refused')).length, 100)
        assert.equal(heard.filter((text) => text.startsWith('refused')).length, 400)
        for (const socket of sockets) {
          assert.deepEqual(socket.closes, [])
          socket.leave()
        }
        await benches[0]!.platform.settled()
        assert.deepEqual(reasonsOf(benches[0]!)[0], ['limit.refused', 'all_messages', 'ws'])
      },
    'a flood of refused messages does not become a flood of store calls': async () => {
      let calls = 0
      const bench = setUp({ allMessages: { quota: 1, periodSeconds: 1 } })
      const { consume } = bench.store
      bench.store.consume = (partition, charges) => {
        calls += 1
        return consume.call(bench.store, partition, charges)
      }
      const socket = await bench.open()
      for (let i = 0; i < 1000; i++) socket.say(`${i}`)
      assert.equal(calls, 2)
      bench.clock.advance(999)
      socket.say('early')
      bench.clock.advance(1)
      socket.say('in time')
      assert.equal(bench.heard.at(-1), 'in time')
      bench.clock.advance(-3_600_000)
      socket.say('after the clock was set back')
      assert.equal(bench.heard.at(-1), 'refused after the clock was set back')
      bench.clock.advance(1000)
      socket.say('a second later')
      assert.equal(bench.heard.at(-1), 'a second later')
      socket.leave()
    },
    'messages keep their order while the store is asked, whichever it answers first': async () => {
      const delays = [30, 1, 15, 0, 8]
      const store = storeWith((working) => ({
        consume: async (partition, charges) => {
          await sleep(delays.shift() ?? 0)
          return working.consume(partition, charges)
        },
      }))
      const bench = setUp({ allMessages: { quota: 4, periodSeconds: 3600 } }, real(store))
      const socket = await bench.open()
      for (const text of ['1', '2', '3', '4', '5']) socket.say(text)
      socket.leave()
      assert.equal(await bench.held(), 0)
      await sleep(80)
      assert.deepEqual(
        bench.heard.map((text) => text.replace('refused ', '')),
        ['open', '1', '2', '3', '4', '5', 'close'],
      )
      assert.equal(bench.heard.filter((text) => text.startsWith('refused')).length, 1)
    },
    'a connection that has 64 messages waiting and sends one more is closed with 1008': async () => {
      const gate = Promise.withResolvers<void>()
      const store = storeWith((working) => ({
        consume: async (partition, charges) => {
          await gate.promise
          return working.consume(partition, charges)
        },
      }))
      const bench = setUp({ allMessages: { quota: 1000, periodSeconds: 1 } }, real(store))
      const socket = await bench.open()
      for (let i = 0; i < 64; i++) socket.say(`${i}`)
      assert.deepEqual(socket.closes, [])
      socket.say('one more')
      assert.deepEqual(socket.closes, [[1008, 'Too many messages wait.']])
      gate.resolve()
      await sleep(5)
      assert.deepEqual(bench.heard, ['open'])
      socket.leave()
      await bench.platform.settled()
      assert.deepEqual(reasonsOf(bench), [['limit.refused', 'backlog', 'ws']])
    },
  }),
  ...waitingCases('LIM-5', {
    'a peer that vanished without a word is cut off after a lease of unanswered pings, one that answers lives on':
      async () => {
        const bench = setUp({ limit: 2, leaseSeconds: 1 }, real(memoryStore()))
        const vanished = new PingedSocket(false)
        const living = new PingedSocket(true)
        for (const raw of [vanished, living]) {
          await bench.ask()
          const socket = bench.sockets.at(-1)!
          socket.raw = raw
          raw.gone = () => socket.leave()
          socket.open()
        }
        assert.equal((await bench.ask()).status, 429)
        await sleep(1900)
        assert.deepEqual([vanished.ended, living.ended], [1, 0])
        assert.ok(living.pings > 3, `${living.pings}`)
        assert.equal(await bench.held(), 1)
        for (const socket of bench.sockets) socket.leave()
      },
    'a peer that sends lives, whether it answers pings or not': async () => {
      const bench = setUp({ limit: 1, leaseSeconds: 1 }, real(memoryStore()))
      await bench.ask()
      const [socket] = bench.sockets
      const raw = new PingedSocket(false)
      socket!.raw = raw
      socket!.open()
      for (let i = 0; i < 19; i++) {
        await sleep(100)
        socket!.say('still here')
      }
      assert.equal(raw.ended, 0)
      assert.ok(raw.pings > 3, `${raw.pings}`)
      socket!.leave()
    },
    'a socket whose slot another took is closed': async () => {
      const store = memoryStore()
      const bench = setUp({ limit: 1, leaseSeconds: 1 }, real(store))
      const socket = await bench.open()
      const key = { partition: 'lease:1::address:203.0.113.9', name: 'ws/0' }
      store.delete(key)
      assert.notEqual(store.swap(key, null, 'of another', null), null)
      await sleep(600)
      assert.deepEqual(socket.closes, [[1013, 'The slot of this connection could not be kept.']])
      socket.say('still here')
      socket.leave()
      assert.deepEqual(bench.heard, ['open', 'close'])
      assert.equal(store.get(key)?.value, 'of another')
      await bench.platform.settled()
      assert.deepEqual(reasonsOf(bench), [['limit.degraded', 'lease_lost', 'ws']])
    },
    'a socket outlives its first lease, and is closed when the store fails until a lease has ended': async () => {
      let isDown = false
      const store = storeWith((working) => ({
        swap: (...args) => (isDown ? Promise.reject(new StoreOutage('down')) : working.swap(...args)),
      }))
      const bench = setUp({ limit: 1, leaseSeconds: 1 }, real(store))
      const socket = await bench.open()
      await sleep(1400)
      assert.deepEqual(socket.closes, [])
      assert.equal((await bench.ask()).status, 429)
      isDown = true
      await sleep(1400)
      assert.deepEqual(socket.closes, [[1011, 'The slot of this connection could not be kept.']])
      assert.equal((await bench.ask()).status, 503)
      socket.leave()
      await bench.platform.settled()
      const kinds = new Set(reasonsOf(bench).map(([type, reason]) => `${type} ${reason}`))
      assert.ok(kinds.has('limit.degraded lease_outage') && kinds.has('store.outage unavailable'))
    },
    'on Workers, which show a socket with its first message alone, one whose slot was lost is closed then, unheard':
      async () => {
        const store = memoryStore()
        const bench = setUp(
          { limit: 1, leaseSeconds: 1 },
          real(store),
          () => ({}),
          () => Object.defineProperty(new Response(), 'webSocket', { value: {} }),
        )
        await bench.ask()
        const key = { partition: 'lease:1::address:203.0.113.9', name: 'ws/0' }
        assert.notEqual(store.get(key), null)
        store.delete(key)
        assert.notEqual(store.swap(key, null, 'of another', null), null)
        await sleep(600)
        const [socket] = bench.sockets
        assert.deepEqual(socket!.closes, [])
        socket!.say('hello')
        assert.deepEqual(socket!.closes, [[1013, 'The slot of this connection could not be kept.']])
        socket!.leave()
        assert.equal(bench.heard.includes('hello'), false)
        assert.equal(store.get(key)?.value, 'of another')
      },
  }),
  ...cases('LIM-8', {
    'a message that the store cannot decide on is dropped, and the app is told': async () => {
      for (const consume of [
        () => {
          throw new StoreOutage('down')
        },
        () => Promise.reject(new StoreOutage('down')),
        () => ({}) as never,
        () => Promise.resolve(undefined as never),
      ]) {
        const bench = setUp({ allMessages: { quota: 9, periodSeconds: 1 } }, real(storeWith(() => ({ consume }))))
        const socket = await bench.open()
        socket.say('lost')
        await sleep(5)
        assert.deepEqual(bench.heard, ['open', 'unknown lost'])
        assert.deepEqual(socket.closes, [])
        socket.leave()
        await bench.platform.settled()
        assert.ok(reasonsOf(bench).some(([type, reason]) => `${type} ${reason}` === 'limit.degraded messages_unknown'))
      }
    },
    'a store that fails refuses the handshake with 503': async () => {
      const store = storeWith(() => ({ swap: () => Promise.reject(new StoreOutage('down')) }))
      const bench = setUp({}, real(store))
      assert.equal((await bench.ask()).status, 503)
      assert.deepEqual(bench.sockets, [])
    },
  }),
  ...cases('socketLimits()', {
    'a bad setting throws at start, naming it': () => {
      const quota = { quota: 1, periodSeconds: 1 }
      const bad: readonly [RegExp, Partial<SocketLimitsOptions>][] = [
        [/limit must/, { limit: 0 }],
        [/messages: quota must/, { messages: { ...quota, quota: 0 } }],
        [/allMessages: periodSeconds must/, { allMessages: { ...quota, periodSeconds: Number.NaN } }],
        [/allMessages: burst must/, { allMessages: { ...quota, burst: 0.5 } }],
      ]
      for (const [message, options] of bad) assert.throws(() => socketLimits({ limit: 1, ...options }), message)
    },
  }),
]
