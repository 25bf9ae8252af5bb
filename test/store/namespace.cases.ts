import { strict as assert } from 'node:assert'
import { type Store, StoreOutage } from '../../src/store/contract.ts'
import { makeRate } from '../../src/store/gcra.ts'
import { memoryStore } from '../../src/store/memory.ts'
import { namespaced } from '../../src/store/namespace.ts'
import { type Case, cases } from '../cases.ts'
import { conformanceOf } from './conformance.cases.ts'

const KEY = { partition: 'p', name: 'n' }

export const namespaceCases: readonly Case[] = [
  ...conformanceOf('namespaced', {
    consistency: 'atomic',
    open: (clock) => namespaced(memoryStore({ clock }), 'tenant-a'),
  }),
  ...cases('namespaced()', {
    'tenants see nothing of each other': () => {
      const shared = memoryStore()
      const [a, b] = [namespaced(shared, 'a'), namespaced(shared, 'b')]
      const charges = [{ name: 'n', rate: makeRate(1, 60), cost: 1 }]
      a.set(KEY, 'of a', null)
      assert.equal(b.get(KEY), null)
      assert.deepEqual(b.list('p', '', null).entries, [])
      assert.equal(b.take(KEY), null)
      assert.deepEqual([a.claim({ ...KEY, name: 'c' }, 9e15), b.claim({ ...KEY, name: 'c' }, 9e15)], [true, true])
      assert.deepEqual([a.consume('p', charges).admitted, b.consume('p', charges).admitted], [true, true])
      b.delete(KEY)
      assert.equal(a.get(KEY)?.value, 'of a')
    },
    'no partition leads out of a namespace': () => {
      const shared = memoryStore()
      namespaced(shared, 'b').set(KEY, 'of b', null)
      const a = namespaced(shared, 'a')
      for (const partition of ['b/p', '/b/p', '../b/p', 'p', '', '%2Fb%2Fp', 'a/../b/p']) {
        assert.equal(a.get({ partition, name: 'n' }), null, partition)
      }
    },
    'closing one leaves the others open': () => {
      const shared = memoryStore()
      const [a, b] = [namespaced(shared, 'a'), namespaced(shared, 'b')]
      a.close()
      assert.throws(() => a.get(KEY), StoreOutage)
      assert.equal(b.get(KEY), null)
    },
    'refuses a name that could be taken for a part of a partition': () => {
      for (const name of ['', 'a/b', 'a b', 'a:b', 'é', 'x'.repeat(33)]) {
        assert.throws(() => namespaced(memoryStore(), name), { name: 'RangeError', message: /name must be/ })
      }
    },
    'an eventual store stays one': () => {
      const store: Store = namespaced({ ...memoryStore(), name: 'edge', consistency: 'eventual' } as Store, 'a')
      assert.deepEqual([store.consistency, 'claim' in store], ['eventual', false])
    },
  }),
]
