import assert from 'node:assert/strict'
import { KeyedQueue, MAX_KEYS, type Place } from '../../src/limit/queue.ts'
import { type Case, cases } from '../cases.ts'
import { Random } from '../torture/random.ts'

function uncalled(): never {
  assert.fail('It was called.')
}

export const queueCases: readonly Case[] = [
  ...cases('KeyedQueue', {
    'gives as many places a key as may run, and one more only when one is given back': () => {
      const queue = new KeyedQueue(2, 0)
      const [first, second] = [queue.enter('a', 0), queue.enter('a', 0)]
      assert.ok(first && second)
      assert.equal(queue.enter('a', 0), null)
      assert.equal(queue.wait('a', uncalled), null)
      assert.ok(queue.enter('b', 0))
      queue.leave(first, 1)
      assert.ok(queue.enter('a', 1))
      assert.equal(queue.enter('a', 1), null)
    },
    'calls those who wait in their order, and not those who gave up': () => {
      const queue = new KeyedQueue(1, 4)
      const called: string[] = []
      let place = queue.enter('a', 0)!
      const waiters = ['one', 'two', 'three', 'four'].map((name) =>
        queue.wait('a', (next) => {
          called.push(name)
          place = next
        }),
      )
      assert.equal(queue.wait('a', uncalled), null)
      assert.equal(queue.giveUp(waiters[1]!), true)
      for (let i = 0; i < 3; i++) queue.leave(place, i)
      assert.deepEqual(called, ['one', 'three', 'four'])
      assert.equal(queue.giveUp(waiters[0]!), false)
      queue.leave(place, 9)
      assert.equal(queue.size, 0)
    },
    'a place given back twice frees one place': () => {
      const queue = new KeyedQueue(2, 2)
      const [first] = [queue.enter('a', 0)!, queue.enter('a', 0)!]
      queue.leave(first, 1)
      queue.leave(first, 1)
      assert.ok(queue.enter('a', 1))
      assert.equal(queue.enter('a', 1), null)
      const called: Place[] = []
      queue.wait('a', (place) => called.push(place))
      queue.leave(first, 2)
      assert.equal(called.length, 0)
    },
    'a place of a line that is gone frees none of the line that came after it': () => {
      const queue = new KeyedQueue(1, 0)
      const old = queue.enter('a', 0)!
      queue.leave(old, 1)
      assert.ok(queue.enter('a', 2))
      queue.leave(old, 3)
      assert.equal(queue.enter('a', 4), null)
    },
    'keeps nothing of 10,000 keys whose runs have ended, nor of those who gave up': () => {
      const queue = new KeyedQueue(1, 1)
      for (let i = 0; i < 10_000; i++) {
        const place = queue.enter(`key-${i}`, i)!
        const waiter = queue.wait(`key-${i}`, uncalled)!
        queue.giveUp(waiter)
        queue.leave(place, i + 1)
      }
      assert.equal(queue.size, 0)
    },
    'takes no more keys than its bound, and those it has go on': () => {
      const queue = new KeyedQueue(2, 1)
      let last: Place | null = null
      for (let i = 0; i < MAX_KEYS; i++) last = queue.enter(`${i}`, 0)
      assert.equal(queue.enter('one more', 0), null)
      assert.equal(queue.wait('one more', uncalled), null)
      assert.ok(queue.enter('0', 0))
      queue.leave(last!, 1)
      assert.ok(queue.enter('one more', 1))
    },
    'of any order of events, never more run than may, nobody waits beside a free place, and all comes to an end':
      () => {
        for (let seed = 1; seed <= 50; seed++) {
          const random = new Random(seed)
          const queue = new KeyedQueue(3, 5)
          const running = new Map<string, Place[]>([
            ['a', []],
            ['b', []],
          ])
          const waiting = new Map<string, NonNullable<ReturnType<KeyedQueue['wait']>>[]>([
            ['a', []],
            ['b', []],
          ])
          for (let now = 0; now < 400; now++) {
            const key = random.pick(['a', 'b'])
            const places = running.get(key)!
            const line = waiting.get(key)!
            const chance = now > 300 ? 90 : random.below(100)
            if (chance < 50) {
              const place = queue.enter(key, now)
              if (place) places.push(place)
              else {
                const waiter = queue.wait(key, (called) => {
                  assert.equal(line.shift(), waiter)
                  places.push(called)
                })
                if (waiter) line.push(waiter)
                else assert.equal(line.length, 5)
              }
            } else if (chance < 60 && line.length > 0) {
              const [gone] = line.splice(random.below(line.length), 1)
              assert.equal(queue.giveUp(gone!), true)
            } else if (places.length > 0) {
              const [ended] = places.splice(random.below(places.length), 1)
              queue.leave(ended!, now)
            }
            assert.ok(places.length <= 3)
            assert.ok(line.length === 0 || places.length === 3)
          }
          assert.equal(queue.size, 0)
        }
      },
    'tells how long the line takes, by what runs took of late': () => {
      const queue = new KeyedQueue(2, 10)
      assert.equal(queue.waitMs('a', 0), 0)
      queue.enter('a', 0)
      for (let i = 0; i < 40; i++) queue.leave(queue.enter('a', 0)!, 3000)
      assert.equal(queue.waitMs('a', 0), 1500)
      queue.enter('a', 0)
      for (let i = 0; i < 3; i++) queue.wait('a', uncalled)
      assert.equal(queue.waitMs('a', 0), 6000)
    },
    'a line is as long as what runs in it is old, when that is longer than what ran before': () => {
      const queue = new KeyedQueue(1, 20)
      queue.enter('slow', 0)
      for (let i = 0; i < 20; i++) queue.wait('slow', uncalled)
      assert.equal(queue.waitMs('slow', 60_000), 21 * 60_000)
    },
    "nobody's long run makes another's line look long": () => {
      const queue = new KeyedQueue(4, 20)
      queue.leave(queue.enter('attacker', 0)!, 3_600_000)
      for (let i = 0; i < 4; i++) queue.enter('honest', 3_600_000)
      for (let i = 0; i < 20; i++) queue.wait('honest', uncalled)
      assert.equal(queue.waitMs('honest', 3_600_005), (5 * 21) / 4)
    },
    'runs that were killed keep no new key out, however many keys they had; what lives is not forgotten': () => {
      const queue = new KeyedQueue(1, 0, 60_000)
      for (let i = 0; i < MAX_KEYS; i++) queue.enter(`killed ${i}`, i < 1000 ? 30_000 : 0)
      assert.equal(queue.enter('early', 59_999), null)
      let entered = 0
      for (let i = 0; i < MAX_KEYS; i++) if (queue.enter(`honest ${i}`, 60_000) !== null) entered += 1
      assert.ok(entered >= MAX_KEYS - 1000 - 64, `${entered}`)
      for (let i = 0; i < 1000; i++) assert.equal(queue.enter(`killed ${i}`, 60_000), null)
      assert.ok(queue.size <= MAX_KEYS)
    },
    'forgets a run that never left, where runs may be killed': () => {
      const queue = new KeyedQueue(1, 0, 60_000)
      const lost = queue.enter('a', 0)!
      assert.equal(queue.enter('a', 59_999), null)
      assert.ok(queue.enter('a', 60_000))
      queue.leave(lost, 60_001)
      assert.equal(queue.enter('a', 60_002), null)
    },
  }),
]
