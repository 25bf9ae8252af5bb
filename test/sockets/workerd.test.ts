import { join } from 'node:path'
import { digestApiKey } from 'hinoban'
import { Log, LogLevel, Miniflare } from 'miniflare'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleWorker } from '../support/bundle-worker.ts'
import { dial, dialUntilOpen, type Line, leavingStreams, mustDial, shake, until } from './client.ts'
import { makeUsers } from './server.ts'

/** workerd evicts an object that nobody called for 10 s; its sockets hibernate. */
const HIBERNATION_MS = 11_500

describe('workerd > LIM-5', () => {
  const { alice, bob } = makeUsers()
  let server: Miniflare
  let port: number
  beforeAll(async () => {
    server = new Miniflare({
      modules: await bundleWorker(join(import.meta.dirname, 'worker.ts')),
      compatibilityDate: '2026-07-30',
      // Tells of clients that leave.
      compatibilityFlags: ['enable_request_signal'],
      bindings: { ALICE: digestApiKey(alice), BOB: digestApiKey(bob) },
      durableObjects: {
        LEASES: { className: 'HinobanObject', useSQLite: true },
        ROOM: { className: 'Room', useSQLite: true },
      },
      cf: false,
      host: '127.0.0.1',
      port: 0,
      log: new Log(LogLevel.NONE),
    })
    port = Number((await server.ready).port)
  })
  afterAll(() => server?.dispose())

  const heardOf = async (line: Line, text: string): Promise<string> => {
    const before = line.heard.length
    line.say(text)
    await until(() => line.heard.length > before)
    return line.heard.at(-1)!
  }

  // Most of this one is waiting, for a room that nobody else calls: the others run meanwhile, one after the other.
  test.concurrent('a hibernating Durable Object: hibernation loses neither the count, nor long quotas, nor what the app attached', async () => {
    const lines: Line[] = []
    for (let i = 0; i < 5; i++) lines.push(await mustDial(port, alice, '/rooms/slow'))
    const [first, second, third] = lines as [Line, Line, Line]
    const before = await heardOf(first, 'who')
    expect(await heardOf(first, '2')).toBe('echo 2')
    third.say('overwrite')
    await new Promise((resolve) => setTimeout(resolve, HIBERNATION_MS))
    expect(await dial(port, alice, '/rooms/slow')).toBe(429)
    const after = await heardOf(first, 'who')
    expect(after).toMatch(/alice has 5 of 5 in life \d+$/)
    expect(after, 'it was another life of the object').not.toBe(before)
    first.say('4')
    expect((await first.closed).code).toBe(1008)
    third.say('5')
    expect((await third.closed).code, 'a quota that was overwritten has nothing left').toBe(1008)
    const answers = [await heardOf(second, '6'), await heardOf(second, '7'), await heardOf(second, '8')]
    expect(answers).toEqual(['echo 6', 'echo 7', 'refused 8'])
    await Promise.all(lines.map((line) => line.close()))
  }, 30_000)

  describe.concurrent('meanwhile', () => {
    describe('a hibernating Durable Object', { concurrent: false }, () => {
      test('of 30 handshakes at once 5 become sockets, and one that closes makes room for one', async () => {
        const answers = await Promise.all(Array.from({ length: 30 }, () => dial(port, alice, '/rooms/a')))
        const lines = answers.filter((one) => typeof one !== 'number')
        expect(lines).toHaveLength(5)
        expect(answers.filter((one) => typeof one === 'number')).toEqual(Array(25).fill(429))
        const other = await mustDial(port, bob, '/rooms/a')
        expect(await heardOf(other, 'who')).toMatch(/bob has 1 of 6 /)
        await lines[0]!.close()
        const { line } = await dialUntilOpen(port, alice, 2000, '/rooms/a')
        lines[1]!.socket.terminate()
        const { line: another } = await dialUntilOpen(port, alice, 2000, '/rooms/a')
        expect(await dial(port, alice, '/rooms/a')).toBe(429)
        await Promise.all([...lines.slice(2), line, another, other].map((one) => one.close()))
      })

      test('a connection that sends one message too many is closed with 1008', async () => {
        const line = await mustDial(port, alice, '/rooms/b')
        line.say(...Array.from({ length: 40 }, (_, i) => `${i}`))
        expect(await line.closed).toEqual({ code: 1008, reason: 'Too many messages.' })
        expect(line.heard.filter((text) => text.startsWith('echo')).length).toBeLessThanOrEqual(21)
        expect(line.heard.length).toBeGreaterThanOrEqual(20)
      })

      test('of 200 messages over 10 connections 100 are admitted, the others not, and nobody is closed', async () => {
        const lines: Line[] = []
        for (const key of [alice, bob]) for (let i = 0; i < 5; i++) lines.push(await mustDial(port, key, '/rooms/c'))
        const began = Date.now()
        for (let i = 0; i < 20; i++) for (const line of lines) line.say(`${i}`)
        await until(() => lines.every(({ heard }) => heard.length === 20))
        const seconds = (Date.now() - began) / 1000
        const echoes = lines.flatMap(({ heard }) => heard).filter((text) => text.startsWith('echo')).length
        expect(echoes).toBeGreaterThanOrEqual(100)
        expect(echoes).toBeLessThanOrEqual(100 + 10 * seconds)
        await Promise.all(lines.map((line) => line.close()))
      })

      test('a socket that the room accepted by itself is no way around the limit', async () => {
        const line = await mustDial(port, alice, '/rooms/d?stranger')
        line.say('hello')
        expect((await line.closed).reason).toMatch(/was not accepted by accept/)
      })

      test('what is no upgrade is 400', async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/rooms/e`, {
          headers: { authorization: `Bearer ${alice}` },
        })
        expect(answer.status).toBe(400)
      })
    })

    describe('sockets of a Worker, leased from a Durable Object store', { concurrent: false }, () => {
      test('of 30 handshakes at once 5 become sockets, and live on past their first leases', async () => {
        const answers = await Promise.all(Array.from({ length: 30 }, () => dial(port, alice)))
        const lines = answers.filter((one) => typeof one !== 'number')
        expect(lines).toHaveLength(5)
        expect(answers.filter((one) => typeof one === 'number')).toEqual(Array(25).fill(429))
        await new Promise((resolve) => setTimeout(resolve, 3000))
        expect(await dial(port, alice)).toBe(429)
        expect(await heardOf(lines[0]!, 'hello')).toBe('echo hello')
        await lines[0]!.close()
        // Sooner than a lease of 2 s would end: both are told.
        const { line } = await dialUntilOpen(port, alice, 1000)
        lines[1]!.socket.terminate()
        const { line: another } = await dialUntilOpen(port, alice, 1000)
        expect(await dial(port, alice)).toBe(429)
        await Promise.all([...lines.slice(2), line, another].map((one) => one.close()))
      })

      test('a connection that sends one message too many is closed with 1008', async () => {
        const line = await mustDial(port, bob)
        line.say(...Array.from({ length: 21 }, (_, i) => `${i}`))
        expect(await line.closed).toEqual({ code: 1008, reason: 'Too many messages.' })
        expect(line.heard).toHaveLength(20)
      })

      test('a stream holds its slot past its first lease, until the client leaves', async () => {
        await leavingStreams(port, bob)
      })

      test('a handshake that fails takes no slot for long', async () => {
        for (let i = 0; i < 10; i++) (await shake(port, bob, 'bad')).socket.destroy()
        const lines: Line[] = []
        for (let i = 0; i < 5; i++) lines.push((await dialUntilOpen(port, bob, 5000)).line)
        await Promise.all(lines.map((line) => line.close()))
      })
    })
  })
})
