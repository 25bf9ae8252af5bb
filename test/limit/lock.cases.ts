import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { makeLock } from '../../src/limit/lock.ts'
import { forgive, tryOnce } from '../../src/limit/lockout.ts'
import type { AtomicStore } from '../../src/store/contract.ts'
import type { Charge, Decision } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { type Case, cases } from '../cases.ts'
import { StoppedClock } from '../support/fixtures.ts'
import { volume } from '../support/volume.ts'

const NUMBERS = { failures: 5, lockSeconds: 900, maxLockSeconds: 86_400 }
const DAY = 86_400_000
const WHO = 'lockout:203.0.113.9 bob'

/** Guesses for some days, waiting after each as told, and until a lock ends. How many were let through, and how many locks. */
async function guess(days: number, wait: (guesses: number) => number, twin = false) {
  const clock = new StoppedClock()
  const store = memoryStore({ clock })
  const lock = makeLock('test', NUMBERS)
  const end = clock.now() + days * DAY
  let guesses = 0
  let locks = 0
  while (clock.now() < end) {
    const tried = await tryOnce(store, WHO, lock)
    if (tried.began) locks++
    if (tried.type === 'locked') {
      clock.advance(Math.max(1, tried.lockedMs))
      continue
    }
    clock.advance(wait(++guesses))
    if (!twin || tried.seen.left !== 1) continue
    const own = await tryOnce(store, WHO, lock)
    if (own.type === 'counted') await forgive(store, WHO, lock, own)
  }
  return { guesses, locks }
}

export const lockCases: readonly Case[] = [
  ...cases('lockout()', {
    'lets nobody guess oftener than twice the failures in the longest lock, however guesses are spaced': async () => {
      const bound = (days: number): number => 5 * (7 + 2 + 2 * days)
      assert.deepEqual(await guess(1, () => 1), { guesses: 35, locks: 7 })
      const paced = await guess(20, () => DAY / 5)
      assert.ok(paced.guesses <= 101 && paced.locks === 0, JSON.stringify(paced))
      const spaces = fc.array(fc.oneof(fc.nat(10), fc.nat(3_600_000), fc.constant(DAY / 5), fc.nat(2 * DAY)), {
        minLength: 1,
        maxLength: 12,
      })
      for (const waits of fc.sample(spaces, { seed: 11, numRuns: 200 })) {
        const { guesses } = await guess(20, (i) => waits[i % waits.length]! + 1)
        assert.ok(guesses <= bound(20), `${guesses} after ${waits}`)
      }
    },
    'forgives ten times a day, so that a twin of the account buys its owner few guesses': async () => {
      const { guesses } = await guess(30, () => 1, true)
      assert.ok(guesses <= 5 * (7 + 2 + 2 * 30) + 4 * (10 + 10 * 30), String(guesses))
    },
  }),
  ...cases('a lock', {
    'is not shortened nor doubled by one that was to begin earlier and comes late': () => {
      const clock = new StoppedClock()
      const store = memoryStore({ clock })
      const lock = makeLock('test', NUMBERS)
      const early = lock.read(store.consume(WHO, lock.look))
      for (const level of [3, 0]) {
        const late = lock.begin({ ...early, level })
        assert.equal(store.consume(WHO, late).admitted, level === 3)
        assert.equal(lock.read(store.consume(WHO, lock.look)).lockedMs, 7_200_000)
      }
    },
    'that could not begin lets its attempt through no more than one that began': async () => {
      const store = memoryStore()
      const lock = makeLock('test', NUMBERS)
      const refusing = (charges: readonly Charge[]): Decision => {
        const begins = charges.some(({ name, cost }) => name.endsWith(':lock') && cost > 0)
        return begins ? { ...store.consume(WHO, lock.look), admitted: false } : store.consume(WHO, charges)
      }
      const broken = { ...memoryStore(), consume: (_: string, charges: readonly Charge[]) => refusing(charges) }
      const types: string[] = []
      for (let i = 0; i < 6; i++) types.push((await tryOnce(broken as AtomicStore, WHO, lock)).type)
      assert.deepEqual(types, ['counted', 'counted', 'counted', 'counted', 'locked', 'locked'])
    },
    'that was forgotten leaves nothing behind': async () => {
      const clock = new StoppedClock()
      const store = memoryStore({ clock })
      const lock = makeLock('test', NUMBERS)
      const forgiveSome = async (): Promise<number> => {
        for (let times = 0; ; times++) {
          const first = await tryOnce(store, WHO, lock)
          const second = await tryOnce(store, WHO, lock)
          if (first.type !== 'counted' || second.type !== 'counted') return times
          await forgive(store, WHO, lock, second)
        }
      }
      const fresh = await forgiveSome()
      assert.ok(fresh >= 10 && fresh < 20, String(fresh))
      store.consume(WHO, lock.forget)
      assert.equal(await forgiveSome(), fresh)
    },
  }),
  ...cases('PPL-3', {
    '100,000 invented names leave a small store serving, and the lock of who guesses standing': async () => {
      const clock = new StoppedClock()
      const store = memoryStore({ clock, maxEntries: 2000 })
      const lock = makeLock('test', NUMBERS)
      for (let i = 0; i < 5; i++) await tryOnce(store, WHO, lock)
      clock.advance(899_000)
      for (let i = 0; i < volume(100_000, 20_000); i++) {
        const partition = `lockout:203.0.113.${i % 2 ? 9 : 77} invented${i}`
        for (let failure = i % 4; failure >= 0; failure--) {
          assert.equal((await tryOnce(store, partition, lock)).type, 'counted')
        }
        if (i % 5000 === 0) {
          assert.deepEqual(await tryOnce(store, WHO, lock), { type: 'locked', began: false, lockedMs: 1000 })
        }
      }
      assert.equal((await tryOnce(store, 'lockout:198.51.100.1 bob', lock)).type, 'counted')
    },
  }),
]
