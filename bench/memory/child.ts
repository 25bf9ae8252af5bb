/**
 * `node --expose-gc bench/memory/child.ts`: what a decision of the memory store costs, and what a key takes. Prints
 * one line of JSON. Bun runs it as it is, Deno with `--v8-flags=--expose-gc`.
 */
import { decisions } from './decisions.ts'
import { bytesPerKey, flood } from './held.ts'

const MIB = 2 ** 20
const [rounds, count, fresh, keys] = [6, 200_000, 400_000, 1_000_000]

const held = await bytesPerKey(keys)
const floods = [flood(4_000_000, undefined), flood(keys, 8 * MIB)]
const millionPerSecond = await decisions(rounds, count, fresh)
console.log(JSON.stringify({ rounds, fresh, keys, millionPerSecond, bytesPerKey: held, floods }))
process.exit(0)
