import { strict as assert } from 'node:assert'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
// biome-ignore lint/correctness/noUnresolvedImports: Biome 2.5 does not know this module of Node 22.
import { DatabaseSync } from 'node:sqlite'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { denoKvStore } from '../../adapters/deno/kv.ts'
import type { DenoKv, DenoKvAtomic, DenoKvKey } from '../../adapters/deno/kv-engine.ts'
import type { Clock } from '../../src/clock.ts'
import type { StoreHarness } from '../../src/store/conformance.ts'
import { type AtomicStore, type Store, StoreOutage } from '../../src/store/contract.ts'
import { makeRate, type Rate } from '../../src/store/gcra.ts'
import { type Case, cases } from '../cases.ts'
import { limiterCasesOf } from '../limit/every-store.ts'
import { conformanceOf } from '../store/conformance.cases.ts'

/** The engine itself, with what the cases need of it beside the store. Only what a case runs may touch it. */
interface RealKv extends DenoKv {
  set(key: DenoKvKey, value: unknown): Promise<unknown>
}
declare const Deno: { openKv(path: string): Promise<RealKv> }

const START = 1_780_000_000_000
const HOUR = 3_600_000
const KEY = { partition: 'p', name: 'n' }
const TEN = makeRate(10, 60)
const STOPPED: Clock = { now: () => START }
const one = (name: string, rate: Rate = TEN) => [{ name, rate, cost: 1 }]

/** Runs `body` with a path in a folder of its own. */
function withPath(body: (path: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hinoban-'))
    try {
      await body(join(folder, 'state.kv'))
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
}

/** Runs `body` with a store, the engine below it and the path of its file. */
function withStore(body: (store: AtomicStore, kv: RealKv, path: string) => Promise<void>): () => Promise<void> {
  return withPath(async (path) => {
    const kv = await Deno.openKv(path)
    const store = denoKvStore(kv, { clock: STOPPED, deadlineMs: 30_000 })
    try {
      await body(store, kv, path)
    } finally {
      await store.close()
    }
  })
}

function harness(): StoreHarness {
  const folders = new WeakMap<Store, string>()
  const connect = async (folder: string, clock: Clock): Promise<AtomicStore> => {
    const store = denoKvStore(await Deno.openKv(join(folder, 'state.kv')), { clock, deadlineMs: 30_000 })
    folders.set(store, folder)
    return store
  }
  const removing = (store: AtomicStore): AtomicStore => {
    const close = store.close.bind(store)
    return Object.assign(store, {
      close: async () => {
        await close()
        rmSync(folders.get(store)!, { recursive: true, force: true })
      },
    })
  }
  return {
    consistency: 'atomic',
    open: async (clock) => removing(await connect(mkdtempSync(join(tmpdir(), 'hinoban-')), clock)),
    another: (store, clock) => connect(folders.get(store)!, clock),
    // A second connection, with the first still open: what a killed process leaves.
    reopen: async (store, clock) => removing(await connect(folders.get(store)!, clock)),
  }
}

/** The engine, with something done before each of its calls; `before` may throw. */
function watched(kv: DenoKv, before: (call: 'getMany' | 'list' | 'commit') => Promise<void>): DenoKv {
  return {
    getMany: async (keys) => {
      await before('getMany')
      return kv.getMany(keys)
    },
    list: async function* (selector, options) {
      await before('list')
      yield* kv.list(selector, options)
    },
    atomic: () => {
      const operation = kv.atomic()
      const verbs: DenoKvAtomic = {
        check: (check) => operation.check(check),
        set: (key, value, options) => operation.set(key, value, options),
        delete: (key) => operation.delete(key),
        commit: async () => {
          await before('commit')
          return operation.commit()
        },
      }
      return verbs
    },
    close: () => kv.close(),
  }
}

/** When the file says that each key may be collected, ms from now, in the order of the keys; null for never. */
function collectedIn(path: string): readonly (number | null)[] {
  const database = new DatabaseSync(path)
  try {
    const rows = database.prepare('select expiration_ms as at from kv order by k').all() as { at: number }[]
    return rows.map(({ at }) => (at < 0 ? null : at - Date.now()))
  } finally {
    database.close()
  }
}

function isNear(actual: number | null | undefined, expected: number): void {
  assert.ok(typeof actual === 'number' && Math.abs(actual - expected) < 5_000, `${actual} instead of ${expected}`)
}

const outage = (error: unknown): boolean => error instanceof StoreOutage
const outageWithCause = (error: unknown): boolean => error instanceof StoreOutage && error.cause instanceof Error

/** Every verb once, on a key of its own. */
function everyVerb(store: AtomicStore): readonly (() => Promise<unknown>)[] {
  return [
    async () => store.get(KEY),
    async () => store.set(KEY, 1, null),
    async () => store.delete({ ...KEY, name: 'd' }),
    async () => store.list('p', '', null),
    async () => store.claim({ ...KEY, name: 'c' }, START + 1),
    async () => store.take(KEY),
    async () => store.swap({ ...KEY, name: 's' }, null, 1, null),
    async () => store.consume('p', one('n')),
  ]
}

/** What a process says next; it must not end before. */
async function saidBy({ stdout }: ChildProcessByStdio<Writable, Readable, null>): Promise<string> {
  const [said] = await Promise.race([once(stdout, 'data'), once(stdout, 'end')])
  assert.ok(said !== undefined, 'The process ended without a word.')
  return String(said)
}

/** How many of the `racers` calls of each of some processes of Deno were admitted, all begun together. */
async function raceOf(path: string, processes: number, racers: number): Promise<number> {
  const child = fileURLToPath(new URL('deno-kv.race.ts', import.meta.url))
  const flags = ['run', '--no-remote', '--node-modules-dir=manual', '-A', '--unstable-kv']
  const started = Array.from({ length: processes }, async () => {
    const racer = spawn(process.execPath, [...flags, child, path, `${racers}`], { stdio: ['pipe', 'pipe', 'inherit'] })
    assert.equal(await saidBy(racer), 'ready\n')
    return racer
  })
  const ready = await Promise.all(started)
  const admitted = ready.map(async (racer) => {
    const said = saidBy(racer)
    racer.stdin.write('go\n')
    return Number(await said)
  })
  return (await Promise.all(admitted)).reduce((sum, count) => sum + count, 0)
}

/** Cases that only Deno can run, with `--unstable-kv`; any runtime can read their names. */
/** Waits until a breaker that has just opened lets a call try. */
function breakerTries(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 600))
}

export const denoKvCases: readonly Case[] = [
  ...conformanceOf('deno kv', harness()),
  ...limiterCasesOf('deno kv', harness()),
  ...cases('deno kv > denoKvStore()', {
    'keeps the instant in the value and lets Deno KV collect an hour late by the deciding clock': withStore(
      async (store, _kv, path) => {
        await store.consume('p', one('bucket', makeRate(1, 10)))
        await store.set({ ...KEY, name: 'a' }, 1, START + 1_000)
        await store.claim({ ...KEY, name: 'b' }, START + 2_000)
        await store.swap({ ...KEY, name: 'c' }, null, 1, null)
        await store.set({ ...KEY, name: 'd' }, 1, Number.MAX_SAFE_INTEGER)
        await store.set({ ...KEY, name: 'e' }, 1, START - 2 * HOUR)
        const [bucket, a, b, c, d, e] = collectedIn(path)
        isNear(bucket, HOUR + 10_000)
        isNear(a, HOUR + 1_000)
        isNear(b, HOUR + 2_000)
        assert.deepEqual([c, d], [null, null])
        isNear(e, 0)
        // Deno KV collects when it opens a file, and then every minute.
        await new Promise((resolve) => setTimeout(resolve, 5))
        const again = await Deno.openKv(path)
        await again.getMany([['x']])
        again.close()
        assert.equal(collectedIn(path).length, 5)
      },
    ),
    'keeps 48 KiB of text in any script, and gives it back from every verb': withStore(async (store) => {
      const texts = ['é'.repeat(24_575), '漢'.repeat(16_383), '👩'.repeat(12_287), `ü漢${'x'.repeat(49_145)}`]
      for (const text of texts) {
        await store.set(KEY, text, null)
        assert.equal((await store.get(KEY))?.value, text)
        assert.equal((await store.list('p', '', null)).entries[0]?.value, text)
        assert.equal((await store.take(KEY))?.value, text)
        assert.notEqual(await store.swap(KEY, null, text, START + 1), null)
        assert.equal((await store.get(KEY))?.value, text)
      }
    }),
    'leaves hashed names out of list(), and goes on past pages without a live record': withStore(async (store) => {
      for (let i = 0; i < 60; i++) await store.claim({ partition: 'p', name: 'a'.repeat(200 + i) }, START + 1)
      for (let i = 0; i < 60; i++) await store.set({ partition: 'p', name: `b${i}` }, i, START)
      await store.set({ partition: 'p', name: 'c' }, 'last', null)
      const first = await store.list('p', '', null)
      assert.deepEqual(first.entries, [])
      const second = await store.list('p', '', first.cursor)
      assert.deepEqual([second.entries.map(({ name }) => name), second.cursor], [['c'], null])
      assert.deepEqual(await store.list('p', 'b', 'c'), { entries: [], cursor: null })
    }),
    'throws StoreOutage with the cause for every error of the engine': withPath(async (path) => {
      const kv = await Deno.openKv(path)
      const broken = watched(kv, async () => {
        throw new RangeError('of the engine')
      })
      for (const i of everyVerb(denoKvStore(broken)).keys()) {
        await assert.rejects(everyVerb(denoKvStore(broken))[i]!, outageWithCause)
      }
      kv.close()
      for (const i of everyVerb(denoKvStore(kv)).keys()) {
        await assert.rejects(everyVerb(denoKvStore(kv))[i]!, outageWithCause)
      }
      await assert.rejects(async () => denoKvStore(kv).close(), outageWithCause)
    }),
    'throws StoreOutage for what it did not write': withStore(async (store, kv) => {
      for (const value of ['a text', new Uint8Array([0xff]), new TextEncoder().encode('{')]) {
        await kv.set(['hinoban', 'record', 'p', 'n'], value)
        await assert.rejects(async () => store.get(KEY), outage)
        await assert.rejects(async () => store.list('p', '', null), outage)
        await assert.rejects(async () => store.claim(KEY, START + 1), outage)
        await store.get({ ...KEY, name: 'sound' }) // So that the breaker stays closed.
      }
    }),
    'writes over what another connection wrote meanwhile only after it has decided again': withPath(async (path) => {
      const [kv, other] = [
        await Deno.openKv(path),
        denoKvStore(await Deno.openKv(path), { clock: STOPPED, deadlineMs: 30_000 }),
      ]
      let meanwhile: (() => Promise<unknown>) | null = null
      const store = denoKvStore(
        watched(kv, async (call) => {
          const write = call === 'commit' ? meanwhile : null
          if (write === null) return
          meanwhile = null
          await write()
        }),
        { clock: STOPPED, deadlineMs: 30_000 },
      )
      meanwhile = async () => other.claim(KEY, START + 1)
      assert.equal(await store.claim(KEY, START + 1), false)
      meanwhile = async () => other.set(KEY, 'theirs', null)
      assert.equal((await store.take(KEY))?.value, 'theirs')
      meanwhile = async () => other.swap(KEY, null, 'theirs', null)
      assert.equal(await store.swap(KEY, null, 'ours', null), null)
      meanwhile = async () => other.take(KEY)
      assert.equal(await store.take(KEY), null)
      meanwhile = async () => other.consume('p', [{ name: 'n', rate: TEN, cost: 10 }])
      assert.equal((await store.consume('p', one('n'))).admitted, false)
      meanwhile = async () => other.consume('p', [{ name: 'n', rate: TEN, cost: -3 }])
      assert.equal((await store.consume('p', [{ name: 'n', rate: TEN, cost: 0 }])).states[0]?.remaining, 3)
      assert.equal(meanwhile, null)
      await other.close()
      await store.close()
    }),
    'writes again when the file was locked for a moment': withPath(async (path) => {
      const kv = await Deno.openKv(path)
      await kv.getMany([['x']]) // Opening goes on in the background, and waits for a lock without end.
      const database = new DatabaseSync(path)
      let commits = 0
      const store = denoKvStore(
        watched(kv, async (call) => {
          if (call !== 'commit') return
          if (++commits % 2 === 1) database.exec('begin immediate')
          else database.exec('rollback')
        }),
        { clock: STOPPED, deadlineMs: 30_000 },
      )
      await store.set(KEY, 'here', null)
      assert.equal((await store.take(KEY))?.value, 'here')
      assert.equal(await store.claim(KEY, START + 1), true)
      await store.delete(KEY)
      assert.notEqual(await store.swap(KEY, null, 1, null), null)
      assert.deepEqual((await store.consume('p', one('n'))).states[0]?.remaining, 9)
      assert.equal(commits, 12)
      database.close()
      await store.close()
    }),
    'throws StoreOutage after 2 s while the file stays locked, however many wait': withStore(
      async (store, _kv, path) => {
        await store.set(KEY, 'before', null)
        const database = new DatabaseSync(path)
        database.exec('begin immediate')
        const began = performance.now()
        const [got, ...ended] = await Promise.allSettled([
          store.get(KEY),
          ...Array.from({ length: 5 }, async (_, i) => store.set({ partition: 'p', name: `${i}` }, i, null)),
          store.delete(KEY),
          store.take(KEY),
          store.claim({ partition: 'p', name: 'c' }, START + 1),
          store.consume('p', one('n')),
        ])
        assert.ok(performance.now() - began < 4_000, `${performance.now() - began} ms`)
        assert.equal(got.status, 'fulfilled')
        assert.ok(ended.every((each) => each.status === 'rejected' && outage(each.reason)))
        database.exec('rollback')
        database.close()
        await breakerTries()
        assert.equal((await store.get(KEY))?.value, 'before')
        assert.equal((await store.consume('p', one('n'))).states[0]?.remaining, 9)
      },
    ),
    'throws StoreOutage after 5 s without an answer, as when the file is locked while it opens': withPath(
      async (path) => {
        const first = denoKvStore(await Deno.openKv(path), { deadlineMs: 30_000 })
        await first.set(KEY, 'before', null)
        await first.close()
        const database = new DatabaseSync(path)
        database.exec('begin immediate')
        const store = denoKvStore(await Deno.openKv(path), { clock: STOPPED, deadlineMs: 30_000 })
        const began = performance.now()
        const verbs = everyVerb(store).map((verb) => assert.rejects(verb, outageWithCause))
        await Promise.all(verbs)
        assert.ok(performance.now() - began < 7_000, `${performance.now() - began} ms`)
        database.exec('rollback')
        database.close()
        await breakerTries()
        assert.equal((await store.consume('p', one('other'))).admitted, true)
        await store.close()
      },
    ),
    'settles what is under way when it is closed, and is closed twice': withPath(async (path) => {
      const store = denoKvStore(await Deno.openKv(path), { clock: STOPPED, deadlineMs: 30_000 })
      const calls = Array.from({ length: 300 }, (_, i) => [
        store.consume(`p${i % 3}`, one('n')),
        store.set({ partition: 'p', name: `${i}` }, i, null),
        store.claim(KEY, START + 1),
        store.list('p', '', null),
      ]).flat()
      await Promise.all([store.close(), store.close()])
      const ended = await Promise.allSettled(calls)
      const refused = ended.filter((each) => each.status === 'rejected')
      assert.ok(refused.length > 0 && refused.every(({ reason }) => outage(reason)))
      for (const verb of everyVerb(store)) await assert.rejects(verb, outage)
      await store.close()
    }),
    'admits exactly 100 of 4000 racers in 4 processes': withPath(async (path) => {
      assert.equal(await raceOf(path, 4, 1_000), 100)
    }),
  }),
  ...cases('deno kv > consume()', {
    'makes a thousand parallel calls in a few commits': withPath(async (path) => {
      let commits = 0
      const kv = watched(await Deno.openKv(path), async (call) => {
        if (call === 'commit') commits++
      })
      const store = denoKvStore(kv, { clock: STOPPED, deadlineMs: 30_000 })
      const rate = makeRate(2_000, 60)
      const calls = Array.from({ length: 1_000 }, async () => store.consume('p', one('n', rate)))
      const decisions = await Promise.all(calls)
      // In the order of the calls, each as if it had been alone.
      assert.deepEqual(
        decisions.map(({ states }) => states[0]?.remaining),
        decisions.map((_, i) => 1_999 - i),
      )
      assert.ok(commits <= 3, `${commits} commits`)
      await store.close()
    }),
    'writes nothing for calls that are refused': withPath(async (path) => {
      let commits = 0
      const kv = watched(await Deno.openKv(path), async (call) => {
        if (call === 'commit') commits++
      })
      const store = denoKvStore(kv, { clock: STOPPED, deadlineMs: 30_000 })
      await store.consume('p', [{ name: 'n', rate: TEN, cost: 10 }])
      const decisions = await Promise.all(Array.from({ length: 50 }, async () => store.consume('p', one('n'))))
      assert.ok(decisions.every(({ admitted }) => admitted === false))
      assert.equal(commits, 1)
      await store.close()
    }),
    'fails a malformed call alone': withStore(async (store, kv) => {
      await kv.set(['hinoban', 'bucket', 'p', 'foreign'], 'a text')
      const bad: readonly (readonly [object, string])[] = [
        [{ name: 'n', rate: TEN, cost: 0.5 }, 'RangeError'],
        [{ name: 'n', rate: undefined, cost: 1 }, 'TypeError'],
        [{ name: 'n', rate: { ...TEN, stepUs: Number.NaN }, cost: -1 }, 'RangeError'],
        [{ name: '\ud800', rate: TEN, cost: 1 }, 'RangeError'],
        [{ name: 'foreign', rate: TEN, cost: 1 }, 'StoreOutage'],
      ]
      const calls = bad.map(async ([charge]) => store.consume('p', [charge] as unknown as ReturnType<typeof one>))
      const [good, ...ended] = await Promise.allSettled([
        Promise.all(Array.from({ length: 5 }, async () => store.consume('p', one('n')))),
        ...calls,
        store.consume('p', [...one('n'), ...one('n')]),
        store.consume('p', one('n')),
      ])
      assert.equal(good.status, 'fulfilled')
      assert.deepEqual(
        ended.map((each) => (each.status === 'rejected' ? (each.reason as Error).name : each.value.admitted)),
        [...bad.map(([, name]) => name), 'RangeError', true],
      )
      assert.equal((await store.consume('p', one('n'))).states[0]?.remaining, 3)
    }),
    'decides 100 charges in one call, all or nothing, and refuses more': withStore(async (store) => {
      const charges = Array.from({ length: 101 }, (_, i) => ({ name: `${i}`, rate: TEN, cost: 1 }))
      await assert.rejects(async () => store.consume('p', charges), { name: 'RangeError', message: /at most 100/ })
      const hundred = charges.slice(0, 100)
      const decisions = await Promise.all(Array.from({ length: 15 }, async () => store.consume('p', hundred)))
      assert.equal(decisions.filter(({ admitted }) => admitted === true).length, 10)
      await store.consume('p', [{ name: '99', rate: TEN, cost: -1 }])
      assert.equal((await store.consume('p', hundred)).admitted, false)
      assert.deepEqual((await store.consume('p', [{ name: '99', rate: TEN, cost: 0 }])).states[0]?.remaining, 1)
    }),
    'lets 16,384 calls wait, and the next are StoreOutage': withStore(async (store) => {
      const rate = makeRate(100_000, 60)
      const calls = Array.from({ length: 16_484 }, async (_, i) => store.consume(`p${i % 5}`, one('n', rate)))
      const ended = await Promise.allSettled(calls)
      const refused = ended.filter((each) => each.status === 'rejected')
      assert.ok(refused.length === 100 && refused.every(({ reason }) => outage(reason)), `${refused.length}`)
      assert.equal((await store.consume('p0', one('n', rate))).admitted, true)
    }),
  }),
]
