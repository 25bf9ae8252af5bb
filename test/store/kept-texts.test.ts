import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

/** Claims under names that were cut out of long texts, as those of a header or a form are. */
const CLAIMS = `
import { memoryStore } from 'hinoban'
const store = memoryStore()
const heap = () => { globalThis.gc(); return process.memoryUsage().heapUsed }
const before = heap()
for (let i = 0; i < 10_000; i++) {
  const text = Buffer.from('nonce-' + String(i).padStart(20, '0') + ':' + 'x'.repeat(12_000)).toString('latin1')
  store.claim({ partition: 'p', name: text.slice(0, 27) }, Date.now() + 3_600_000)
}
console.log((heap() - before) / 2 ** 20, store.name)
`

test('a name that was cut out of a long text does not keep that text in the memory store', () => {
  const args = ['--expose-gc', '--input-type=module', '--eval', CLAIMS]
  const [grownMiB] = execFileSync(process.execPath, args, { encoding: 'utf8' }).split(' ').map(Number)
  // 10,000 of such texts hold 115 MiB.
  expect(grownMiB).toBeLessThan(20)
})
