import assert from 'node:assert/strict'
import { Durations } from '../../src/limit/durations.ts'
import { type Case, cases } from '../cases.ts'
import { exponential, seeded } from './adaptive.models.ts'

/** Adds samples of one kind, each from a turn of its own. */
function add(durations: Durations, samples: readonly number[], kind = 'a', turnMs = 1): void {
  for (const ms of samples) {
    durations.add(kind, ms, turnMs)
    durations.endTurn()
  }
}

const times = (count: number, ms: number): number[] => Array.from({ length: count }, () => ms)

function assertNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 0.01 * expected, `${actual} is not ${expected}`)
}

export const durationsCases: readonly Case[] = [
  ...cases('Durations', {
    'compares each kind with its own usual duration': () => {
      const durations = new Durations()
      for (let i = 0; i < 20; i++) {
        durations.learn('cheap', 5)
        durations.learn('dear', 995)
      }
      add(durations, times(10, 5), 'cheap')
      add(durations, times(10, 995), 'dear')
      assertNear(durations.slowness, 1)
      durations.startOver()
      // With 5 ms of grace each takes twice as long.
      add(durations, times(10, 15), 'cheap')
      add(durations, times(10, 1995), 'dear')
      assertNear(durations.slowness, 2)
      assert.equal(durations.size, 2)
    },
    'takes no difference of less than a few milliseconds for slowness': () => {
      const durations = new Durations()
      durations.learn('a', 0)
      add(durations, times(20, 1))
      assert.ok(durations.slowness < 1.21)
    },
    'is sure of 16 like samples, and of no fewer than are asked for': () => {
      const durations = new Durations()
      add(durations, times(15, 20))
      assert.equal(durations.isSure(4), false)
      add(durations, [20])
      assert.equal(durations.isSure(4), true)
      assert.equal(durations.isSure(17), false)
    },
    'is sure of unlike samples only when there are many': () => {
      const random = seeded(5)
      const durations = new Durations()
      const samples = (count: number): number[] => Array.from({ length: count }, () => exponential(1000, random))
      for (const ms of samples(100)) durations.learn('a', ms)
      add(durations, samples(50))
      assert.equal(durations.isSure(4), false)
      add(durations, samples(450))
      assert.equal(durations.isSure(4), true)
    },
    'is not sure of what came in few turns, unless they were very slow': () => {
      const durations = new Durations()
      const turn = (turnMs: number): void => {
        for (let i = 0; i < 10; i++) durations.add('a', 20, turnMs)
        durations.endTurn()
      }
      for (let i = 0; i < 7; i++) turn(20)
      assert.equal(durations.isSure(4), false)
      turn(20)
      assert.equal(durations.isSure(4), true)
      durations.startOver()
      for (let i = 0; i < 2; i++) turn(100)
      assert.equal(durations.isSure(4), false)
      turn(100)
      assert.equal(durations.isSure(4), true)
      assert.equal(durations.turnMs, 100)
    },
    'adopts what the samples took, half way if there are as few as suffice': () => {
      const durations = new Durations()
      for (let i = 0; i < 20; i++) durations.learn('a', 5)
      add(durations, times(16, 35))
      assertNear(durations.slowness, 4)
      durations.adopt(false)
      durations.startOver()
      add(durations, times(16, 35))
      assertNear(durations.slowness, 2)
      durations.adopt(true)
      durations.startOver()
      add(durations, times(16, 35))
      assertNear(durations.slowness, 1)
    },
    'takes a clock that was set back for no time at all': () => {
      const durations = new Durations()
      durations.learn('a', -3_600_000)
      add(durations, times(20, -5))
      assertNear(durations.slowness, 1)
    },
  }),
]
