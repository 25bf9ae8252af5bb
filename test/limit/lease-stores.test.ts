import { strict as assert } from 'node:assert'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { redisStore } from '../../adapters/redis/index.ts'
import { sqliteStore } from '../../adapters/sqlite.ts'
import { ClockCheck, type Lease, takeSlot } from '../../src/limit/lease.ts'
import type { AtomicStore } from '../../src/store/contract.ts'
import { connect, type TestClient } from '../redis/clients.ts'
import { sayIfLeftOut } from '../redis/left-out.ts'
import { hasRedis, type RedisServer, startRedis } from '../redis/server.ts'

sayIfLeftOut()

/** Two handles of one store, as two processes have them. */
type Pair = readonly [AtomicStore, AtomicStore]

async function take(store: AtomicStore, partition: string, forMs: number): Promise<Lease | null> {
  const clock = { now: () => Date.now() }
  return takeSlot({ store, clock, partition, name: 'n', limit: 5, clocks: new ClockCheck() }, forMs)
}

/** What a lease must be over any real store. */
function leasesOver(open: () => Pair): void {
  test('of 200 that ask at once for 5 slots exactly 5 get one, 20 times over, and what they give back is free', async () => {
    const stores = open()
    for (let round = 0; round < 20; round++) {
      const partition = `lease::round:${round}`
      const taken = await Promise.all(Array.from({ length: 200 }, (_, i) => take(stores[i % 2]!, partition, 30_000)))
      const leases = taken.filter((lease) => lease !== null)
      assert.equal(leases.length, 5, `round ${round}`)
      await leases[0]!.release()
      await leases[3]!.release()
      const again = await Promise.all(Array.from({ length: 20 }, (_, i) => take(stores[i % 2]!, partition, 30_000)))
      assert.equal(again.filter((lease) => lease !== null).length, 2, `round ${round}`)
      assert.equal(await leases[1]!.renew(30_000), true)
    }
  })

  test('what a crashed process held is free when its leases end, and its late release frees nobody else', async () => {
    const [dead, living] = open()
    const partition = 'lease::crash:1'
    const left = await Promise.all(Array.from({ length: 5 }, () => take(dead, partition, 400)))
    const began = Date.now()
    assert.ok(left.every((lease) => lease !== null))
    assert.equal(await take(living, partition, 30_000), null)
    let first: Lease | null = null
    while (first === null) first = await take(living, partition, 30_000)
    assert.ok(Date.now() - began >= 300, `free after ${Date.now() - began} ms`)
    await new Promise((resolve) => setTimeout(resolve, 200))
    for (let i = 1; i < 5; i++) assert.notEqual(await take(living, partition, 30_000), null)
    for (const lease of left) {
      assert.equal(await lease!.renew(30_000), false)
      await lease!.release()
    }
    assert.equal(await take(living, partition, 30_000), null)
    assert.equal(await first.renew(30_000), true)
  })
}

describe('sqlite > LIM-5', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hinoban-'))
  const handle = (): AtomicStore => sqliteStore({ path: join(folder, 'state.db') })
  let stores: Pair
  beforeAll(() => {
    stores = [handle(), handle()]
  })
  afterAll(async () => {
    for (const store of stores) await store.close()
    rmSync(folder, { recursive: true })
  })
  leasesOver(() => stores)
})

describe.runIf(hasRedis)('redis > LIM-5', () => {
  let server: RedisServer
  let clients: readonly TestClient[]
  let stores: Pair
  beforeAll(async () => {
    server = await startRedis()
    clients = [await connect('ioredis', server.port), await connect('redis', server.port)]
    const [first, second] = clients.map(({ send }) => redisStore({ send, deadlineMs: 30_000 }))
    stores = [first!, second!]
  })
  afterAll(async () => {
    for (const client of clients ?? []) client.close()
    await server?.stop()
  })
  leasesOver(() => stores)
})
