import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { cpus, loadavg, release } from 'node:os'

/** Where a run was made, and with what. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly system: string
  /** Processes that ran or would, over the minute before. */
  readonly load: number
  readonly versions: Readonly<Record<string, string>>
}

const PACKAGES = [
  'bun',
  'deno',
  'workerd',
  'miniflare',
  'hono',
  '@hono/node-server',
  '@hono/zod-validator',
  'hono-rate-limiter',
  'rate-limiter-flexible',
  'zod',
  'redis',
  'ioredis',
  'esbuild',
]

export function machine(): Machine {
  const require = createRequire(import.meta.url)
  const server = spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout
  return {
    cpu: cpus()[0]!.model,
    cores: cpus().length,
    system: `${process.platform} ${release()} ${process.arch}`,
    load: loadavg()[0]!,
    versions: {
      node: process.versions.node,
      ...Object.fromEntries(PACKAGES.map((name) => [name, versionOf(require, name)])),
      'redis-server': /v=(\S+)/.exec(server ?? '')?.[1] ?? 'none',
    },
  }
}

/** Not every package lets its package.json be asked for. */
function versionOf(require: NodeJS.Require, name: string): string {
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return (require(`${folder}/${name}/package.json`) as { version: string }).version
    } catch {
      // It is in another one.
    }
  }
  return 'unknown'
}
