import { address } from './address.ts'
import { collect } from './held.ts'
import { type Limiter, type LimiterName, limiters } from './limiters.ts'

/** Decisions a second, in millions, round by round. */
export type Decisions = Readonly<Record<LimiterName, readonly number[]>>

/**
 * A server makes each key's text anew from a request; a text that is made once keeps its hash, which a Map reads again.
 */
interface Load {
  readonly name: string
  /** The key of one decision. */
  text(i: number): string
  /** Whether each round begins with an empty limiter. */
  readonly fresh: boolean
  /** What the limiter holds before the first round. */
  readonly before: readonly string[]
  /** What it holds afterwards. */
  readonly all: Iterable<string>
  readonly decisions: number
}

const HEADS = Array.from({ length: 400 }, (_, i) => `address:2001:db8:${i.toString(16)}`)
const TAILS = Array.from({ length: 250 }, (_, i) => `:${i}::7`)
/** Whole, as join() makes them: `head + tail` would stay in two pieces, which only whoever reads the text would have to find. */
const SOME = HEADS.flatMap((head) => TAILS.map((tail) => [head, tail].join('')))

export async function decisions(rounds: number, count: number, keys: number): Promise<Record<string, Decisions>> {
  const makers = limiters(keys)
  const names = Object.keys(makers) as LimiterName[]
  const times = new Map<string, Record<LimiterName, number[]>>()
  /** One of each lives throughout: V8 throws away code whose objects are all gone, and would compile it again in each round. */
  const alive = names.map((name) => makers[name]())
  const warm = { text: (i: number) => `address:${address(i % 1000)}`, decisions: 100_000 }
  for (const limiter of alive) await run(limiter, warm)
  for (const load of loads(count, keys)) {
    const found: Record<LimiterName, number[]> = { ours: [], hono: [], flexible: [], map: [] }
    times.set(load.name, found)
    const kept = new Map<LimiterName, Limiter>()
    for (const name of load.fresh ? [] : names) {
      const limiter = makers[name]()
      for (const key of load.before) await limiter.decide(key)
      kept.set(name, limiter)
    }
    for (let round = load.fresh ? 0 : -1; round < rounds; round++) {
      if (!load.fresh) collect()
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        const limiter = kept.get(name) ?? makers[name]()
        if (load.fresh) collect()
        const start = performance.now()
        await run(limiter, load)
        const ms = performance.now() - start
        if (round >= 0) found[name].push(load.decisions / 1000 / ms)
        if (load.fresh) await limiter.clear(load.all)
      }
    }
    for (const limiter of kept.values()) await limiter.clear(load.all)
  }
  for (const limiter of alive) await limiter.decide('address:alive')
  return Object.fromEntries(times)
}

/** Waits for a promise where there is one, and makes none where there is not. */
async function run({ decide }: Limiter, { text, decisions: count }: Pick<Load, 'text' | 'decisions'>): Promise<void> {
  if (decide('address:first') instanceof Promise) for (let i = 0; i < count; i++) await decide(text(i))
  else for (let i = 0; i < count; i++) decide(text(i))
}

/** One after the other: a million texts alive would make each collection slow. */
function* loads(count: number, keys: number): Generator<Load> {
  const one = 'address:203.0.113.77'
  const same = { fresh: false, before: [], all: [one], decisions: count }
  yield { name: 'one key', text: () => one, ...same }
  yield { name: 'one key, text made anew', text: (i) => `address:203.0.113.${77 + (i >>> 31)}`, ...same }
  // A Map flattens and hashes each text once: here, so that no round pays for it.
  void new Set(SOME)
  const order = Int32Array.from({ length: count }, (_, i) => (Math.imul(i, 0x9e3779b1) >>> 0) % SOME.length)
  const some = { fresh: false, before: SOME, all: SOME, decisions: count }
  yield { name: '100,000 keys at random', text: (i) => SOME[order[i]!]!, ...some }
  yield {
    name: '100,000 keys at random, text made anew',
    text: (i) => `${HEADS[Math.floor(order[i]! / 250)]}${TAILS[order[i]! % 250]}`,
    ...some,
  }
  const all = Array.from({ length: keys }, (_, i) => ['address:', address(i)].join(''))
  void new Set(all)
  const fresh = { fresh: true, before: [], decisions: keys }
  yield { name: 'new keys', text: (i) => all[i]!, all, ...fresh }
  const anew = { text: (i: number) => `address:${address(i)}`, all: addresses(keys) }
  yield { name: 'new keys, text made anew', ...anew, ...fresh }
}

/** Made as they are asked for, as often as anybody asks. */
function addresses(keys: number): Iterable<string> {
  return {
    *[Symbol.iterator]() {
      for (let i = 0; i < keys; i++) yield `address:${address(i)}`
    },
  }
}
