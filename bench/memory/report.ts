import { join } from 'node:path'
import type { Goal } from '../goals.ts'
import { type Part, runScript } from '../part.ts'
import { certain, fixed, median, ratios, shown } from '../statistics.ts'
import type { Decisions } from './decisions.ts'
import type { Flood } from './held.ts'
import type { LimiterName } from './limiters.ts'

interface Results {
  readonly rounds: number
  /** How many keys come new in one round. */
  readonly fresh: number
  readonly keys: number
  readonly millionPerSecond: Readonly<Record<string, Decisions>>
  readonly bytesPerKey: Readonly<Record<LimiterName, number>>
  readonly floods: readonly Flood[]
}

type Bounds = readonly [least: number, wished: number]
/** Of speed.md: decisions by those of hono-rate-limiter and of rate-limiter-flexible, for keys that are made once, as its own were. */
const BOUNDS: Record<string, { readonly hono: Bounds; readonly flexible: Bounds }> = {
  'one key': { hono: [0.7, 1], flexible: [4, 5] },
  '100,000 keys at random': { hono: [1.2, 1.5], flexible: [4, 5] },
  'new keys': { hono: [1.6, 2.5], flexible: [3, 4.5] },
}
const BYTES: Bounds = [72, 34]

/** What a decision of the memory store costs, what a key takes, and what a flood of keys does. */
export const memoryPart: Part<Results> = {
  name: 'memory',
  leftOutOfQuick: 'a million keys take a minute, and few tell nothing',
  measure() {
    return runScript('node', join(import.meta.dirname, 'child.ts'), [], ['--expose-gc']) as Results
  },
  report(results) {
    return { section: sectionOf(results), goals: goalsOf(results) }
  },
}

function goalsOf({ keys, millionPerSecond, bytesPerKey }: Results): readonly Goal[] {
  const speed = Object.entries(BOUNDS).flatMap(([load, bounds]) =>
    (['hono', 'flexible'] as const).map((peer): Goal => {
      const found = millionPerSecond[load]!
      const [least, wished] = bounds[peer]
      const what = `limiter decisions ÷ ${PEERS[peer]}, ${load}`
      return { what, on: 'node', wants: 'at least', least, wished, seen: ratios(found.ours, found[peer]) }
    }),
  )
  const [least, wished] = BYTES
  const what = `bytes a key at ${keys.toLocaleString('en')} keys`
  return [...speed, { what, on: 'node', wants: 'at most', least, wished, seen: certain(bytesPerKey.ours) }]
}

const PEERS = { hono: "hono-rate-limiter's MemoryStore", flexible: 'RateLimiterMemory' }

function sectionOf({ rounds, fresh, keys, millionPerSecond, bytesPerKey, floods }: Results): string {
  const speeds = Object.entries(millionPerSecond).map(([load, found]) => {
    const { ours, hono, flexible, map } = found
    const each = [ours, hono, flexible, map].map((rates) => fixed(median(rates)))
    const cells = [load, ...each, shown(ratios(ours, hono)), shown(ratios(ours, flexible))]
    return `| ${cells.join(' | ')} |`
  })
  const rows = floods.map(
    ({ keys, maxMiB, grownMiB, rssGrownMiB, kept, nanoseconds: { p50, p99, worst } }) =>
      `| ${keys.toLocaleString('en')} | ${maxMiB} | ${grownMiB} | ${rssGrownMiB} | ${kept.toLocaleString('en')} | ${p50} | ${p99} | ${worst} |`,
  )
  return `## Memory store

Node, ${rounds} rounds; new keys are ${fresh.toLocaleString('en')} a round. Peers are hono-rate-limiter's MemoryStore.increment and RateLimiterMemory.consume of rate-limiter-flexible, which gives a
promise that is awaited; a Map's get and set is the floor. None of the three has a bound. Addresses as keys, all admitted; where the text is made anew it is
as in a server, where each request brings its own: elsewhere a Map finds the hash that it left in the text, and a keyed hash cannot. The
goals are of texts made once, as the figures were that they come from.

| load | ours, M/s | hono, M/s | flexible, M/s | Map, M/s | ours ÷ hono (95%) | ours ÷ flexible (95%) |
|---|---|---|---|---|---|---|
${speeds.join('\n')}

At ${keys.toLocaleString('en')} keys one takes ${bytesPerKey.ours} bytes of ours, ${bytesPerKey.hono} of hono-rate-limiter's, ${bytesPerKey.flexible} of rate-limiter-flexible's, ${bytesPerKey.map} of a Map's,
text included where it is held.

A flood of distinct keys against a bound (64 MiB is the default). Growth is heap and array buffers after a collection; times are ns
a decision, means of 100.

| keys | bound, MiB | grown, MiB | RSS grown, MiB | kept | p50 | p99 | worst |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}
`
}
