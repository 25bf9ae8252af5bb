import { afterAll, test } from 'vitest'
import { resultsOf, testsOf } from '../run/child.ts'
import { connect, connectCluster } from './clients.ts'
import { startCluster } from './cluster.ts'
import { redisCases, redisHarness } from './conformance.ts'
import { sayIfLeftOut } from './left-out.ts'
import { hasRedis, startRedis } from './server.ts'

const LIBRARIES = ['redis', 'ioredis'] as const

sayIfLeftOut()
if (hasRedis) {
  const server = await startRedis()
  const cluster = await startCluster()
  const clients = [
    ...(await Promise.all(LIBRARIES.map((library) => connect(library, server.port)))),
    ...(await Promise.all(LIBRARIES.map((library) => connectCluster(library, cluster.ports)))),
  ]
  afterAll(async () => {
    for (const client of clients) client.close()
    await Promise.all([server.stop(), cluster.stop()])
  })
  for (const [i, library] of LIBRARIES.entries()) {
    const single = redisCases(`redis via ${library}`, redisHarness(clients[i]!))
    const sharded = redisCases(
      `redis cluster via ${library}`,
      redisHarness({ ...clients[LIBRARIES.length + i]!, cluster: true }),
    )
    for (const { name, run } of [...single, ...sharded]) test(name, () => run())
  }
  const names = (library: string) => redisCases(`redis via ${library}`, redisHarness(clients[0]!))
  const port = String(server.port)
  const child = 'test/redis/child.ts'
  testsOf('bun', await resultsOf('bun', child, 'bun', port), names('bun'))
  const deno = ['run', '--no-remote', '--node-modules-dir=manual', '-A', child]
  testsOf('deno', await resultsOf('deno', ...deno, 'redis', port), names('redis'))
}
