/**
 * Writes to a store by every verb and says so, one line each, until it is killed: `writer.ts <store>`. A line is written
 * once the store has acknowledged.
 */
import { writeSync } from 'node:fs'
import { openStore } from '../stores/open.ts'
import { acknowledgement, HEAD, record, SPENT } from './written.ts'

const store = await openStore(process.argv[2]!)
let version: string | null = null
for (let i = 0; ; i++) {
  await store.set(record('set', i), i, null)
  writeSync(1, acknowledgement({ verb: 'set', i }))
  await store.claim(record('claim', i), 9e15)
  writeSync(1, acknowledgement({ verb: 'claim', i }))
  await store.set(record('take', i), i, null)
  await store.take(record('take', i))
  writeSync(1, acknowledgement({ verb: 'take', i }))
  version = await store.swap(HEAD, version, i, null)
  writeSync(1, acknowledgement({ verb: 'swap', i, version }))
  await store.consume(SPENT.partition, [{ ...SPENT.charge, cost: 1 }])
  writeSync(1, acknowledgement({ verb: 'consume', i }))
}
