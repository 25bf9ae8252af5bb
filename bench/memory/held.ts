import { makeRate } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { address } from './address.ts'
import { type LimiterName, limiters } from './limiters.ts'

/** What distinct keys do to a bounded store. */
export interface Flood {
  readonly keys: number
  readonly maxMiB: number
  readonly grownMiB: number
  /** The most seen without a collection first: garbage of this script and of the answers is in it. */
  readonly peakMiB: number
  /** The same of array buffers alone, where the store keeps its buckets. */
  readonly buffersPeakMiB: number
  readonly rssGrownMiB: number
  /** How many of the keys the store still knew. */
  readonly kept: number
  /** A decision's time, the mean of each hundred. */
  readonly nanoseconds: { readonly p50: number; readonly p99: number; readonly worst: number }
}

const MIB = 2 ** 20
const BATCH = 100
/** What is kept is told from one key in so many. */
const SAMPLE = 10
/** One unit takes quarter of an hour to come back, so that no key falls idle during a flood. */
const slow = [{ name: 'limit:100-per-86400s:100/86400000000us/100', rate: makeRate(100, 86_400), cost: 1 }]

/** Bytes that a key takes where there are so many, its text included where it is held. */
export async function bytesPerKey(keys: number): Promise<Record<LimiterName, number>> {
  const makers = limiters(keys)
  const bytes = async (name: LimiterName): Promise<number> => {
    const limiter = makers[name]()
    await limiter.decide('address:warm')
    const before = held()
    for (let i = 0; i < keys; i++) await limiter.decide(`address:${address(i)}`)
    const grown = held() - before
    await limiter.clear(Array.from({ length: keys }, (_, i) => `address:${address(i)}`))
    return Math.round(grown / keys)
  }
  return {
    ours: await bytes('ours'),
    hono: await bytes('hono'),
    flexible: await bytes('flexible'),
    map: await bytes('map'),
  }
}

/** Distinct keys against a bound. Times are means of batches of 100 decisions. */
export function flood(keys: number, maxBytes: number | undefined): Flood {
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

export function collect(): void {
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

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
