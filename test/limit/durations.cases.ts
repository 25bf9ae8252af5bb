import assert from 'node:assert/strict'
import { Durations } from '../../src/limit/durations.ts'
import { type Case, cases } from '../cases.ts'
import { exponential, seeded } from './adaptive.models.ts'

/** Adds samples of one kind at one instant. */
function add(durations: Durations, samples: readonly number[], kind = 'a', learns = false, now = 0): void {
  for (const ms of samples) durations.add(kind, ms, now, learns)
}

const times = (count: number, ms: number): number[] => Array.from({ length: count }, () => ms)

function assertNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 0.01 * expected, `${actual} is not ${expected}`)
}

/** Knows that a takes 5 ms and b 995. */
function knowing(): Durations {
  const durations = new Durations()
  add(durations, times(32, 5), 'a', true)
  add(durations, times(32, 995), 'b', true)
  durations.startOver()
  return durations
}

export const durationsCases: readonly Case[] = [
  ...cases('Durations', {
    'compares each kind with its own usual duration': () => {
      const durations = knowing()
      add(durations, times(20, 5), 'a')
      add(durations, times(20, 995), 'b')
      assertNear(durations.slowness, 1)
      durations.startOver()
      // With 5 ms of grace each takes twice as long.
      add(durations, times(20, 15), 'a')
      add(durations, times(20, 1995), 'b')
      assertNear(durations.slowness, 2)
      assert.equal(durations.size, 2)
      assert.equal(durations.samples, 40)
      assert.equal(durations.totalMs, 20 * 15 + 20 * 1995)
    },
    'takes no difference of less than a few milliseconds for slowness': () => {
      const durations = new Durations()
      add(durations, times(20, 0), 'a', true)
      durations.startOver()
      add(durations, times(20, 1))
      assert.ok(durations.slowness < 1.21)
    },
    'knows nothing of a kind before 16 samples, and nothing of 15 samples': () => {
      const durations = new Durations()
      add(durations, [...times(15, 5), ...times(20, 1000)], 'a', true)
      durations.startOver()
      add(durations, times(15, 100_000))
      assert.equal(durations.slowness, 0)
      add(durations, [100_000])
      assert.ok(durations.slowness > 10)
      const few = new Durations()
      for (let i = 0; i < 100; i++) few.add(`${i}`, i, 0, true)
      assert.equal(few.slowness, 0)
    },
    'what differs much by itself seems no slower by chance': () => {
      const random = seeded(5)
      const either = (): number => (random() < 0.5 ? 1 : 5000)
      const durations = new Durations()
      for (let i = 0; i < 1000; i++) durations.add('a', either(), 10 * i, true)
      let slow = 0
      for (let i = 0; i < 1000; i++) {
        durations.startOver()
        add(durations, Array.from({ length: 16 }, either))
        if (durations.slowness > 2) slow += 1
      }
      assert.ok(slow < 20, `${slow}`)
    },
    'what is slower for certain is told so, however much it differs by itself': () => {
      const random = seeded(6)
      const durations = new Durations()
      const samples = (count: number, ms: number): number[] =>
        Array.from({ length: count }, () => exponential(ms, random))
      add(durations, samples(64, 1000), 'a', true)
      durations.startOver()
      add(durations, samples(200, 5000))
      assert.ok(durations.slowness > 2, `${durations.slowness}`)
    },
    'what is usual follows what lasts by time, not by the number of requests': () => {
      const after = (perSecond: number, seconds: number): number => {
        const durations = knowing()
        for (let i = 1; i <= perSecond * seconds; i++) durations.add('a', 95, (i * 1000) / perSecond, true)
        durations.startOver()
        add(durations, times(20, 95))
        return durations.slowness
      }
      for (const perSecond of [10, 1000]) {
        assert.ok(after(perSecond, 5) > 5, `${after(perSecond, 5)}`)
        assert.ok(after(perSecond, 40) < 2, `${after(perSecond, 40)}`)
      }
    },
    'a clock that jumps by a year teaches no more than one sample of many': () => {
      for (const year of [3e10, -3e10]) {
        const durations = knowing()
        durations.add('a', 95, year, true)
        durations.startOver()
        add(durations, times(20, 5))
        assert.ok(durations.slowness > 0.9)
      }
    },
    'learns nothing while it must not, and takes all for usual when told': () => {
      const durations = knowing()
      for (let i = 0; i < 1000; i++) durations.add('a', 35, i * 1000, false)
      assertNear(durations.slowness, 4)
      durations.adopt()
      durations.startOver()
      add(durations, times(20, 35), 'a')
      assertNear(durations.slowness, 1)
      durations.startOver()
      add(durations, times(20, 995), 'b')
      assertNear(durations.slowness, 1)
    },
    'takes a clock that was set back for no time at all': () => {
      const durations = new Durations()
      add(durations, times(20, -3_600_000), 'a', true)
      durations.startOver()
      add(durations, times(20, -5))
      assertNear(durations.slowness, 1)
      assert.equal(durations.totalMs, 0)
    },
  }),
]
