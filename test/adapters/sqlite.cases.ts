import { strict as assert } from 'node:assert'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
// biome-ignore lint/correctness/noUnresolvedImports: Biome 2.5 does not know this module of Node 22.
import { DatabaseSync } from 'node:sqlite'
import { sqliteStore } from '../../adapters/sqlite.ts'
import type { StoreHarness } from '../../src/store/conformance.ts'
import { type ImmediateStore, type Store, StoreOutage } from '../../src/store/contract.ts'
import { makeRate } from '../../src/store/gcra.ts'
import { type Case, cases } from '../cases.ts'
import { limiterCasesOf } from '../limit/every-store.ts'
import { holdsOn } from '../limit/lockout-script.ts'
import { conformanceOf } from '../store/conformance.cases.ts'
import { StoppedClock } from '../support/fixtures.ts'

const START = 1_780_000_000_000
const HOUR = 3_600_000
const KEY = { partition: 'p', name: 'n' }

/** Runs `body` with a path in a folder of its own. */
function withPath(body: (path: string) => void): () => void {
  return () => {
    const folder = mkdtempSync(join(tmpdir(), 'hinoban-'))
    try {
      body(join(folder, 'state.db'))
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
}

function sqliteHarness(): StoreHarness {
  const folders = new WeakMap<Store, string>()
  const open: StoreHarness['open'] = (clock) => {
    const folder = mkdtempSync(join(tmpdir(), 'hinoban-'))
    return watched(sqliteStore({ path: join(folder, 'state.db'), clock }), folder)
  }
  const watched = (store: ImmediateStore, folder: string): ImmediateStore => {
    folders.set(store, folder)
    const close = store.close.bind(store)
    return Object.assign(store, {
      close: () => {
        close()
        rmSync(folder, { recursive: true, force: true })
      },
    })
  }
  return {
    consistency: 'atomic',
    open,
    another: (store, clock) => sqliteStore({ path: join(folders.get(store)!, 'state.db'), clock }),
    // A second handle, with the first still open and its log not yet folded in: what a killed process leaves.
    reopen: (store, clock) => {
      const folder = folders.get(store)!
      return watched(sqliteStore({ path: join(folder, 'state.db'), clock }), folder)
    },
  }
}

export const sqliteCases: readonly Case[] = [
  ...conformanceOf('sqlite', sqliteHarness()),
  ...limiterCasesOf('sqlite', sqliteHarness()),
  ...cases('PPL-3 on sqlite', {
    'the fifth wrong password locks, over a restart too, until the lock ends': async () => {
      const folder = mkdtempSync(join(tmpdir(), 'hinoban-'))
      const clock = new StoppedClock(START)
      const open = (): ImmediateStore => sqliteStore({ path: join(folder, 'state.db'), clock })
      const store = open()
      try {
        await holdsOn(store, open, clock)
      } finally {
        store.close()
        rmSync(folder, { recursive: true })
      }
    },
  }),
  ...cases('sqliteStore()', {
    'throws RangeError for what is no plain path': () => {
      for (const path of ['', ':memory:', 'file:state.db?mode=memory']) {
        assert.throws(() => sqliteStore({ path }), { name: 'RangeError', message: /^path / })
      }
    },
    'makes the file, its log and its index with mode 0600': withPath((path) => {
      const store = sqliteStore({ path })
      store.set(KEY, 1, null)
      for (const end of ['', '-wal', '-shm']) assert.equal(statSync(path + end).mode & 0o777, 0o600, end)
      store.close()
    }),
    'throws StoreOutage for a folder that is not there, and for a file that is no database': withPath((path) => {
      assert.throws(() => sqliteStore({ path: join(path, 'below', 'state.db') }), StoreOutage)
      writeFileSync(path, 'plain text '.repeat(500))
      assert.throws(() => sqliteStore({ path }), StoreOutage)
    }),
    'throws StoreOutage for a schema of another release': withPath((path) => {
      sqliteStore({ path }).close()
      const database = new DatabaseSync(path)
      database.exec("update hinoban_meta set value = 2 where key = 'schema'")
      database.close()
      assert.throws(() => sqliteStore({ path }), { name: 'StoreOutage', message: /schema 2/ })
    }),
    'shares one file between two handles': withPath((path) => {
      const [a, b] = [sqliteStore({ path }), sqliteStore({ path })]
      const rate = makeRate(10, 60)
      a.set(KEY, 'from a', null)
      assert.equal(b.get(KEY)?.value, 'from a')
      assert.deepEqual([a.claim({ ...KEY, name: 'c' }, 9e15), b.claim({ ...KEY, name: 'c' }, 9e15)], [true, false])
      let admitted = 0
      for (let i = 0; i < 30; i++) {
        if ((i % 2 ? a : b).consume('p', [{ name: 'n', rate, cost: 1 }]).admitted) admitted++
      }
      assert.equal(admitted, 10)
      a.close()
      assert.equal(b.take(KEY)?.value, 'from a')
      b.close()
    }),
    'throws StoreOutage within its 50 ms when the file is locked, and works again afterwards': withPath((path) => {
      const store = sqliteStore({ path })
      store.set(KEY, 'before', null)
      const other = new DatabaseSync(path)
      other.exec('begin immediate')
      const began = performance.now()
      assert.throws(
        () => store.set(KEY, 'secret', null),
        (error: Error) => {
          assert.ok(error instanceof StoreOutage && error.cause instanceof Error)
          assert.doesNotMatch(`${error.message} ${error.cause.message}`, /secret/)
          return true
        },
      )
      assert.throws(() => store.consume('p', [{ name: 'n', rate: makeRate(1, 1), cost: 1 }]), StoreOutage)
      assert.ok(performance.now() - began < 2_000)
      assert.equal(store.get(KEY)?.value, 'before')
      other.exec('rollback')
      other.close()
      store.set(KEY, 'after', null)
      assert.equal(store.get(KEY)?.value, 'after')
      store.close()
    }),
    'drops what ended an hour ago as writes come, and keeps the rest': withPath((path) => {
      const clock = { at: START, now: () => clock.at }
      const store = sqliteStore({ path, clock })
      const rate = makeRate(1, 1)
      // More than one look's worth of rows stand before those that end.
      for (let i = 0; i < 300; i++) store.set({ partition: 'a', name: `${i}` }, i, null)
      for (let i = 0; i < 100; i++) {
        store.claim({ partition: 'p', name: `${i}` }, START + 1)
        store.consume(`${i}`, [{ name: 'n', rate, cost: 1 }])
      }
      store.set(KEY, 1, null)
      clock.at = START + HOUR + 1_000
      for (let i = 0; i < 256; i++) store.set(KEY, i, null)
      store.close()
      const database = new DatabaseSync(path)
      assert.equal(database.prepare('select count(*) as n from hinoban_record').get()?.n, 301)
      assert.equal(database.prepare('select count(*) as n from hinoban_bucket').get()?.n, 0)
      database.close()
    }),
  }),
]
