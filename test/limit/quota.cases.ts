import assert from 'node:assert/strict'
import { makePolicy } from '../../src/limit/quota.ts'
import { makeRate } from '../../src/store/gcra.ts'
import { type Case, cases } from '../cases.ts'

export const quotaCases: readonly Case[] = cases('makePolicy()', {
  'is the quota made ready, named after what it allows': () => {
    assert.deepEqual(makePolicy({ quota: 100, periodSeconds: 60 }), {
      name: '100-per-60s',
      rate: makeRate(100, 60),
      quota: 100,
      periodSeconds: 60,
    })
    assert.equal(makePolicy({ quota: 100, periodSeconds: 60, burst: 5 }).name, '100-per-60s-burst-5')
    assert.equal(makePolicy({ quota: 100, periodSeconds: 0.5 }).name, '100-per-0.5s')
  },
  'has the burst of its quota unless told': () => {
    assert.equal(makePolicy({ quota: 7, periodSeconds: 60 }).rate.burst, 7)
    assert.equal(makePolicy({ quota: 7, periodSeconds: 60, burst: 3 }).rate.burst, 3)
  },
  'takes a name that can stand in a header, and throws for another': () => {
    assert.equal(makePolicy({ quota: 1, periodSeconds: 1, name: 'chat (burst) 20/min' }).name, 'chat (burst) 20/min')
    for (const name of ['', 'a"b', 'a\\b', 'a\r\nb', 'é', 'a'.repeat(65)]) {
      assert.throws(() => makePolicy({ quota: 1, periodSeconds: 1, name }), /rateLimit\(\): name/)
    }
  },
  'throws for a setting out of range, naming it': () => {
    for (const quota of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '100' as never, undefined as never]) {
      assert.throws(() => makePolicy({ quota, periodSeconds: 60, name: 'x' }), /quota/)
    }
    for (const periodSeconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e9]) {
      assert.throws(() => makePolicy({ quota: 1, periodSeconds, name: 'x' }), /periodSeconds/)
    }
    for (const burst of [0, -1, 1.5])
      assert.throws(() => makePolicy({ quota: 1, periodSeconds: 1, burst, name: 'x' }), /burst/)
  },
})
