import { Cluster as IoCluster, Redis as IoRedis } from 'ioredis'
import { createClient, createCluster } from 'redis'
import type { RedisSend } from '../../adapters/redis/index.ts'

/** A client library as the README says to use it. */
export interface TestClient {
  readonly send: RedisSend
  close(): void
}

/** Connects by the library of that name; `bun` is Bun's own and needs Bun. */
export async function connect(library: 'redis' | 'ioredis' | 'bun', port: number): Promise<TestClient> {
  switch (library) {
    case 'redis': {
      const client = createClient({ socket: { host: '127.0.0.1', port }, disableOfflineQueue: true })
      client.on('error', () => undefined)
      await client.connect()
      return { send: (command) => client.sendCommand(command), close: () => client.destroy() }
    }
    case 'ioredis': {
      const client = new IoRedis(port, '127.0.0.1', {
        enableOfflineQueue: false,
        maxRetriesPerRequest: 0,
        lazyConnect: true,
      })
      client.on('error', () => undefined)
      await client.connect()
      return { send: (command) => client.call(...command), close: () => client.disconnect() }
    }
    case 'bun': {
      const { RedisClient } = (globalThis as unknown as { Bun: { RedisClient: new (...args: unknown[]) => BunRedis } })
        .Bun
      const client = new RedisClient(`redis://127.0.0.1:${port}`, { enableOfflineQueue: false, maxRetries: 1_000_000 })
      await client.connect()
      return { send: ([name, ...args]) => client.send(name, args), close: () => client.close() }
    }
  }
}

/** The same for a cluster. */
export async function connectCluster(library: 'redis' | 'ioredis', ports: readonly number[]): Promise<TestClient> {
  if (library === 'redis') {
    const client = createCluster({ rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })) })
    client.on('error', () => undefined)
    await client.connect()
    return { send: (command, key) => client.sendCommand(key, false, [...command]), close: () => client.destroy() }
  }
  const client = new IoCluster(
    ports.map((port) => ({ host: '127.0.0.1', port })),
    { lazyConnect: true },
  )
  client.on('error', () => undefined)
  await client.connect()
  return { send: (command) => client.call(...command), close: () => client.disconnect() }
}

interface BunRedis {
  connect(): Promise<void>
  send(name: string, args: readonly string[]): Promise<unknown>
  close(): void
}
