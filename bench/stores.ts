import { join } from 'node:path'
import { hasRedis, startRedis } from '../test/redis/server.ts'
import type { Goal } from './goals.ts'
import { type Part, RUNTIMES, type RuntimeName, runScript } from './part.ts'
import { type Effort, MANY, type Row } from './rounds.ts'
import { fixed, median, ratios, rounded, shown } from './statistics.ts'
import type { Group } from './stores/group.ts'
import { BAREST } from './stores/redis.ts'
import { JSON_VALUE } from './stores/work.ts'
import { workersGroups } from './stores/workers.ts'

interface Result extends Group {
  readonly runtime: RuntimeName | 'workerd'
}

const MOST_P50 = 1.25
const LEAST_RATE = 1.05
const WISHED_RATE = 2

interface Results {
  readonly effort: Effort
  readonly groups: readonly Result[]
}

/** Every row is two or three measures, so rounds are few and short: 7 rounds hold the median between their least and most. */
const EFFORT: Effort = { rounds: 7, roundMs: 40, warmUp: 5_000, warmUpMs: 300 }

/** What each store costs on its engine, beside what the engine itself costs. */
export const storesPart: Part<Results> = {
  name: 'stores',
  leftOutOfQuick: 'eleven engines and clients take longer to start and to fill than there is',
  async measure() {
    const groups: Result[] = []
    const run = (runtime: RuntimeName, engine: string, ...args: readonly string[]): void => {
      const script = join(import.meta.dirname, 'stores/child.ts')
      console.error(`bench: ${engine} on ${runtime}`)
      const found = runScript(runtime, script, [engine, JSON.stringify(EFFORT), ...args]) as readonly Group[]
      groups.push(...found.map((group) => ({ runtime, ...group })))
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
    groups.push(...(await workersGroups(EFFORT)).map((group) => ({ runtime: 'workerd' as const, ...group })))
    return { effort: EFFORT, groups }
  },
  report({ effort, groups }) {
    return { section: sectionOf(groups, effort), goals: redisGoals(groups) }
  },
}

function sectionOf(results: readonly Result[], { rounds, roundMs, warmUp, warmUpMs }: Effort): string {
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

${rounds} rounds of about ${roundMs} ms for each candidate, after ${rounded(warmUp)} calls of each (fewer where they take longer than ${warmUpMs} ms).

\`consume\` makes one charge of a quota of 1,000,000 an hour, admitted unless the row says otherwise, over 4,096 addresses in turn (64 in workerd,
each an object or a key of its own); \`set\` and \`get\` one record of ${JSON_VALUE.length} bytes an address. The floor is what the engine itself does at its simplest, in the same rounds, on the
same connection or on a file of the same kind. A ratio is our rate by the floor's: 1.00 adds nothing. A store that answers at once
has no concurrency to gain from. Redis keeps nothing on disk here, and shares two cores with its clients; workerd stands on this
machine under miniflare, so its rows say nothing of Cloudflare's network. The clock of workerd counts whole milliseconds.

| runtime | engine | operation | one by one, per s | floor, per s | ÷ floor (95%) | 64 at once, per s | ÷ floor (95%) |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}

### Redis beside INCR and the peer

${redisTables(results)}
`
}

/** Redis against INCR and the peer, each through the same client. */
function redisTables(results: readonly Result[]): string {
  const clients = redisClients(results)
  if (clients.length === 0) return 'Redis was left out, and so were its wrappers: this machine has no redis-server.'
  const latencies = clients.map(({ runtime, client, rows }) => {
    const [incr, ours, peer, barest] = ['INCR', 'consume', 'RateLimiterRedis', BAREST].map((name) =>
      rowOf(rows, name, 1),
    )
    const cells = [incr, ours, peer].map((row) => (row ? fixed(median(row.p50Us)) : '–'))
    const against = [ours, peer, barest].map((row) => (row ? shown(ratios(row.p50Us, incr!.p50Us)) : '–'))
    return `| ${[runtime, client, ...cells, ...against].join(' | ')} |`
  })
  const rates = clients.flatMap(({ runtime, client, rows }) =>
    [1, MANY].flatMap((concurrency) => {
      const [our, their] = ['consume', 'RateLimiterRedis'].map((name) => rowOf(rows, name, concurrency))
      if (!their) return []
      const cells = [
        runtime,
        client,
        concurrency,
        rate(our!),
        rate(their),
        shown(ratios(our!.perSecond, their.perSecond)),
      ]
      return [`| ${cells.join(' | ')} |`]
    }),
  )
  return `By Redis's own clock; the p50 of a decision one by one, each call of one followed by a call of another, and decisions beside those
of rate-limiter-flexible's RateLimiterRedis. The last column is the least that a script by that clock can do: the hours on which this machine
answers an \`INCR\` faster, all scripts cost more of it.

| runtime | client | INCR p50 µs | consume p50 µs | RateLimiterRedis p50 µs | consume ÷ INCR (95%) | RateLimiterRedis ÷ INCR (95%) | TIME, GET, SET in a script ÷ INCR (95%) |
|---|---|---|---|---|---|---|---|
${latencies.join('\n')}

| runtime | client | at once | consume, per s | RateLimiterRedis, per s | ratio (95%) |
|---|---|---|---|---|---|
${rates.join('\n')}`
}

function redisGoals(results: readonly Result[]): readonly Goal[] {
  return redisClients(results).flatMap(({ runtime, client, rows }): Goal[] => {
    const on = `${runtime}, ${client}`
    const p50: Goal = {
      what: 'Redis: p50 of a decision ÷ INCR',
      on,
      wants: 'at most',
      least: MOST_P50,
      wished: null,
      seen: ratios(rowOf(rows, 'consume', 1)!.p50Us, rowOf(rows, 'INCR', 1)!.p50Us),
    }
    const their = rowOf(rows, 'RateLimiterRedis', MANY)
    if (!their) return [p50]
    const seen = ratios(rowOf(rows, 'consume', MANY)!.perSecond, their.perSecond)
    const what = `Redis: decisions ÷ RateLimiterRedis', ${MANY} at once`
    return [p50, { what, on, wants: 'at least', least: LEAST_RATE, wished: WISHED_RATE, seen }]
  })
}

function redisClients(results: readonly Result[]) {
  return results
    .filter(({ engine }) => engine.startsWith('Redis, '))
    .map(({ runtime, engine, rows }) => ({ runtime, client: engine.slice('Redis, '.length), rows }))
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
