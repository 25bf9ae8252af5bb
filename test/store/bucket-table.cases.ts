import { strict as assert } from 'node:assert'
import fc from 'fast-check'
import { BUCKET_BYTES, BucketTable } from '../../src/store/bucket-table.ts'
import { type Case, cases } from '../cases.ts'

interface Modelled {
  tatUs: number
  rest: number
  readonly className: string
}

const CLASSES = ['address', 'user', 'key']
const move = fc.record({
  kind: fc.constantFrom('charge', 'charge', 'charge', 'charge', 'idle', 'nearest'),
  className: fc.constantFrom(...CLASSES),
  name: fc.nat(60),
  tatUs: fc.nat(30),
})

/** The one bucket that the table no longer holds and the model still does; takes it out of the model too. */
function dropped(table: BucketTable, model: Map<string, Modelled>): [string, Modelled] {
  const gone = [...model].filter(([key]) => table.find(key, 'n') < 0)
  assert.equal(gone.length, 1)
  model.delete(gone[0]![0])
  return gone[0]!
}

function held(model: Map<string, Modelled>, className: string): Modelled[] {
  return [...model.values()].filter((bucket) => bucket.className === className)
}

export const bucketTableCases: readonly Case[] = cases('BucketTable', {
  'holds what a plain model holds, and drops what that would drop': () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 300, size: 'max' }), (moves) => {
        const table = new BucketTable()
        const model = new Map<string, Modelled>()
        for (const { kind, className, name, tatUs } of moves) {
          const key = `${className}:${name}`
          const before = new Map(model)
          if (kind === 'charge') {
            const slot = table.find(key, 'n')
            assert.equal(slot >= 0, model.has(key))
            if (slot >= 0) table.change(slot, tatUs, name)
            else table.add(key, 'n', tatUs, name)
            model.set(key, { tatUs, rest: name, className })
          } else if (kind === 'idle') {
            const idle = [...model.values()].some((bucket) => bucket.tatUs <= tatUs)
            assert.equal(table.dropIdle(tatUs), idle)
            if (idle) assert.ok(dropped(table, model)[1].tatUs <= tatUs)
          } else {
            assert.equal(table.dropNearest(), model.size > 0)
            if (before.size === 0) continue
            const [, gone] = dropped(table, model)
            const most = Math.max(...CLASSES.map((one) => held(before, one).length))
            assert.equal(held(before, gone.className).length, most)
            assert.equal(gone.tatUs, Math.min(...held(before, gone.className).map((bucket) => bucket.tatUs)))
          }
          assert.equal(table.size, model.size)
        }
        for (const [key, { tatUs, rest }] of model) {
          const slot = table.find(key, 'n')
          assert.deepEqual([table.tatUs(slot), table.rest(slot)], [tatUs, rest])
        }
      }),
      { seed: 3, numRuns: 100 },
    )
  },
  'finds a key again that was asked for last, wherever drops and others have put its bucket': () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    fc.assert(
      fc.property(
        fc.constantFrom(...names, 'none'),
        fc.nat(5),
        fc.shuffledSubarray(names, { minLength: 5 }),
        (...drawn) => {
          const [asked, drops, order] = drawn
          const table = new BucketTable()
          for (const name of names) table.add(`address:${name}`, 'n', order.indexOf(name), 0)
          const isKept = (): boolean => order.indexOf(asked) >= names.length - table.size
          const tatUs = (): number => {
            const slot = table.find(`address:${asked}`, 'n')
            return slot < 0 ? -1 : table.tatUs(slot)
          }
          tatUs()
          for (let i = 0; i < drops; i++) {
            table.dropNearest()
            assert.equal(tatUs(), isKept() ? order.indexOf(asked) : -1)
          }
          if (tatUs() >= 0) return
          table.add(`address:${asked}`, 'n', 7, 0)
          assert.equal(tatUs(), 7)
          assert.equal(table.find(`address:${asked}`, 'other'), -1)
        },
      ),
      { seed: 13, numRuns: 300 },
    )
  },
  'throws for a lone surrogate as often as it is asked for, and finds the others after it': () => {
    const table = new BucketTable()
    table.add('address:a', 'n', 1, 0)
    for (let i = 0; i < 3; i++) {
      assert.throws(() => table.find('\ud800', 'n'), RangeError)
      assert.throws(() => table.find('address:a', '\ud800'), RangeError)
      assert.equal(table.find('address:a', 'n'), 0)
    }
    assert.equal(table.find('address:b', 'n'), -1)
    assert.throws(() => table.find('\ud800', 'n'), RangeError)
    table.add('address:b', 'n', 2, 0)
    assert.equal(table.find('address:a', 'n'), 0)
    assert.equal(table.find('address:b', 'n'), 1)
  },
  'grows and shrinks over many pages without losing a bucket': () => {
    const table = new BucketTable()
    for (let i = 0; i < 5_000; i++) table.add(`address:${i}`, 'n', (i * 7919) % 5_000, i)
    for (let i = 0; i < 4_990; i++) assert.equal(table.dropIdle(4_989), true)
    assert.equal(table.dropIdle(4_989), false)
    assert.equal(table.bytes, 10 * BUCKET_BYTES)
    for (let i = 0; i < 5_000; i++) {
      const slot = table.find(`address:${i}`, 'n')
      const due = (i * 7919) % 5_000
      assert.equal(slot >= 0, due >= 4_990)
      if (slot >= 0) assert.deepEqual([table.tatUs(slot), table.rest(slot)], [due, i])
    }
  },
  'a crowd that all came back does not push out the one that owes most': () => {
    const table = new BucketTable()
    const come = (name: string, tatUs: number): void => {
      const slot = table.find(name, 'n')
      if (slot >= 0) table.change(slot, tatUs, 0)
      else table.add(name, 'n', tatUs, 0)
    }
    come('address:offender', 1)
    for (let i = 0; i < 5_000; i++) come(`address:${i}`, 10 + i)
    come('address:offender', 1_000_000)
    for (let i = 0; i < 5_000; i++) come(`address:${i}`, 10_000 + i)
    for (let i = 0; i < 4_999; i++) assert.equal(table.dropNearest(), true)
    assert.ok(table.find('address:offender', 'n') >= 0)
    assert.equal(table.size, 2)
  },
  'puts classes of over 64 units, and those after the 64th, into one': () => {
    const table = new BucketTable()
    for (let i = 0; i < 70; i++) table.add(`${i}:x`, 'n', 1, 0)
    table.add(`${'x'.repeat(65)}:x`, 'n', 0, 0)
    // The shared class holds seven of the seventy and the long one: it is the biggest, and that one its nearest.
    assert.equal(table.dropNearest(), true)
    assert.equal(table.find(`${'x'.repeat(65)}:x`, 'n'), -1)
  },
})
