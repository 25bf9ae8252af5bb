import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { sayIfLeftOut } from './left-out.ts'
import type { LoadCall } from './load.ts'
import { hasRedis, startRedis } from './server.ts'

const root = join(import.meta.dirname, '../..')
/** The deadline of a call, and what a busy machine may add to the answer. */
const LONGEST_MS = 250 + 350
const RECOVERY_MS = 10_000
/** As in load.ts. */
const LOCAL_QUOTA = 20

/** A client library under load: each its own process and runtime. */
const LOADS = [
  ['node', 'redis'],
  ['node', 'ioredis'],
  ['bun', 'bun'],
] as const

interface Report {
  readonly calls: readonly LoadCall[]
  readonly events: readonly string[]
}

sayIfLeftOut()

const marks: Record<string, number> = { 'the end': Number.POSITIVE_INFINITY }
const reports = new Map<string, Report>()

if (hasRedis) {
  beforeAll(async () => {
    const server = await startRedis()
    const loads = LOADS.map(([runtime, library]) => ({ library, ...spawnLoad(runtime, library, server.port) }))
    await Promise.all(loads.map(({ ready }) => ready))
    const mark = (name: string): void => {
      marks[name] = Date.now()
    }
    await pause(300)
    mark('scripts flushed')
    await server.command('SCRIPT', 'FLUSH')
    await pause(500)
    server.pause()
    mark('stopped')
    await pause(5_000)
    server.resume()
    mark('resumed')
    await pause(RECOVERY_MS / 2)
    mark('killing')
    await server.kill()
    mark('killed')
    await pause(1_000)
    await server.start()
    mark('started')
    await pause(RECOVERY_MS / 2)
    for (const { library, end } of loads) reports.set(library, await end())
    await server.stop()
  }, 60_000)
}

describe.runIf(hasRedis).each(LOADS)('%s > redis via %s under load', (runtime, library) => {
  const callsOf = (): readonly LoadCall[] => reports.get(library)!.calls
  const between = (what: LoadCall['what'], from: string, to: string, slackMs = 0): readonly LoadCall[] =>
    callsOf().filter((call) => call.what === what && call.at > marks[from]! + slackMs && call.at + call.ms < marks[to]!)
  const cameOf = (calls: readonly LoadCall[]): readonly string[] => [...new Set(calls.map(({ came }) => came))].sort()

  test('flushed scripts are noticed by nobody', () => {
    const calls = [...between('deny', 'scripts flushed', 'stopped'), ...between('claim', 'scripts flushed', 'stopped')]
    expect(calls.length).toBeGreaterThan(50)
    expect(cameOf(calls)).toEqual(['200', 'true'])
  })

  test('no call hangs past its deadline', () => {
    expect(callsOf().length).toBeGreaterThan(2_000)
    expect(callsOf().filter(({ ms }) => ms > LONGEST_MS)).toEqual([])
  })

  test('while Redis answers nothing every request is 503 and every claim an outage', () => {
    expect(between('deny', 'stopped', 'resumed').length).toBeGreaterThan(50)
    expect(cameOf(between('deny', 'stopped', 'resumed'))).toEqual(['503'])
    expect(cameOf(between('claim', 'stopped', 'resumed'))).toEqual(['StoreOutage'])
  })

  test('while Redis is gone likewise', () => {
    expect(between('deny', 'killed', 'started', 50).length).toBeGreaterThan(20)
    expect(cameOf(between('deny', 'killed', 'started', 50))).toEqual(['503'])
    expect(cameOf(between('claim', 'killed', 'started', 50))).toEqual(['StoreOutage'])
  })

  test('LIM-8 a limiter that may stand in lets its quota through in this process, and no more', () => {
    const away = [...between('local', 'stopped', 'resumed'), ...between('local', 'killed', 'started', 50)]
    expect(cameOf(away)).toEqual(['200', '429'])
    expect(away.filter(({ came }) => came === '200').length).toBeLessThanOrEqual(LOCAL_QUOTA)
    expect(callsOf().filter(({ what, came }) => what === 'local' && came === '200').length).toBeGreaterThan(0)
  })

  test('LIM-8 a limiter that may allow lets everything through, and says so', () => {
    const away = [...between('allow', 'stopped', 'resumed'), ...between('allow', 'killed', 'started', 50)]
    expect(away.length).toBeGreaterThan(50)
    expect(cameOf(away)).toEqual(['200'])
    for (const reason of ['allow', 'local']) expect(reports.get(library)!.events).toContain(`limit.degraded ${reason}`)
  })

  test.each([
    ['resumed', 'killing'],
    ['started', 'the end'],
  ])('requests are served again within 10 s after it is %s', (from, to) => {
    const served = between('deny', from, to).filter(({ came }) => came === '200')
    const healedAfterMs = served[0]!.at - marks[from]!
    console.log(`${runtime} > redis via ${library}: served again ${healedAfterMs} ms after it was ${from}`)
    expect(healedAfterMs).toBeLessThan(RECOVERY_MS)
    const later = between('deny', from, to, healedAfterMs + 500)
    expect(later.length).toBeGreaterThan(50)
    expect(cameOf(later)).toEqual(['200'])
  })

  test('the lost data is told, and single use stays closed', () => {
    expect(reports.get(library)!.events).toContain('store.lost flushed')
    const after = between('claim', 'started', 'the end')
    expect(after.length).toBeGreaterThan(50)
    expect(cameOf(after)).toEqual(['StoreOutage'])
  })
})

function spawnLoad(runtime: string, library: string, port: number): { ready: Promise<void>; end(): Promise<Report> } {
  const child: ChildProcess = spawn(
    join(root, 'node_modules/.bin', runtime),
    ['test/redis/load.ts', library, String(port)],
    {
      cwd: root,
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  let output = ''
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', (chunk) => {
      output += chunk
      if (output.includes('ready')) resolve()
    })
    child.once('close', () => reject(new Error(`The load ended at once: ${output}`)))
  })
  return {
    ready,
    async end() {
      child.stdin!.end()
      await ended
      return JSON.parse(output.trimEnd().split('\n').at(-1)!) as Report
    },
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
