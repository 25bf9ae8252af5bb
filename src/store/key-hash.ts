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
  /** Names are few, as limiters are: the states behind some are kept. */
  readonly #known = new Map<string, Int32Array>()
  #name: string | null = null
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
      this.#start = this.#startOf(name)
      this.#name = name
    }
    if (partition.length <= RAW_UNITS && this.#hash(partition, this.#start, null)) return
    this.#hash(encoded(partition), this.#start, null)
  }

  /**
   * Takes in a text, four units a word, and hashes; false when a unit is beyond Latin-1: the hash is void then. All in one
   * loop, two rounds a turn, because numbers that stay in registers make the hash twice as fast.
   *
   * @param taken where the state goes once all whole words are in
   */
  #hash(text: string, start: Int32Array, taken: Int32Array | null): boolean {
    let v0 = start[0]!
    let v1 = start[1]!
    let v2 = start[2]!
    let v3 = start[3]!
    let seen = 0
    const words = text.length >> 2
    for (let turn = 0; turn < words + 5; turn++) {
      let word = 0
      if (turn < words) {
        const i = 4 * turn
        const a = text.charCodeAt(i)
        const b = text.charCodeAt(i + 1)
        const c = text.charCodeAt(i + 2)
        const d = text.charCodeAt(i + 3)
        seen |= a | b | c | d
        word = a | (b << 8) | (c << 16) | (d << 24)
      } else if (turn === words) {
        taken?.set([v0, v1, v2, v3])
        word = text.length << 24
        for (let i = 4 * words; i < text.length; i++) {
          const unit = text.charCodeAt(i)
          seen |= unit
          word |= unit << (8 * (i & 3))
        }
      } else if (turn === words + 1) {
        v2 ^= 0xee
      } else if (turn === words + 3) {
        this.low = v1 ^ v3
        v1 ^= 0xdd
      }
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
    this.high = v1 ^ v3
    return seen < 256
  }

  #startOf(name: string): Int32Array {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const text = name.length <= RAW_UNITS && LATIN1.test(name) ? name : encoded(name)
    const start = new Int32Array(4)
    this.#hash(text.padEnd(NAME_BYTES - 1, '\0') + String.fromCharCode(text.length), this.#key, start)
    if (this.#known.size === NAMES_KNOWN) this.#known.clear()
    if (name.length < NAME_BYTES) this.#known.set(name, start)
    return start
  }
}

/** An encoded text ends in no '%', so that filling it with them keeps any two apart. */
function encoded(part: string): string {
  return encodePart(part).padEnd(RAW_UNITS + 1, '%')
}
