/**
 * `node --expose-gc bench/memory.ts [--quick]`: what a decision of the memory store costs, and what a key takes. Prints
 * one line of JSON. Bun runs it as it is, Deno with `--v8-flags=--expose-gc`.
 *
 * `peer` is a stand-in written after hono-rate-limiter's MemoryStore.increment, not that package: two Maps of
 * { totalHits, resetTime }. `map` is the floor: one look-up and one counter. Neither has a bound.
 */
import { makeRate } from '../src/store/gcra.ts'
import { memoryStore } from '../src/store/memory.ts'

const quick = process.argv.includes('--quick')
const ROUNDS = quick ? 2 : 3
const KEYS = quick ? 300_000 : 1_000_000
const DECISIONS = quick ? 150_000 : KEYS
/** What is kept is told from one key in so many. */
const SAMPLE = 10
const FLOOD = quick ? 300_000 : 10_000_000
const BATCH = 100
const MIB = 2 ** 20
const charges = [{ name: 'limit:100-per-60s:100/60000000us/100', rate: makeRate(100, 60), cost: 1 }]
/** One unit takes quarter of an hour to come back, so that no key falls idle during a flood. */
const slow = [{ name: 'limit:100-per-86400s:100/86400000000us/100', rate: makeRate(100, 86_400), cost: 1 }]

type Decide = (partition: string) => unknown
/** A server makes each key's text anew from a request; a text that is made once keeps its hash, which a Map reads again. */
type Load =
  | 'one key'
  | 'one key, text made anew'
  | '100,000 keys at random'
  | '100,000 keys at random, text made anew'
  | 'new keys'

class Peer {
  #current = new Map<string, { totalHits: number; resetTime: Date }>()
  #previous = new Map<string, { totalHits: number; resetTime: Date }>()

  increment(key: string): { totalHits: number; resetTime: Date } {
    const client = this.#client(key)
    const now = Date.now()
    if (client.resetTime.getTime() <= now) {
      client.totalHits = 0
      client.resetTime.setTime(now + 60_000)
    }
    client.totalHits++
    return client
  }

  #client(key: string): { totalHits: number; resetTime: Date } {
    if (this.#current.has(key)) return this.#current.get(key)!
    let client = this.#previous.get(key)
    if (client === undefined) client = { totalHits: 0, resetTime: new Date(Date.now() + 60_000) }
    else this.#previous.delete(key)
    this.#current.set(key, client)
    return client
  }
}

const makers = {
  ours(): Decide {
    const store = memoryStore({ maxEntries: 2 * KEYS, maxBytes: 128 * MIB })
    return (partition) => store.consume(partition, charges)
  },
  peer(): Decide {
    const store = new Peer()
    return (partition) => store.increment(partition)
  },
  map(): Decide {
    const map = new Map<string, number>()
    return (partition) => map.set(partition, (map.get(partition) ?? 0) + 1)
  },
} satisfies Record<string, () => Decide>

type Name = keyof typeof makers
const names = Object.keys(makers) as Name[]
/** One of each lives throughout: V8 throws away code whose objects are all gone, and would compile it again in each round. */
const alive = names.map((name) => makers[name]())
for (const decide of alive) for (let i = 0; i < 100_000; i++) decide(`address:${address(i % 1000)}`)

/** An address of 7 to 39 characters, another for each number: half of them IPv4, half IPv6. */
function address(i: number): string {
  // An odd factor permutes 32 bits.
  const bits = Math.imul(i, 0x9e3779b1) >>> 0
  if (i % 2 === 0) return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`
  const group = (n: number): string => (n & 0xffff).toString(16)
  const [high, low] = [group(bits >>> 16), group(bits)]
  return i % 4 === 1 ? `2001:db8:${high}:${low}::` : `2001:0db8:${high}:${low}:${high}:${low}:${high}:ffff`
}

function partitions(count: number): string[] {
  const made = Array.from({ length: count }, (_, i) => `address:${address(i)}`)
  // A Map flattens and hashes each text once: here, so that no round pays for it.
  return [...new Set(made)]
}

function speeds(): Record<Load, Record<Name, number> & Record<'ours ÷ peer', number>> {
  const all = partitions(DECISIONS)
  const heads = Array.from({ length: 400 }, (_, i) => `2001:db8:${i.toString(16)}`)
  const tails = Array.from({ length: 250 }, (_, i) => `:${i}::7`)
  const some = heads.flatMap((head) => tails.map((tail) => `address:${head}${tail}`))
  void new Set(some)
  const order = Int32Array.from({ length: DECISIONS }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 0).map(
    (bits) => (bits >>> 0) % some.length,
  )
  const loads: Record<Load, (decide: Decide) => void> = {
    'one key': (decide) => {
      for (let i = 0; i < DECISIONS; i++) decide('address:203.0.113.77')
    },
    'one key, text made anew': (decide) => {
      for (let i = 0; i < DECISIONS; i++) decide(`address:203.0.113.${77 + (i >>> 31)}`)
    },
    '100,000 keys at random': (decide) => {
      for (let i = 0; i < DECISIONS; i++) decide(some[order[i]!]!)
    },
    '100,000 keys at random, text made anew': (decide) => {
      for (let i = 0; i < DECISIONS; i++) {
        const at = order[i]!
        decide(`address:${heads[Math.floor(at / 250)]}${tails[at % 250]}`)
      }
    },
    'new keys': (decide) => {
      for (let i = 0; i < DECISIONS; i++) decide(all[i]!)
    },
  }
  const result = {} as ReturnType<typeof speeds>
  for (const [load, run] of Object.entries(loads) as [Load, (decide: Decide) => void][]) {
    const times: Record<Name, number[]> = { ours: [], peer: [], map: [] }
    for (let round = -1; round < ROUNDS; round++) {
      for (const name of names) {
        const decide = makers[name]()
        if (load.startsWith('100,000')) for (const partition of some) decide(partition)
        collect()
        const start = performance.now()
        run(decide)
        if (round >= 0) times[name].push(performance.now() - start)
      }
    }
    const rates = (name: Name): number => rounded(DECISIONS / 1000 / quantile(times[name], 0.5))
    result[load] = {
      ours: rates('ours'),
      peer: rates('peer'),
      map: rates('map'),
      // Ratios of one round: whatever slowed the machine slowed both.
      'ours ÷ peer': rounded(
        quantile(
          times.peer.map((time, round) => time / times.ours[round]!),
          0.5,
        ),
      ),
    }
  }
  return result
}

/** Bytes that a million keys (300,000 if quick) take, each, their texts included where the store holds them. */
function bytesPerKey(): Record<Name, number> {
  const measured = (name: Name): number => {
    const decide = makers[name]()
    decide('address:warm')
    const before = held()
    for (let i = 0; i < KEYS; i++) decide(`address:${address(i)}`)
    const grown = held() - before
    decide('address:alive')
    return Math.round(grown / KEYS)
  }
  return { ours: measured('ours'), peer: measured('peer'), map: measured('map') }
}

interface Flood {
  readonly keys: number
  readonly maxMiB: number
  readonly grownMiB: number
  /** The most seen without a collection first: garbage of this script and of the answers is in it. */
  readonly peakMiB: number
  /** The same of array buffers alone, where the store keeps its buckets. */
  readonly buffersPeakMiB: number
  readonly rssGrownMiB: number
  readonly kept: number
  readonly nanoseconds: Record<'p50' | 'p99' | 'worst', number>
}

/** Distinct keys against a bound. Times are means of batches of 100 decisions. */
function flood(keys: number, maxBytes: number | undefined): Flood {
  const store = memoryStore(maxBytes === undefined ? {} : { maxBytes })
  store.consume('address:warm', slow)
  const batch: string[] = Array.from({ length: BATCH }, () => '')
  const times = new Float64Array(keys / BATCH)
  const before = held()
  const rssBefore = process.memoryUsage().rss
  const buffersBefore = process.memoryUsage().external
  let peak = 0
  let buffersPeak = 0
  for (let i = 0; i < keys; i += BATCH) {
    for (let j = 0; j < BATCH; j++) batch[j] = `address:${address(i + j)}`
    const start = performance.now()
    for (let j = 0; j < BATCH; j++) store.consume(batch[j]!, slow)
    times[i / BATCH] = performance.now() - start
    if (i % 10_000 !== 0) continue
    peak = Math.max(peak, inUse())
    buffersPeak = Math.max(buffersPeak, process.memoryUsage().external)
  }
  const grown = held() - before
  const rss = process.memoryUsage().rss - rssBefore
  let kept = 0
  const peek = [{ ...slow[0]!, cost: 0 }]
  for (let i = 0; i < keys; i += SAMPLE) {
    if (store.consume(`address:${address(i)}`, peek).states[0]!.resetAfterMs > 0) kept += SAMPLE
  }
  const sorted = times.sort()
  const at = (share: number): number => Math.round((sorted[Math.round((sorted.length - 1) * share)]! * 1e6) / BATCH)
  return {
    keys,
    maxMiB: rounded((maxBytes ?? 64 * MIB) / MIB),
    grownMiB: rounded(grown / MIB),
    peakMiB: rounded((peak - before) / MIB),
    buffersPeakMiB: rounded((buffersPeak - buffersBefore) / MIB),
    rssGrownMiB: rounded(rss / MIB),
    kept,
    nanoseconds: { p50: at(0.5), p99: at(0.99), worst: at(1) },
  }
}

function collect(): void {
  const bun = (globalThis as { Bun?: { gc(force: boolean): void } }).Bun
  const { gc } = globalThis as { gc?: () => void }
  if (bun !== undefined) bun.gc(true)
  else if (gc !== undefined) for (let i = 0; i < 2; i++) gc()
  else throw new Error('Run this with --expose-gc.')
}

/** Heap and array buffers. Bun counts the latter in the heap, Deno only as external. */
function inUse(): number {
  const { heapUsed, external } = process.memoryUsage()
  return 'Bun' in globalThis ? heapUsed : heapUsed + external
}

function held(): number {
  collect()
  return inUse()
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.round((sorted.length - 1) * share)]!
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

const keyBytes = bytesPerKey()
const floods = quick ? [flood(FLOOD, 8 * MIB)] : [flood(FLOOD, undefined), flood(KEYS, 8 * MIB)]
const millionPerSecond = speeds()
for (const decide of alive) decide('address:alive')
console.log(JSON.stringify({ millionPerSecond, bytesPerKey: keyBytes, floods }))
