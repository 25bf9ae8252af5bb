import { join } from 'node:path'
import { type Part, runScript } from './part.ts'

interface Speeds {
  readonly ours: number
  readonly peer: number
  readonly map: number
  readonly 'ours ÷ peer': number
}

interface Flood {
  readonly keys: number
  readonly maxMiB: number
  readonly grownMiB: number
  readonly rssGrownMiB: number
  readonly kept: number
  readonly nanoseconds: Readonly<Record<'p50' | 'p99' | 'worst', number>>
}

interface Results {
  readonly millionPerSecond: Readonly<Record<string, Speeds>>
  readonly bytesPerKey: Readonly<Record<'ours' | 'peer' | 'map', number>>
  readonly floods: readonly Flood[]
}

/** What a decision of the memory store costs, what a key takes, and what a flood of keys does. */
export const memoryPart: Part<Results> = {
  name: 'memory',
  leftOutOfQuick: null,
  measure(quick) {
    return runScript('node', join(import.meta.dirname, 'memory.ts'), quick ? ['--quick'] : [], [
      '--expose-gc',
    ]) as Results
  },
  report(results) {
    return { section: sectionOf(results), goals: [] }
  },
}

function sectionOf({ millionPerSecond, bytesPerKey, floods }: Results): string {
  const speeds = Object.entries(millionPerSecond).map(
    ([load, { ours, peer, map, ...ratios }]) => `| ${load} | ${ours} | ${peer} | ${map} | ${ratios['ours ÷ peer']} |`,
  )
  const rows = floods.map(
    ({ keys, maxMiB, grownMiB, rssGrownMiB, kept, nanoseconds: { p50, p99, worst } }) =>
      `| ${keys.toLocaleString('en')} | ${maxMiB} | ${grownMiB} | ${rssGrownMiB} | ${kept.toLocaleString('en')} | ${p50} | ${p99} | ${worst} |`,
  )
  return `## Memory store

Node. The peer is a stand-in for hono-rate-limiter's MemoryStore (a Map of hits and reset, no bound), the Map one get and
set. Addresses as keys; where the text is made anew it is as in a server, where each request brings its own.

| load | ours, M/s | peer, M/s | Map, M/s | ours ÷ peer |
|---|---|---|---|---|
${speeds.join('\n')}

A key takes ${bytesPerKey.ours} bytes of ours, ${bytesPerKey.peer} of the peer's, ${bytesPerKey.map} of a Map's, text included where it is held.

A flood of distinct keys against a bound (64 MiB is the default). Growth is heap and array buffers after a collection; times are ns
a decision, means of 100.

| keys | bound, MiB | grown, MiB | RSS grown, MiB | kept | p50 | p99 | worst |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}
`
}
