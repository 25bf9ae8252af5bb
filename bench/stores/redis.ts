import { type RedisSend, redisStore } from 'hinoban/redis'
import { rememberDenials, withDeadline } from 'hinoban/store'
import { Redis as IoRedis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { createClient } from 'redis'
import { type Candidate, type Effort, inRounds, inTurns, pending } from '../rounds.ts'
import type { Group } from './group.ts'
import { ADDRESSES, addressOf, consumes, fill, isRefused, JSON_VALUE, records, SCANT } from './work.ts'

/** A client: how the store sends by it, and the raw commands that the store is held against. */
interface Client {
  readonly engine: string
  readonly send: RedisSend
  incr(key: string): Promise<unknown>
  get(key: string): Promise<unknown>
  set(key: string, value: string): Promise<unknown>
  /** The peer over the same client, where it knows that client. */
  readonly peer: RateLimiterRedis | null
  close(): unknown
}

// A stall of this shared machine must not end the run; a longer deadline costs the same timer.
const DEADLINE_MS = 5_000
/** Some 4 s of each client: a few percent are to be told apart. */
const ALONE = { rounds: 41, calls: 150 }
export const BAREST = 'TIME, GET, SET in a script'
const AMPLE_POINTS = { points: 1_000_000, duration: 3600 }

/** The Redis store through each client of this runtime, against the client's own commands and against the peer. */
export async function redisGroups(effort: Effort, runtime: string, port: number): Promise<readonly Group[]> {
  const groups: Group[] = []
  const clients = runtime === 'bun' ? [await bunClient(port)] : [await nodeRedis(port), await ioRedis(port)]
  for (const client of clients) groups.push(await measured(client, effort))
  if (runtime !== 'bun') groups.push(await wrapped(clients[0]!, effort))
  for (const { close } of clients) await close()
  return groups
}

async function measured(client: Client, effort: Effort): Promise<Group> {
  const store = redisStore({
    send: client.send,
    prefix: `${client.engine.replaceAll(/\W/g, '-')}:`,
    deadlineMs: DEADLINE_MS,
  })
  for (const address of ADDRESSES) await client.set(`text:${address}`, JSON_VALUE)
  await fill(store)
  const { peer } = client
  const peers: Candidate[] =
    peer === null
      ? []
      : [
          {
            name: 'RateLimiterRedis',
            floor: 'INCR',
            call: (i) => peer.consume(addressOf(i)),
            ok: (answer) => answer !== null,
          },
        ]
  const decisions = [
    { name: 'INCR', call: (i: number) => client.incr(`count:${addressOf(i)}`) },
    consumes(store, 'consume', 'INCR'),
    ...peers,
  ]
  const alone = await inTurns([...decisions, await barestScript(client)], ALONE.rounds, ALONE.calls)
  const measures = pending([
    ...decisions,
    { name: 'SET', call: (i) => client.set(`text:${addressOf(i)}`, JSON_VALUE) },
    { name: 'GET', call: (i) => client.get(`text:${addressOf(i)}`), ok: (text) => text === JSON_VALUE },
    ...records(store, { get: 'GET', set: 'SET' }),
  ])
  const others = measures.filter(
    ({ name, concurrency }) => !alone.some((row) => row.name === name && concurrency === 1),
  )
  return { engine: `Redis, ${client.engine}`, rows: [...alone, ...(await inRounds(others, effort))] }
}

/** No limit by the engine's clock can do less in a script than tell the time, read and write. */
async function barestScript({ send }: Client): Promise<Candidate> {
  const lua = "local time = redis.call('TIME') redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], time[2]) return 1"
  const hash = String(await send(['SCRIPT', 'LOAD', lua], 'barest'))
  return { name: BAREST, call: (i) => send(['EVALSHA', hash, '1', `barest:${addressOf(i)}`], 'barest') }
}

/** What the wrappers cost or spare. */
async function wrapped(client: Client, effort: Effort): Promise<Group> {
  const store = redisStore({ send: client.send, prefix: 'wrapped:', deadlineMs: DEADLINE_MS })
  const remembering = rememberDenials(store)
  for (const address of ADDRESSES) await store.consume(address, SCANT)
  const measures = pending([
    consumes(store, 'consume'),
    consumes(withDeadline(store, { deadlineMs: DEADLINE_MS }), 'consume, withDeadline', 'consume'),
    { name: 'consume, refused', floor: 'consume', call: (i) => store.consume(addressOf(i), SCANT), ok: isRefused },
    {
      name: 'consume, refused, rememberDenials',
      floor: 'consume, refused',
      call: (i) => remembering.consume(addressOf(i), SCANT),
      ok: isRefused,
    },
  ])
  return { engine: `wrappers over Redis, ${client.engine}`, rows: await inRounds(measures, effort) }
}

async function nodeRedis(port: number): Promise<Client> {
  const client = createClient({ socket: { host: '127.0.0.1', port }, disableOfflineQueue: true })
  client.on('error', () => undefined)
  await client.connect()
  return {
    engine: 'node-redis',
    send: (command) => client.sendCommand(command),
    incr: (key) => client.incr(key),
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    peer: new RateLimiterRedis({
      storeClient: client,
      useRedisPackage: true,
      keyPrefix: 'peer-redis',
      ...AMPLE_POINTS,
    }),
    close: () => client.destroy(),
  }
}

async function ioRedis(port: number): Promise<Client> {
  const client = new IoRedis(port, '127.0.0.1', { enableOfflineQueue: false, lazyConnect: true })
  client.on('error', () => undefined)
  await client.connect()
  return {
    engine: 'ioredis',
    send: (command) => client.call(...command),
    incr: (key) => client.incr(key),
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    peer: new RateLimiterRedis({ storeClient: client, keyPrefix: 'peer-ioredis', ...AMPLE_POINTS }),
    close: () => client.disconnect(),
  }
}

interface BunRedis {
  connect(): Promise<void>
  send(name: string, args: readonly string[]): Promise<unknown>
  incr(key: string): Promise<unknown>
  get(key: string): Promise<unknown>
  set(key: string, value: string): Promise<unknown>
  close(): void
}

async function bunClient(port: number): Promise<Client> {
  const { Bun } = globalThis as unknown as { Bun: { RedisClient: new (url: string, options: object) => BunRedis } }
  const client = new Bun.RedisClient(`redis://127.0.0.1:${port}`, { enableOfflineQueue: false })
  await client.connect()
  return {
    engine: "Bun's own client",
    send: ([name, ...args]) => client.send(name, args),
    incr: (key) => client.incr(key),
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    peer: null,
    close: () => client.close(),
  }
}
