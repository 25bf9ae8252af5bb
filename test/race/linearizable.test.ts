import { describe, expect, test } from 'vitest'
import type { BucketOperation, Operation, Outcome, RecordOperation, Seen } from './history.ts'
import { anomalies } from './linearizable.ts'

type Verb = RecordOperation['verb']
type Given<V extends Verb> = Omit<
  Extract<RecordOperation, { verb: V }>,
  'caller' | 'invokedAt' | 'key' | 'verb' | 'outcome'
>
type Answer<V extends Verb> = Extract<RecordOperation, { verb: V }>['outcome'] extends Outcome<infer A> ? A : never

/** A call about one record from `from` to `to`; an outage when no answer is told. */
function call<V extends Verb>(
  verb: V,
  from: number,
  to: number,
  given: Given<V>,
  answer: Answer<V> | 'outage',
): Operation {
  const outcome = answer === 'outage' ? answer : { at: to, answer }
  return { caller: `at ${from}`, invokedAt: from, key: 'p/n', verb, ...given, outcome } as unknown as Operation
}

const NEVER = { expiresAt: null }
const put = (from: number, to: number, value: string): Operation => call('set', from, to, { value, ...NEVER }, null)
const get = (from: number, to: number, found: Seen | null): Operation => call('get', from, to, {}, found)
const take = (from: number, to: number, found: Seen | null | 'outage'): Operation => call('take', from, to, {}, found)
const remove = (from: number, to: number): Operation => call('delete', from, to, {}, null)
const claim = (from: number, to: number, won: boolean | 'outage'): Operation =>
  call('claim', from, to, { expiresAt: 9 }, won)
const swap = (
  from: number,
  to: number,
  version: string | null,
  value: string,
  made: string | null | 'outage',
): Operation => call('swap', from, to, { version, value, ...NEVER }, made)
const seen = (value: string, version: string): Seen => ({ value, version, expiresAt: null })

/** A charge of buckets with a burst of 2: what it cost and what it left, by name. */
function consume(
  from: number,
  to: number,
  costs: Record<string, number>,
  answer: { admitted: boolean; remaining: readonly number[] } | 'outage',
): BucketOperation {
  return {
    caller: `at ${from}`,
    invokedAt: from,
    key: 'p',
    verb: 'consume',
    costs: Object.entries(costs).map(([name, cost]) => ({ name, cost, burst: 2 })),
    outcome: answer === 'outage' ? answer : { at: to, answer },
  }
}
const yes = (...remaining: readonly number[]) => ({ admitted: true, remaining })
const no = (...remaining: readonly number[]) => ({ admitted: false, remaining })

/** Histories that some order explains. */
const GOOD: Record<string, readonly Operation[]> = {
  'nothing at all': [],
  'one caller, one call after the other': [
    get(0, 1, null),
    put(2, 3, 'a'),
    get(4, 5, seen('a', 'v1')),
    swap(6, 7, 'v1', 'b', 'v2'),
    swap(8, 9, 'v1', 'c', null),
    take(10, 11, seen('b', 'v2')),
    take(12, 13, null),
    claim(14, 15, true),
    claim(16, 17, false),
    remove(18, 19),
    swap(20, 21, null, 'd', 'v3'),
    get(22, 23, seen('d', 'v3')),
  ],
  'a read during a write sees the old': [
    put(0, 1, 'a'),
    put(2, 9, 'b'),
    get(3, 4, seen('a', 'v1')),
    get(5, 6, seen('b', 'v2')),
  ],
  'the later caller wins while the first still waits': [claim(0, 9, false), claim(1, 8, true)],
  'calls that touch at one instant may go either way': [put(0, 5, 'a'), get(5, 6, null)],
  'records do not wait for each other': [put(0, 1, 'a'), { ...get(2, 3, null), key: 'p/other' } as Operation],
  'a taken ticket whose answer was lost': [
    put(0, 1, 'a'),
    take(2, 3, 'outage'),
    get(4, 5, seen('a', 'v1')),
    get(6, 7, null),
  ],
  'a lost write that never happened': [swap(0, 1, null, 'a', 'outage'), get(2, 3, null), claim(4, 5, true)],
  'a lost write that happened, and is swapped over once it was seen': [
    swap(0, 1, null, 'a', 'outage'),
    get(2, 3, seen('a', 'v1')),
    swap(4, 5, 'v1', 'b', 'v2'),
  ],
  'a lost claim that stands in the way': [claim(0, 1, 'outage'), claim(2, 3, false)],
  'the burst, then a refusal, a refund and one more': [
    consume(0, 1, { x: 1 }, yes(1)),
    consume(2, 3, { x: 2 }, no(1)),
    consume(4, 5, { x: 1 }, yes(0)),
    consume(6, 7, { x: 1 }, no(0)),
    consume(8, 9, { x: -1 }, yes(1)),
    consume(10, 11, { x: -9 }, yes(2)),
  ],
  'two names, refused for one of them, leave both as they were': [
    consume(0, 1, { x: 2 }, yes(0)),
    consume(2, 3, { x: 1, y: 1 }, no(0, 2)),
    consume(4, 5, { y: 2 }, yes(0)),
  ],
  'a lost charge that was made': [consume(0, 1, { x: 2 }, 'outage'), consume(2, 3, { x: 1 }, no(0))],
  'a lost charge that came late': [
    consume(0, 1, { x: 1 }, 'outage'),
    consume(2, 3, { x: 1 }, yes(1)),
    consume(4, 5, { x: 1 }, no(0)),
  ],
}

/** Histories that no order explains, each named after what went wrong in the store. */
const BAD: Record<string, readonly Operation[]> = {
  'a lost update: two swaps over one version': [
    put(0, 1, 'a'),
    get(2, 3, seen('a', 'v1')),
    swap(4, 8, 'v1', 'b', 'v2'),
    swap(5, 9, 'v1', 'c', 'v3'),
  ],
  'two winners of one claim': [claim(0, 5, true), claim(1, 6, true)],
  'no winner of a claim on nothing': [claim(0, 5, false), claim(1, 6, false)],
  'a ticket taken twice': [put(0, 1, 'a'), take(2, 6, seen('a', 'v1')), take(3, 7, seen('a', 'v1'))],
  'an old record after a write was acknowledged': [put(0, 1, 'a'), put(2, 3, 'b'), get(4, 5, seen('a', 'v1'))],
  'nothing after a write was acknowledged': [put(0, 1, 'a'), get(2, 3, null)],
  'the new and then the old again': [
    put(0, 1, 'a'),
    put(2, 9, 'b'),
    get(3, 4, seen('b', 'v2')),
    get(5, 6, seen('a', 'v1')),
  ],
  'a deleted record that lives again': [put(0, 1, 'a'), remove(2, 3), get(4, 5, seen('a', 'v1'))],
  'a taken record that stands in the way of a claim': [put(0, 1, 'a'), take(2, 3, seen('a', 'v1')), claim(4, 5, false)],
  'a swap over a version that was overwritten': [
    put(0, 1, 'a'),
    get(2, 3, seen('a', 'v1')),
    put(4, 5, 'b'),
    swap(6, 7, 'v1', 'c', 'v3'),
  ],
  'a swap over a version whose record was taken': [
    swap(0, 1, null, 'a', 'v1'),
    take(2, 3, seen('a', 'v1')),
    swap(4, 5, 'v1', 'b', 'v2'),
  ],
  'a refused swap over the version that stands': [swap(0, 1, null, 'a', 'v1'), swap(2, 3, 'v1', 'b', null)],
  'a swap that keeps its version': [swap(0, 1, null, 'a', 'v1'), swap(2, 3, 'v1', 'b', 'v1')],
  'a version that changes with no write': [put(0, 1, 'a'), get(2, 3, seen('a', 'v1')), get(4, 5, seen('a', 'v2'))],
  'a version that comes back for another value': [
    swap(0, 1, null, 'a', 'v1'),
    remove(2, 3),
    swap(4, 5, null, 'b', 'v1'),
  ],
  'a value that nobody wrote': [put(0, 1, 'a'), get(2, 3, seen('z', 'v1'))],
  'an expiry that nobody set': [put(0, 1, 'a'), get(2, 3, { ...seen('a', 'v1'), expiresAt: 5 })],
  'one more admitted than the burst': [
    consume(0, 9, { x: 1 }, yes(1)),
    consume(1, 9, { x: 1 }, yes(0)),
    consume(2, 9, { x: 1 }, yes(0)),
  ],
  'a refusal while units were left': [consume(0, 1, { x: 1 }, yes(1)), consume(2, 3, { x: 1 }, no(1))],
  'two answers that name the same last unit': [consume(0, 9, { x: 1 }, yes(1)), consume(1, 9, { x: 1 }, yes(1))],
  'a refund above the burst': [consume(0, 1, { x: -1 }, yes(3))],
  'a refund above the burst that is spent later': [
    consume(0, 1, { x: -1 }, yes(2)),
    consume(2, 3, { x: 2 }, yes(0)),
    consume(4, 5, { x: 1 }, yes(0)),
  ],
  'half of a refused charge': [consume(0, 1, { x: 2 }, yes(0)), consume(2, 3, { x: 1, y: 1 }, no(0, 1))],
  'half of an admitted charge': [consume(0, 1, { x: 1, y: 1 }, yes(1, 1)), consume(2, 3, { y: 1 }, yes(1))],
  'an outage that would have had to happen twice': [
    claim(0, 1, 'outage'),
    claim(2, 3, false),
    remove(4, 5),
    claim(6, 7, false),
  ],
  'an outage that would have had to happen before it was asked': [claim(0, 1, false), claim(2, 3, 'outage')],
  'an outage of one unit where two are gone': [consume(0, 1, { x: 1 }, 'outage'), consume(2, 3, { x: 1 }, no(0))],
}

describe('the history checker > passes', () => {
  test.each(Object.entries(GOOD))('%s', (_, history) => {
    expect(anomalies(history)).toEqual([])
  })
})

describe('the history checker > convicts', () => {
  test.each(Object.entries(BAD))('%s', (_, history) => {
    const [found] = anomalies(history)
    expect(found).toBeDefined()
  })
})

test('the history checker > tells the calls that no order explains, and how far it came', () => {
  const [found, ...others] = anomalies([
    put(0, 1000, 'a'),
    take(2000, 3000, seen('a', 'v1')),
    take(4000, 5000, seen('a', 'v1')),
  ])
  expect(others).toEqual([])
  expect(found).toContain('record p/n: no order explains these answers')
  expect(found).toMatch(/left in state "absent":\n {2}at 4000 4\.0–5\.0 take/)
})

test('the history checker > refuses a history that it cannot search rather than guess', () => {
  const lost = Array.from({ length: 20 }, (_, i) => consume(0, 1, { [`b${i}`]: 1 }, 'outage'))
  const tangled = [...lost, consume(2, 3, { x: 1 }, no(1))]
  expect(() => anomalies(tangled)).toThrow(/too tangled/)
})
