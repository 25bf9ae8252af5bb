import assert from 'node:assert/strict'
import { makePolicy } from '../../src/limit/quota.ts'
import { Recent } from '../../src/recent.ts'
import { makeRate } from '../../src/store/gcra.ts'
import { type Case, cases } from '../cases.ts'

export const quotaCases: readonly Case[] = cases('makePolicy()', {
  'is the quota made ready, named after what it allows': () => {
    assert.deepEqual(makePolicy({ quota: 100, periodSeconds: 60 }), {
      name: '100-per-60s',
      rate: makeRate(100, 60),
      shares: new Recent(1000),
      quota: 100,
      periodSeconds: 60,
      by: ['address'],
      cost: 1,
      isReserved: false,
      legacyFields: true,
      bucket: 'limit:100-per-60s:100/60000000us/100',
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
  'throws for a cost that no request could pay, or that is none': () => {
    for (const cost of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1' as never, 11]) {
      assert.throws(() => makePolicy({ quota: 10, periodSeconds: 1, cost }), /rateLimit\(\): cost/)
      assert.throws(() => makePolicy({ quota: 10, periodSeconds: 1, reserve: cost }), /rateLimit\(\): reserve/)
    }
    assert.equal(makePolicy({ quota: 10, periodSeconds: 1, cost: 10 }).cost, 10)
    assert.equal(makePolicy({ quota: 10, periodSeconds: 1, cost: 0 }).cost, 0)
    assert.throws(() => makePolicy({ quota: 10, periodSeconds: 1, cost: 1, reserve: 1 }), /not both/)
  },
  'throws for what nothing can be counted by': () => {
    for (const by of ['ip', '', [], null, 1, ['address', 'address'], ['address', 'user']]) {
      assert.throws(() => makePolicy({ quota: 1, periodSeconds: 1, by: by as never }), /by must be/)
    }
  },
})
