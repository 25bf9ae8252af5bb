import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { memoryStore, rateLimit } from 'hinoban'
import { platform } from 'hinoban/node'
import { Hono } from 'hono'
import type { Job } from './job.ts'

const ADDRESSES = 1_000_000
const ROUNDS = 10
const QUOTA = 100
const CLIENTS = 25
const MIB = 2 ** 20
/** The store's 64 MiB, and what of the app and the runtime grows once. */
const MAX_GROWN_MIB = 72

/** What many addresses do to one process, through `rateLimit()` on `memoryStore()` as it comes. */
export const floodJobs: readonly Job[] = [
  {
    name: 'LIM-7 under a flood of 10 million addresses memory stays bounded, honest clients pass and an offender does not',
    rounds: ROUNDS,
    volume: '1,000,000 addresses',
    async start() {
      const ask = limited()
      const offender = '198.51.100.1'
      expectThat((await passed(ask, offender, QUOTA + 1)) === QUOTA, 'the offender did not get its quota first')
      for (let i = 0; i < 10_000; i++) await ask('203.0.113.1')
      const before = held()
      const rssBefore = process.memoryUsage().rss
      const microseconds: number[] = []
      let most = 0
      return {
        async round(_random, index) {
          const start = performance.now()
          for (let i = 0; i < ADDRESSES; i++) {
            const number = index * ADDRESSES + i
            if (!(await ask(stranger(number)))) throw new Error(`${stranger(number)} was refused its first request`)
            if (i % 10_000 === 0) expectThat(!(await ask(offender)), 'the offender was forgiven')
            // Who was here before asks ten times a round, so that all its quota is spent at the end.
            if (i % (ADDRESSES / 10) === 0)
              for (let client = 0; client < CLIENTS; client++)
                expectThat(await ask(`192.0.2.${client}`), `client ${client} was refused`)
          }
          microseconds.push(((performance.now() - start) * 1000) / ADDRESSES)
          for (let client = 0; client < CLIENTS; client++) {
            const address = `2a00:1:${index}:${client}::9`
            expectThat((await passed(ask, address, QUOTA)) === QUOTA, `${address}, new, did not get its quota`)
          }
          most = Math.max(most, held() - before)
          expectThat(most <= MAX_GROWN_MIB * MIB, `memory grew by ${mib(most)} MiB`)
        },
        stop() {
          const rss = process.memoryUsage().rss - rssBefore
          const times = microseconds.map((time) => time.toFixed(1)).join(', ')
          console.log(
            `heap and buffers grew by ${mib(most)} MiB at most, RSS by ${mib(rss)} MiB; µs a request: ${times}`,
          )
        },
      }
    },
  },
  {
    name: 'LIM-7 addresses of one /64 cost one bucket and get one quota',
    rounds: 1,
    volume: '1,000,000 addresses',
    async start() {
      const ask = limited()
      for (let i = 0; i < 10_000; i++) await ask('203.0.113.1')
      const before = held()
      return {
        async round(random) {
          const group = (): string => random.below(65_536).toString(16)
          let count = 0
          for (let i = 0; i < ADDRESSES; i++)
            if (await ask(`2001:db8:1:2:${group()}:${group()}:${group()}:${group()}`)) count++
          expectThat(count === QUOTA, `${count} passed`)
          const grown = held() - before
          expectThat(grown < MIB, `memory grew by ${mib(grown)} MiB`)
        },
        stop: () => undefined,
      }
    },
  },
]

/** Asks an app behind one limiter as a client of this address; whether it passed. */
function limited(): (ip: string) => Promise<boolean> {
  // One unit takes quarter of an hour to come back, so that no bucket falls idle during the flood.
  const limit = rateLimit({ quota: QUOTA, periodSeconds: 86_400, platform, store: memoryStore(), events: [] })
  const app = new Hono().use(limit).get('/', (c) => c.body(null))
  const request = new Request('http://localhost/')
  return async (ip) => {
    const { status } = await app.fetch(request, { incoming: { socket: { remoteAddress: ip } } })
    if (status !== 200 && status !== 429) throw new Error(`${ip} got ${status}`)
    return status === 200
  }
}

async function passed(ask: (ip: string) => Promise<boolean>, ip: string, times: number): Promise<number> {
  let count = 0
  for (let i = 0; i < times; i++) if (await ask(ip)) count++
  return count
}

/** Another address for each number: half of them IPv4, half IPv6 of another /64. */
function stranger(i: number): string {
  // An odd factor permutes 32 bits.
  const bits = Math.imul(i, 0x9e3779b1) >>> 0
  if (i % 2 === 1) return `2001:db8:${(bits >>> 16).toString(16)}:${(bits & 0xffff).toString(16)}::1`
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`
}

/** Heap and array buffers after a collection. */
function held(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let i = 0; i < 2; i++) collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1)
}

function expectThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}
