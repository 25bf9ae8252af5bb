import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

/** Claims under names that were cut out of long texts, as those of a header or a form are, or are long themselves. */
const CLAIMS = `
import { memoryStore } from 'hinoban'
const heap = () => { globalThis.gc(); return process.memoryUsage().heapUsed }
const grown = [27, 12_000].map((length) => {
  const store = memoryStore()
  const before = heap()
  for (let i = 0; i < 10_000; i++) {
    const text = Buffer.from('nonce-' + String(i).padStart(20, '0') + ':' + 'x'.repeat(12_000)).toString('latin1')
    store.claim({ partition: 'p', name: text.slice(0, length) }, Date.now() + 3_600_000)
  }
  const after = heap()
  store.close()
  return (after - before) / 2 ** 20
})
console.log(JSON.stringify(grown))
`

test('a name that is long, or was cut out of a long text, does not keep that text in the memory store', () => {
  const args = ['--expose-gc', '--input-type=module', '--eval', CLAIMS]
  const grownMiB = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as number[]
  // 10,000 of such texts hold 115 MiB.
  for (const mib of grownMiB) expect(mib).toBeLessThan(20)
  expect(grownMiB).toHaveLength(2)
})
