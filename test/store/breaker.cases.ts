import { strict as assert } from 'node:assert'
import { Breaker } from '../../src/store/breaker.ts'
import { type Case, cases } from '../cases.ts'
import { StoppedClock } from '../support/fixtures.ts'

function fail(breaker: Breaker, times: number): void {
  for (let i = 0; i < times; i++) breaker.failed()
}

/** Whether a call may go through now. */
function lets(breaker: Breaker): boolean {
  try {
    breaker.enter()
    return true
  } catch {
    return false
  }
}

export const breakerCases: readonly Case[] = cases('Breaker', {
  'opens after 5 failures in a row, not before, and not when one succeeded between': () => {
    const breaker = new Breaker(new StoppedClock())
    fail(breaker, 4)
    assert.equal(lets(breaker), true)
    breaker.succeeded()
    fail(breaker, 4)
    assert.equal(lets(breaker), true)
    breaker.failed()
    assert.throws(() => breaker.enter(), { name: 'StoreOutage' })
  },
  'lets one call try after 0.5 s, then after 1 s, then every 2 s': () => {
    const clock = new StoppedClock()
    const breaker = new Breaker(clock)
    fail(breaker, 5)
    for (const waitMs of [500, 1_000, 2_000, 2_000]) {
      clock.advance(waitMs - 1)
      assert.equal(lets(breaker), false, `${waitMs - 1} ms`)
      clock.advance(1)
      assert.deepEqual([lets(breaker), lets(breaker)], [true, false], `${waitMs} ms`)
      breaker.failed()
    }
  },
  'closes when the try succeeds': () => {
    const clock = new StoppedClock()
    const breaker = new Breaker(clock)
    fail(breaker, 5)
    clock.advance(500)
    breaker.enter()
    breaker.succeeded()
    for (let i = 0; i < 3; i++) assert.equal(lets(breaker), true)
  },
  'late failures of calls from before do not put the next try off': () => {
    const clock = new StoppedClock()
    const breaker = new Breaker(clock)
    fail(breaker, 5)
    clock.advance(400)
    fail(breaker, 50)
    clock.advance(100)
    assert.equal(lets(breaker), true)
  },
  'a try that never ends does not keep it open': () => {
    const clock = new StoppedClock()
    const breaker = new Breaker(clock)
    fail(breaker, 5)
    clock.advance(500)
    breaker.enter()
    clock.advance(500)
    assert.equal(lets(breaker), true)
  },
  'a clock that steps back an hour does not keep it open': () => {
    const clock = new StoppedClock()
    const breaker = new Breaker(clock)
    fail(breaker, 5)
    clock.advance(-3_600_000)
    assert.equal(lets(breaker), true)
  },
})
