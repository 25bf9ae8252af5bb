import { freePort } from '../support/free-port.ts'
import { type RedisServer, startRedis } from './server.ts'

const NODES = 3
const SLOTS = 16_384
const JOIN_TIMEOUT_MS = 20_000

/** A real Redis Cluster of three masters. */
export interface TestCluster {
  readonly ports: readonly number[]
  stop(): Promise<void>
}

export async function startCluster(): Promise<TestCluster> {
  const nodes: RedisServer[] = []
  const buses: string[] = []
  for (let i = 0; i < NODES; i++) {
    const bus = String(await freePort())
    buses.push(bus)
    nodes.push(await startRedis('--cluster-enabled', 'yes', '--cluster-port', bus, '--cluster-node-timeout', '5000'))
  }
  const [first] = nodes
  for (const [i, node] of nodes.entries()) {
    const [from, to] = [i, i + 1].map((n) => Math.floor((n * SLOTS) / NODES)) as [number, number]
    await node.command('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to - 1))
    if (node !== first) await first!.command('CLUSTER', 'MEET', '127.0.0.1', String(node.port), buses[i]!)
  }
  const end = Date.now() + JOIN_TIMEOUT_MS
  for (const node of nodes) {
    while (!(await isWhole(node))) {
      if (Date.now() > end) throw new Error('The cluster did not come together.')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  return {
    ports: nodes.map(({ port }) => port),
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

async function isWhole(node: RedisServer): Promise<boolean> {
  const info = String(await node.command('CLUSTER', 'INFO'))
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${NODES}`)
}
