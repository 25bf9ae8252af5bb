import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { hasRedis, startRedis } from '../test/redis/server.ts'
import { type Part, RUNTIMES, type RuntimeName, runScript } from './part.ts'
import { fixed, median, ratios, rounded, shown } from './statistics.ts'
import type { Group } from './stores/group.ts'
import { effort, MANY, type Row } from './stores/rounds.ts'
import { JSON_VALUE } from './stores/work.ts'
import { workersGroups } from './stores/workers.ts'

interface Result extends Group {
  readonly runtime: RuntimeName | 'workerd'
}

const MOST_P50 = 1.25
const LEAST_RATE = 1.05
const WISHED_RATE = 2

/** What each store costs on its engine, beside what the engine itself costs. */
export async function storesPart(quick: boolean): Promise<Part> {
  const results: Result[] = []
  const run = (runtime: RuntimeName, engine: string, ...args: readonly string[]): void => {
    const script = join(import.meta.dirname, 'stores/child.ts')
    console.error(`bench: ${engine} on ${runtime}`)
    const groups = runScript(runtime, script, [engine, ...args, ...(quick ? ['--quick'] : [])]) as readonly Group[]
    results.push(...groups.map((group) => ({ runtime, ...group })))
  }
  for (const runtime of RUNTIMES) run(runtime, 'memory')
  for (const runtime of RUNTIMES) run(runtime, 'sqlite')
  if (hasRedis) {
    for (const runtime of ['node', 'bun'] as const) {
      const server = await startRedis()
      try {
        run(runtime, 'redis', `--port=${server.port}`)
      } finally {
        await server.stop()
      }
    }
  }
  run('deno', 'deno-kv')
  console.error('bench: Durable Objects and KV in workerd')
  results.push(...(await workersGroups(effort(quick))).map((group) => ({ runtime: 'workerd' as const, ...group })))
  const versions = versionsOf()
  return { name: 'stores', results: { versions, groups: results }, section: sectionOf(results, versions, quick) }
}

function sectionOf(results: readonly Result[], versions: Record<string, string>, quick: boolean): string {
  const { rounds, roundMs } = effort(quick)
  const rows = results.flatMap(({ runtime, engine, rows }) =>
    [...new Set(rows.filter(({ floor }) => floor !== null).map(({ name }) => name))].map((name) => {
      const one = rowOf(rows, name, 1)!
      const floor = rowOf(rows, one.floor!, 1)!
      const many = rowOf(rows, name, MANY)
      const cells = [runtime, engine, name, rate(one), `${floor.name} ${rate(floor)}`, against(rows, one)]
      return `| ${[...cells, ...(many ? [rate(many), against(rows, many)] : ['the same', ''])].join(' | ')} |`
    }),
  )
  return `## Stores

${rounds} rounds of about ${roundMs} ms for each candidate, after 5,000 calls of each (fewer where they take longer than ${effort(quick).warmUpMs / 1000} s).
${Object.entries(versions)
  .map(([name, version]) => `${name} ${version}`)
  .join(', ')}.

\`consume\` makes one charge of a quota of 1,000,000 an hour, admitted unless the row says otherwise, over 4,096 addresses in turn (64 in workerd,
each an object or a key of its own); \`set\` and \`get\` one record of ${JSON_VALUE.length} bytes an address. The floor is what the engine itself does at its simplest, in the same rounds, on the
same connection or on a file of the same kind. A ratio is our rate by the floor's: 1.00 adds nothing. A store that answers at once
has no concurrency to gain from. Redis keeps nothing on disk here, and shares two cores with its clients; workerd stands on this
machine under miniflare, so its rows say nothing of Cloudflare's network. The clock of workerd counts whole milliseconds.

| runtime | engine | operation | one by one, per s | floor, per s | ÷ floor (middle half) | 64 at once, per s | ÷ floor (middle half) |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}

### Goals for Redis

${goals(results)}
`
}

/** Redis against INCR and the peer, each through the same client. */
function goals(results: readonly Result[]): string {
  if (!hasRedis) return 'Redis was left out, and so were its wrappers and its goals: this machine has no redis-server.'
  const latencies: string[] = []
  const rates: string[] = []
  for (const { runtime, engine, rows } of results) {
    if (!engine.startsWith('Redis, ')) continue
    const who = `| ${runtime} | ${engine.slice('Redis, '.length)}`
    const [incr, ours, peer] = ['INCR', 'consume', 'RateLimiterRedis'].map((name) => rowOf(rows, name, 1))
    const latency = ratios(ours!.p50Us, incr!.p50Us)
    const cells = [incr, ours, peer].map((row) => (row ? fixed(median(row.p50Us)) : '–'))
    const peerLatency = peer ? shown(ratios(peer.p50Us, incr!.p50Us)) : '–'
    const met = latency.median <= MOST_P50 ? 'met' : 'missed'
    latencies.push(`${who} | ${cells.join(' | ')} | ${shown(latency)} | ${peerLatency} | ${met} |`)
    for (const concurrency of [1, MANY]) {
      const [our, their] = ['consume', 'RateLimiterRedis'].map((name) => rowOf(rows, name, concurrency))
      if (!their) continue
      const share = ratios(our!.perSecond, their.perSecond)
      const verdict =
        share.median < LEAST_RATE ? 'missed' : share.median < WISHED_RATE ? 'met' : `met, and ${WISHED_RATE} too`
      rates.push(
        `${who} | ${concurrency} | ${rate(our!)} | ${rate(their)} | ${shown(share)} | ${concurrency === 1 ? '–' : verdict} |`,
      )
    }
  }
  return `By Redis's own clock, the p50 of a decision, one by one, is at most ${MOST_P50} times that of INCR through the same client. At 64 at once
there are at least ${LEAST_RATE} times as many decisions as rate-limiter-flexible's RateLimiterRedis makes through it; ${WISHED_RATE} times are wished for. Each
is judged on the median over rounds.

| runtime | client | INCR p50 µs | consume p50 µs | RateLimiterRedis p50 µs | consume ÷ INCR (middle half) | RateLimiterRedis ÷ INCR (middle half) | goal ${MOST_P50} |
|---|---|---|---|---|---|---|---|
${latencies.join('\n')}

| runtime | client | at once | consume, per s | RateLimiterRedis, per s | ratio (middle half) | goal ${LEAST_RATE} |
|---|---|---|---|---|---|---|
${rates.join('\n')}`
}

function rowOf(rows: readonly Row[], name: string, concurrency: number): Row | undefined {
  return rows.find((row) => row.name === name && row.concurrency === concurrency)
}

function rate({ perSecond }: Row): string {
  return rounded(median(perSecond))
}

function against(rows: readonly Row[], row: Row): string {
  return shown(ratios(row.perSecond, rowOf(rows, row.floor!, row.concurrency)!.perSecond))
}

function versionsOf(): Record<string, string> {
  const require = createRequire(import.meta.url)
  const packaged = (name: string): string => (require(`${name}/package.json`) as { version: string }).version
  const server = hasRedis ? /v=(\S+)/.exec(spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout) : null
  return {
    Node: process.versions.node,
    Bun: packaged('bun'),
    Deno: packaged('deno'),
    workerd: packaged('workerd'),
    'redis-server': server?.[1] ?? 'none',
    'node-redis': packaged('redis'),
    ioredis: packaged('ioredis'),
    'rate-limiter-flexible': packaged('rate-limiter-flexible'),
  }
}
