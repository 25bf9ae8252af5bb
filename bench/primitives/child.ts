/** One process: the pieces that every request is made of, and what others make of them. Prints one line of JSON. */
import { makeApiKey, memoryStore } from 'hinoban'
import { timingSafeEqual } from 'hono/utils/buffer'
import { sha256Hex } from '../../src/crypto/hash.ts'
import { decide, makeRate } from '../../src/store/gcra.ts'
import { limiters } from '../memory/limiters.ts'
import { ownHost } from '../requests/host.ts'
import { type Candidate, immediate, inRounds, pending } from '../rounds.ts'
import { ADDRESSES, AMPLE, addressOf } from '../stores/work.ts'
import { EFFORT } from './effort.ts'

const { platform } = await ownHost()
const keys = Array.from({ length: 256 }, makeApiKey)
const digests = keys.map(sha256Hex)
// The same texts made anew: two that are one object are equal at a glance.
const copies = digests.map((digest) => Buffer.from(digest).toString('latin1'))
const texts = new TextEncoder()
const peers = limiters(ADDRESSES.length)
const [hono, flexible, map] = [peers.hono(), peers.flexible(), peers.map()]
const store = memoryStore()
const at = (i: number): number => i & 255
const rate = makeRate(1_000_000, 3600)
const charges = [{ name: 'limit', rate, cost: 1 }]
const fromNothing = (): null => null

const now: Candidate[] = [
  { name: 'an empty call', call: () => undefined },
  { name: 'platform.sha256, a key', call: (i) => platform.sha256(keys[at(i)]!) },
  { name: 'sha256Hex of @noble/hashes, a key', call: (i) => sha256Hex(keys[at(i)]!) },
  {
    name: 'platform.equal, two digests',
    call: (i) => platform.equal(digests[at(i)]!, copies[at(i)]!),
    ok: (same) => same === true,
  },
  { name: '===, two digests', call: (i) => digests[at(i)]! === copies[at(i)]!, ok: (same) => same === true },
  { name: 'GCRA decide, one charge', call: (i) => decide(charges, 1_780_000_000_000 + i, fromNothing) },
  { name: 'memoryStore consume', call: (i) => store.consume(addressOf(i), AMPLE) },
  { name: "hono-rate-limiter's MemoryStore increment", call: (i) => hono.decide(addressOf(i)) },
  { name: 'Map get and set', call: (i) => map.decide(addressOf(i)) },
]
const later: Candidate[] = [
  { name: 'crypto.subtle.digest, a key', call: (i) => crypto.subtle.digest('SHA-256', texts.encode(keys[at(i)]!)) },
  {
    name: 'timingSafeEqual of Hono, two digests',
    call: (i) => timingSafeEqual(digests[at(i)]!, copies[at(i)]!),
    ok: (same) => same === true,
  },
  { name: 'RateLimiterMemory consume', call: (i) => flexible.decide(addressOf(i)) },
]
const measures = [...immediate(now), ...pending(later).filter(({ concurrency }) => concurrency === 1)]
console.log(JSON.stringify(await inRounds(measures, EFFORT)))
process.exit(0)
