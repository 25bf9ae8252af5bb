import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sayIfLeftOut } from '../redis/left-out.ts'
import { hasRedis, type RedisServer, startRedis } from '../redis/server.ts'
import { dial, dialUntilOpen, type Line, mustDial, until } from './client.ts'
import { makeUsers, type SocketServer, startSockets } from './server.ts'

const LEASE_SECONDS = 2

sayIfLeftOut()

describe.runIf(hasRedis)('redis > LIM-5', () => {
  const users = makeUsers()
  let redis: RedisServer
  let servers: SocketServer[]
  beforeAll(async () => {
    redis = await startRedis()
    const settings = { STORE: `redis:ioredis:${redis.port}`, LEASE_SECONDS: String(LEASE_SECONDS), CLOCK: 'running' }
    servers = await Promise.all([startSockets('node', settings, users), startSockets('node', settings, users)])
  })
  afterAll(async () => {
    for (const server of servers ?? []) await server.kill()
    await redis?.stop()
  })

  test('of 60 handshakes at once with two processes 5 become sockets, and they live on past their first leases', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => dial(servers[i % 2]!.port, users.alice)))
    const lines = answers.filter((one) => typeof one !== 'number')
    expect(lines).toHaveLength(5)
    expect(answers.filter((one) => typeof one === 'number')).toEqual(Array(55).fill(429))
    await new Promise((resolve) => setTimeout(resolve, LEASE_SECONDS * 1500))
    for (const server of servers) expect(await dial(server.port, users.alice)).toBe(429)
    for (const line of lines) expect(line.socket.readyState).toBe(line.socket.OPEN)
    await lines[0]!.close()
    const { line } = await dialUntilOpen(servers[1]!.port, users.alice, 1000)
    expect(await dial(servers[0]!.port, users.alice)).toBe(429)
    await Promise.all([...lines.slice(1), line].map((one) => one.close()))
  })

  test('over connections to two processes no more than 100 messages a second are heard', async () => {
    const lines: Line[] = []
    for (const key of [users.alice, users.bob])
      for (let i = 0; i < 5; i++) lines.push((await dialUntilOpen(servers[i % 2]!.port, key, 1000)).line)
    const began = Date.now()
    for (let i = 0; i < 20; i++) for (const line of lines) line.say(`${i}`)
    await until(() => lines.every(({ heard }) => heard.length === 20))
    const seconds = (Date.now() - began) / 1000
    const echoes = lines.flatMap(({ heard }) => heard).filter((text) => text.startsWith('echo')).length
    expect(echoes).toBeGreaterThanOrEqual(100)
    expect(echoes).toBeLessThanOrEqual(100 + 100 * seconds)
    for (const { heard } of lines)
      expect(heard.map((text) => text.split(' ')[1])).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
    await Promise.all(lines.map((line) => line.close()))
  })

  test('the slots of a process that is killed are free when its leases end, and never more than 5 sockets live', async () => {
    const [survivor, victim] = servers as [SocketServer, SocketServer]
    const kept = [(await dialUntilOpen(survivor.port, users.alice, 1000)).line]
    kept.push(await mustDial(survivor.port, users.alice))
    const lost: Line[] = []
    for (let i = 0; i < 3; i++) lost.push(await mustDial(victim.port, users.alice))
    expect(await dial(survivor.port, users.alice)).toBe(429)
    await victim.kill()
    const killedAt = Date.now()
    await Promise.all(lost.map(({ closed }) => closed))
    expect(await dial(survivor.port, users.alice)).toBe(429)
    // Somebody asks all the time, and long enough that a sixth would have come.
    const fresh: Line[] = []
    let freeAfterMs = 0
    while (Date.now() < killedAt + LEASE_SECONDS * 1500) {
      const line = await dial(survivor.port, users.alice)
      if (typeof line === 'number') continue
      fresh.push(line)
      freeAfterMs = Date.now() - killedAt
    }
    expect(fresh).toHaveLength(3)
    expect(freeAfterMs).toBeLessThan(LEASE_SECONDS * 1000 + 500)
    const live = [...kept, ...fresh].filter(({ socket }) => socket.readyState === socket.OPEN)
    expect(live).toHaveLength(5)
    await Promise.all(live.map((line) => line.close()))
  })

  test('when Redis hangs past the leases, sockets are closed with 1011 and no new one opens', async () => {
    const [server] = servers as [SocketServer]
    const line = (await dialUntilOpen(server.port, users.bob, 3000)).line
    redis.pause()
    try {
      expect((await line.closed).code).toBe(1011)
    } finally {
      redis.resume()
    }
    const { line: next } = await dialUntilOpen(server.port, users.bob, 5000)
    await next.close()
  })
})
