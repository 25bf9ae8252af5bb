import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { DueHeap } from '../../src/store/due-heap.ts'
import { type Case, cases } from '../cases.ts'

const due = fc.integer({ min: 0, max: 50 })
const moves = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), due, pick: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('move' as const), due, pick: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), due, pick: fc.nat() }) },
  ),
  { maxLength: 400, size: 'max' },
)

export const dueHeapCases: readonly Case[] = cases('DueHeap', {
  'gives the earliest slot after any adds, moves and removals': () => {
    fc.assert(
      fc.property(moves, (list) => {
        const heap = new DueHeap()
        const model = new Map<number, number>()
        for (const { kind, due: at, pick } of list) {
          const slot = [...model.keys()][pick % Math.max(1, model.size)]
          if (kind === 'add') {
            const added = heap.add(at)
            assert.equal(model.has(added), false)
            model.set(added, at)
          } else if (slot !== undefined && kind === 'move') {
            heap.move(slot, at)
            model.set(slot, at)
          } else if (slot !== undefined) {
            heap.remove(slot)
            model.delete(slot)
          }
          assert.equal(heap.size, model.size)
          const first = heap.first()
          assert.equal(
            first < 0 ? undefined : model.get(first),
            model.size === 0 ? undefined : Math.min(...model.values()),
          )
        }
      }),
      { seed: 5, numRuns: 100 },
    )
  },
  'gives its slots in the order in which they fall due, and reuses them': () => {
    const heap = new DueHeap()
    for (let i = 0; i < 1_000; i++) heap.add((i * 7919) % 1_000)
    const order: number[] = []
    for (let slot = heap.first(); slot >= 0; slot = heap.first()) {
      order.push(heap.dueOf(slot))
      heap.remove(slot)
    }
    assert.deepEqual(
      order,
      Array.from({ length: 1_000 }, (_, i) => i),
    )
    assert.ok(heap.add(1) < 1_000)
  },
})
