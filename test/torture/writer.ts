import { writeSync } from 'node:fs'
import { sqliteStore } from 'hinoban/node'

const store = sqliteStore({ path: process.argv[2]! })
for (let i = 0; ; i++) {
  store.set({ partition: 'written', name: String(i) }, i, null)
  writeSync(1, `${i}\n`)
}
