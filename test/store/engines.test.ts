import { expect, test } from 'vitest'
import { casesFor, type StoreHarness, storeCases } from '../../src/store/conformance.ts'
import { cloudflareNames } from '../adapters/cloudflare.names.ts'
import { denoKvCases } from '../adapters/deno-kv.cases.ts'
import { sqliteCases } from '../adapters/sqlite.cases.ts'
import { redisHarness } from '../redis/conformance.ts'
import { portableCases } from '../run/all.ts'
import { conformanceOf } from './conformance.cases.ts'

const open: StoreHarness['open'] = () => {
  throw new Error('Nothing is opened here.')
}
const eventual = casesFor({ consistency: 'eventual', open }).length
const inOneProcess = casesFor({ consistency: 'atomic', open }).length
const all = storeCases.length

const redis = redisHarness({ send: async () => null })
const names: readonly { readonly name: string }[] = [
  ...portableCases,
  ...sqliteCases,
  ...denoKvCases,
  ...cloudflareNames,
  ...['redis', 'ioredis', 'bun'].flatMap((library) => conformanceOf(`redis via ${library}`, redis)),
  ...['redis', 'ioredis'].flatMap((library) => conformanceOf(`redis cluster via ${library}`, redis)),
]

/** What each engine is held to, by what it promises. The launchers check that just these cases ran. */
const engines: Record<string, { readonly runtimes: string; readonly cases: number }> = {
  memory: { runtimes: 'node, bun, deno, workerd', cases: inOneProcess },
  'with deadline': { runtimes: 'node, bun, deno, workerd', cases: inOneProcess },
  'remember denials': { runtimes: 'node, bun, deno, workerd', cases: inOneProcess },
  namespaced: { runtimes: 'node, bun, deno, workerd', cases: inOneProcess },
  encrypted: { runtimes: 'node, bun, deno, workerd', cases: inOneProcess },
  sqlite: { runtimes: 'node, bun, deno', cases: all },
  'redis via redis': { runtimes: 'node, deno', cases: all },
  'redis via ioredis': { runtimes: 'node', cases: all },
  'redis via bun': { runtimes: 'bun', cases: all },
  'redis cluster via redis': { runtimes: 'node', cases: all },
  'redis cluster via ioredis': { runtimes: 'node', cases: all },
  'deno kv': { runtimes: 'deno', cases: all },
  'durable object': { runtimes: 'workerd', cases: all },
  kv: { runtimes: 'workerd', cases: eventual },
}

test('the contract has as many cases as it had', () => {
  expect({ all, inOneProcess, eventual }).toEqual({ all: 75, inOneProcess: 69, eventual: 22 })
})

test.each(Object.entries(engines))('%s is held to every case of what it promises', (engine, { cases, runtimes }) => {
  const contract = new Set(storeCases.map(({ name }) => `${engine} > ${name}`))
  expect(names.filter(({ name }) => contract.has(name))).toHaveLength(cases)
  console.log(`${engine}: ${cases} cases of the contract on ${runtimes}`)
})
