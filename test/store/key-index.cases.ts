import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { KeyIndex } from '../../src/store/key-index.ts'
import { type Case, cases } from '../cases.ts'

/** Hashes that crowd: few homes, at the end of a part too, in few parts, and some that only their other halves tell apart. */
const low = fc
  .record({ part: fc.constantFrom(0, 7, 15), rest: fc.constantFrom(0, 1, 2, 13, 14, 15, 31, 0xffff, 0xfffffff) })
  .map(({ part, rest }) => (part << 28) | rest)
const move = fc.record({ low, high: fc.nat(4), kind: fc.constantFrom('add', 'add', 'add', 'remove', 'rename') })

export const keyIndexCases: readonly Case[] = cases('KeyIndex', {
  'finds what a plain map holds, and nothing else, however hashes crowd': () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 400, size: 'max' }), (moves) => {
        const highs: number[] = []
        const index = new KeyIndex((slot) => highs[slot]!)
        const model = new Map<string, { slot: number; low: number; high: number }>()
        for (const { low, high, kind } of moves) {
          const key = `${low},${high}`
          const slot = model.get(key)?.slot
          if (slot === undefined) {
            model.set(key, { slot: highs.push(high) - 1, low, high })
            index.add(low, highs.length - 1)
          } else if (kind === 'remove') {
            model.delete(key)
            index.remove(low, slot)
          } else if (kind === 'rename') {
            model.set(key, { slot: highs.push(high) - 1, low, high })
            index.rename(low, slot, highs.length - 1)
          }
          for (const { slot, low, high } of model.values()) assert.equal(index.find(low, high), slot)
          for (const high of [0, 1, 2, 3, 4, 5]) {
            assert.equal(index.find(low, high), model.get(`${low},${high}`)?.slot ?? -1)
          }
        }
      }),
      { seed: 5, numRuns: 60 },
    )
  },
  'grows and shrinks without losing a slot': () => {
    const hashOf = (slot: number): number => Math.imul(slot, 0x9e3779b1)
    const index = new KeyIndex((slot) => slot)
    for (let slot = 0; slot < 20_000; slot++) index.add(hashOf(slot), slot)
    for (let slot = 0; slot < 20_000; slot++) if (slot % 100 !== 0) index.remove(hashOf(slot), slot)
    for (let slot = 0; slot < 20_000; slot++) {
      assert.equal(index.find(hashOf(slot), slot), slot % 100 === 0 ? slot : -1)
    }
  },
})
