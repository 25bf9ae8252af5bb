import { afterAll, beforeAll } from 'vitest'
import { connect, type TestClient } from './clients.ts'
import { type RedisServer, startRedis } from './server.ts'

/** A Redis and a client of it for the tests of a block; both are there once they run. */
export interface UsedRedis {
  readonly server: RedisServer
  readonly client: TestClient
}

/** Starts a Redis before the tests of a block, and stops it after them. */
export function useRedis(library: Parameters<typeof connect>[0]): UsedRedis {
  const used = {} as { server: RedisServer; client: TestClient }
  beforeAll(async () => {
    used.server = await startRedis()
    used.client = await connect(library, used.server.port)
  })
  afterAll(async () => {
    used.client.close()
    await used.server.stop()
  })
  return used
}
