import { encodePart } from './contract.ts'

const RAW_UNITS = 64
const NAME_BYTES = 256
const NAMES_KNOWN = 64
const LATIN1 = /^[\0-\xff]*$/

/**
 * 64 bits that stand for a partition and a name: HalfSipHash-2-4 of Aumasson and Bernstein
 * (https://github.com/veorq/SipHash). Who does not know the key cannot aim two names at one hash, and among a million
 * names the chance that any two share one is below 1e-7.
 *
 * The message is 256 bytes for the name (its text, zeros, its length) and the partition's text. A text beyond Latin-1 or
 * 64 units is encoded, and then always over 64 bytes long: so no two pairs are one message.
 */
export class KeyHash {
  /** First half of the last hash, 32 bits. */
  low = 0
  /** Second half of the last hash, 32 bits. */
  high = 0
  readonly #key: Int32Array
  readonly #state = new Int32Array(4)
  /** Names are few, as limiters are: the states behind some are kept. */
  readonly #known = new Map<string, Int32Array>()
  #name: string | null = null
  #partition: string | null = null
  #start: Int32Array

  /** @param key 8 random bytes */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, 8)
    const k0 = view.getInt32(0, true)
    const k1 = view.getInt32(4, true)
    this.#key = Int32Array.of(k0, k1 ^ 0xee, 0x6c796765 ^ k0, 0x74656462 ^ k1)
    this.#start = this.#key
  }

  /**
   * Hashes into `low` and `high`.
   *
   * @throws {RangeError} for a lone surrogate, which has no UTF-8.
   */
  of(partition: string, name: string): void {
    if (name !== this.#name) {
      this.#partition = null
      this.#start = this.#startOf(name)
      this.#name = name
    }
    // Who came last comes again, an attacker above all: comparing is cheaper than hashing.
    if (partition === this.#partition) return
    this.#partition = null
    const raw = partition.length <= RAW_UNITS && this.#hash(partition)
    if (!raw) this.#hash(encoded(partition))
    this.#partition = raw ? partition : null
  }

  /** False when a unit is beyond Latin-1: the hash is void then. */
  #hash(text: string): boolean {
    const state = this.#state
    const start = this.#start
    for (let i = 0; i < 4; i++) state[i] = start[i]!
    const whole = text.length & ~3
    let seen = absorb(state, text, whole)
    let last = text.length << 24
    for (let i = whole; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      seen |= unit
      last |= unit << (8 * (i - whole))
    }
    state[3]! ^= last
    stir(state, 2)
    state[0]! ^= last
    state[2]! ^= 0xee
    stir(state, 4)
    this.low = state[1]! ^ state[3]!
    state[1]! ^= 0xdd
    stir(state, 4)
    this.high = state[1]! ^ state[3]!
    return seen < 256
  }

  #startOf(name: string): Int32Array {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const text = name.length <= RAW_UNITS && LATIN1.test(name) ? name : encoded(name)
    const start = this.#key.slice()
    absorb(start, text.padEnd(NAME_BYTES - 1, '\0') + String.fromCharCode(text.length), NAME_BYTES)
    if (this.#known.size === NAMES_KNOWN) this.#known.clear()
    if (name.length < NAME_BYTES) this.#known.set(name, start)
    return start
  }
}

/** An encoded text ends in no '%', so that filling it with them keeps any two apart. */
function encoded(part: string): string {
  return encodePart(part).padEnd(RAW_UNITS + 1, '%')
}

/**
 * Takes in the first units of a text, four a word; gives the bits that occurred in any. The rounds stand here and in
 * stir(), not in one place, because numbers that stay in registers make the hash twice as fast.
 */
function absorb(state: Int32Array, text: string, units: number): number {
  let v0 = state[0]!
  let v1 = state[1]!
  let v2 = state[2]!
  let v3 = state[3]!
  let seen = 0
  for (let i = 0; i < units; i += 4) {
    const a = text.charCodeAt(i)
    const b = text.charCodeAt(i + 1)
    const c = text.charCodeAt(i + 2)
    const d = text.charCodeAt(i + 3)
    seen |= a | b | c | d
    const word = a | (b << 8) | (c << 16) | (d << 24)
    v3 ^= word
    for (let round = 0; round < 2; round++) {
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (((v0 << 16) | (v0 >>> 16)) + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
    }
    v0 ^= word
  }
  state[0] = v0
  state[1] = v1
  state[2] = v2
  state[3] = v3
  return seen
}

function stir(state: Int32Array, rounds: number): void {
  let v0 = state[0]!
  let v1 = state[1]!
  let v2 = state[2]!
  let v3 = state[3]!
  for (let round = 0; round < rounds; round++) {
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (((v0 << 16) | (v0 >>> 16)) + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
  }
  state[0] = v0
  state[1] = v1
  state[2] = v2
  state[3] = v3
}
