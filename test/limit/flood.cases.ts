import { strict as assert } from 'node:assert'
import { Hono } from 'hono'
import { rateLimit } from '../../src/limit/middleware.ts'
import type { AtomicStore } from '../../src/store/contract.ts'
import type { Charge } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { peer, StoppedClock, TestPlatform } from '../support/fixtures.ts'
import { volume } from '../support/volume.ts'

const FLOOD = volume(100_000, 20_000)
const QUOTA = 10
const BUCKETS = 1_024
/** One unit comes back in so long, of a quota of 10 a minute. */
const STEP_MS = 6_000
const request = new Request('http://localhost/')

/** An app behind one limiter on a store of 64 KiB; what that holds can be counted. */
function limited(quota = QUOTA): {
  readonly clock: StoppedClock
  admits(ip: string): Promise<boolean>
  held(): number
  partitions(): number
} {
  const clock = new StoppedClock()
  const memory = memoryStore({ clock, maxBytes: 64 * BUCKETS })
  const seen = new Map<string, readonly Charge[]>()
  const store: AtomicStore = {
    ...forwardTo(memory),
    consume(partition, charges) {
      if (!seen.has(partition)) seen.set(partition, charges)
      return memory.consume(partition, charges)
    },
  }
  const limit = rateLimit({ quota, periodSeconds: 60, platform: new TestPlatform(), store, clock, events: [] })
  const app = new Hono().use(limit).get('/', (c) => c.body(null))
  return {
    clock,
    async admits(ip) {
      const { status } = await app.fetch(request, peer(ip))
      assert.ok(status === 200 || status === 429, `${status}`)
      return status === 200
    },
    held: () =>
      [...seen].filter(([partition, charges]) => {
        const { states } = memory.consume(
          partition,
          charges.map((charge) => ({ ...charge, cost: 0 })),
        )
        return states.some(({ resetAfterMs }) => resetAfterMs > 0)
      }).length,
    partitions: () => seen.size,
  }
}

function forwardTo(store: AtomicStore): AtomicStore {
  const { name, consistency, deadlineMs } = store
  return {
    name,
    consistency,
    ...(deadlineMs !== undefined && { deadlineMs }),
    get: (...args) => store.get(...args),
    set: (...args) => store.set(...args),
    delete: (...args) => store.delete(...args),
    list: (...args) => store.list(...args),
    claim: (...args) => store.claim(...args),
    take: (...args) => store.take(...args),
    swap: (...args) => store.swap(...args),
    consume: (...args) => store.consume(...args),
    close: () => store.close(),
  }
}

/** Another address for each number: half of them IPv4, half IPv6 of another /64. */
function stranger(i: number): string {
  // An odd factor permutes 32 bits; none of these is one of 192.0.2.0/24 below.
  const bits = Math.imul(i, 0x9e3779b1) >>> 0
  if (i % 2 === 0) return `${1 + (bits >>> 25)}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`
  return `2001:db8:${(bits >>> 16).toString(16)}:${(bits & 0xffff).toString(16)}::1`
}

const honest = (i: number): string => (i % 2 === 0 ? `192.0.2.${i}` : `2a00:1:2:${i.toString(16)}::9`)

async function admitted(ask: (ip: string) => Promise<boolean>, ip: string, times: number): Promise<number> {
  let count = 0
  for (let i = 0; i < times; i++) if (await ask(ip)) count++
  return count
}

export const floodCases: readonly Case[] = [
  ...cases('LIM-7', {
    'under a flood of 100,000 addresses honest clients keep their quota, who was refused stays refused, memory stays bounded':
      async () => {
        const { admits, clock, held, partitions } = limited()
        const [knocking, silent, returning] = ['198.51.100.1', '198.51.100.2', '2001:db8::bad'] as const
        for (const offender of [knocking, silent, returning])
          assert.equal(await admitted(admits, offender, QUOTA + 1), QUOTA)
        for (let i = 0; i < 25; i++) assert.equal(await admitted(admits, honest(i), QUOTA), QUOTA)
        let passed = 0
        for (let i = 0; i < FLOOD; i++) {
          assert.equal(await admits(stranger(i)), true)
          clock.advance(1)
          // Who was here before asks as fast as it may; another one comes every four seconds and spends all at once.
          if (i % STEP_MS === STEP_MS - 1)
            for (let client = 0; client < 25; client++) assert.equal(await admits(honest(client)), true)
          if (i % 4_000 === 0) assert.equal(await admitted(admits, honest(25 + i / 4_000), QUOTA), QUOTA)
          if (i % 100 === 99 && (await admits(knocking))) passed++
          if (i === STEP_MS - 2) assert.equal(await admits(returning), false)
          if (i === FLOOD / 2 - 1) assert.equal(await admitted(admits, silent, QUOTA), Math.floor(FLOOD / 2 / STEP_MS))
        }
        assert.equal(passed, Math.floor(FLOOD / STEP_MS))
        assert.deepEqual([partitions(), held()], [FLOOD + 25 + FLOOD / 4_000 + 3, BUCKETS])
      },
    '100,000 addresses of one /64 cost one bucket, and get one quota': async () => {
      const { admits, held, partitions } = limited()
      let passed = 0
      for (let i = 0; i < FLOOD; i++) {
        const bits = Math.imul(i, 0x9e3779b1) >>> 0
        const tail = [bits >>> 16, bits & 0xffff, i & 0xffff, i >>> 16].map((group) => group.toString(16)).join(':')
        if (await admits(`2001:db8:1:2:${tail}`)) passed++
      }
      assert.deepEqual([passed, partitions(), held()], [QUOTA, 1, 1])
      assert.equal(await admits('2001:db8:1:3::1'), true)
    },
    'an IPv4 address gets one quota however it is written, and its neighbour another': async () => {
      const { admits, partitions } = limited(1)
      for (let i = 0; i < 1_000; i++) {
        const [high, low] = [0xc612 + (i >>> 8), (i & 255) * 257]
        const dotted = `${high >>> 8}.${high & 255}.${low >>> 8}.${low & 255}`
        const groups = `${high.toString(16)}:${low.toString(16)}`
        const spellings = [
          `::ffff:${dotted}`,
          dotted,
          `::ffff:${groups}`,
          `0:0:0:0:0:FFFF:${groups}`,
          `64:ff9b::${groups}`,
        ]
        const passed = []
        for (const ip of spellings) passed.push(await admits(ip))
        assert.deepEqual(passed, [true, false, false, false, false], dotted)
      }
      assert.equal(partitions(), 1_000)
    },
  }),
]
