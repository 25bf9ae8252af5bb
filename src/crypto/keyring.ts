import { fromBase64Url, toBase64Url, toHex, utf8 } from '../bytes.ts'
import { NONCE_BYTES, OpenError, open, seal } from './aead.ts'
import { sha256Hex } from './hash.ts'
import { type KeyBytes, type KeyMaterial, readKeyMaterial } from './key-material.ts'

/** What a {@link keyring} is made of. */
export interface KeyringOptions extends KeyMaterial {
  /** Older pairs, which still open what they sealed. */
  readonly retired?: readonly KeyMaterial[]
}

/** Seals texts under a label and a context. A text opens only under those that it was sealed under. */
export interface Keyring {
  /**
   * `hnb2.<key id>.<nonce>.<ciphertext and tag>`, the last two base64url.
   *
   * @param label what the text is, such as a record's name: it has a key of its own
   * @param context what else must not change, such as the record's end
   */
  seal(label: string, context: string, text: string): Promise<string>
  /** The text. @throws {OpenError} for anything else than what one of the pairs sealed: one error, whatever was wrong. */
  open(label: string, context: string, sealed: string): Promise<string>
}

/** A pair made ready: the key that others are derived from, and the id by which sealed texts name it. */
interface Root {
  readonly kid: string
  readonly key: CryptoKey
  readonly salt: Uint8Array<ArrayBuffer>
}

const VERSION = 'hnb2'
const MAX_CACHED = 1_000
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Keys from a secret and a salt, one for each label by HKDF-SHA-256 (RFC 5869), for AES-256-GCM under random 96-bit nonces. As
 * every label has a key of its own, the bound of 2^32 sealings a key is one a label, which no label meets.
 *
 * To change the secret, move the old pair to `retired`: what it sealed opens until it is written anew.
 *
 * @throws {TypeError} at start, naming each setting that is missing or weak, and how to make a good one
 *
 * @example
 * const keys = keyring({ secret: env.STORE_SECRET, salt: env.STORE_SALT })
 */
export function keyring(options: KeyringOptions): Keyring {
  const current = readKeyMaterial('keyring()', options)
  const retired = (options.retired ?? []).map((pair) => readKeyMaterial('keyring(): retired', pair))
  return new Ring([current, ...retired])
}

class Ring implements Keyring {
  readonly #pairs: readonly KeyBytes[]
  readonly #roots: (Root | undefined)[] = []
  /** By key id and label, the oldest first. */
  readonly #keys = new Map<string, CryptoKey>()

  constructor(pairs: readonly KeyBytes[]) {
    this.#pairs = pairs
  }

  async seal(label: string, context: string, text: string): Promise<string> {
    const root = await this.#root(0)
    const { nonce, ciphertext } = await seal(await this.#key(root, label), utf8(text), aad(root, context))
    return [VERSION, root.kid, toBase64Url(nonce), toBase64Url(ciphertext)].join('.')
  }

  async open(label: string, context: string, sealed: string): Promise<string> {
    const [version, kid, nonceText = '', ciphertextText = '', ...more] = sealed.split('.')
    const nonce = fromBase64Url(nonceText)
    const ciphertext = fromBase64Url(ciphertextText)
    const root = version === VERSION ? await this.#find(kid) : null
    if (root === null || nonce?.length !== NONCE_BYTES || ciphertext === null || more.length > 0) {
      throw new OpenError('Sealed data could not be opened.')
    }
    const key = await this.#key(root, label)
    return decoder.decode(await open(key, { nonce, ciphertext }, aad(root, context)))
  }

  async #find(kid: string | undefined): Promise<Root | null> {
    for (let i = 0; i < this.#pairs.length; i++) {
      const root = await this.#root(i)
      if (root.kid === kid) return root
    }
    return null
  }

  // Two requests may both derive at first; neither waits for a promise of the other, which workerd would not allow.
  async #root(i: number): Promise<Root> {
    const found = this.#roots[i]
    if (found) return found
    const { secret, salt } = this.#pairs[i]!
    const key = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits', 'deriveKey'])
    const id = await crypto.subtle.deriveBits(params(salt, 'hinoban keyring v1 key id'), key, 32)
    const root = { kid: toHex(new Uint8Array(id)), key, salt }
    this.#roots[i] = root
    return root
  }

  async #key(root: Root, label: string): Promise<CryptoKey> {
    // WebCrypto takes at most 1,024 bytes of info.
    const id = sha256Hex(label)
    const place = `${root.kid}.${id}`
    const found = this.#keys.get(place)
    if (found) return found
    const of = params(root.salt, `hinoban keyring v1 label ${id}`)
    const algorithm = { name: 'AES-GCM', length: 256 }
    const key = await crypto.subtle.deriveKey(of, root.key, algorithm, false, ['encrypt', 'decrypt'])
    if (this.#keys.size >= MAX_CACHED) this.#keys.delete(this.#keys.keys().next().value!)
    this.#keys.set(place, key)
    return key
  }
}

function aad({ kid }: Root, context: string): Uint8Array<ArrayBuffer> {
  return utf8(`${VERSION}.${kid}.${context}`)
}

function params(
  salt: Uint8Array<ArrayBuffer>,
  info: string,
): { name: string; hash: string; salt: Uint8Array<ArrayBuffer>; info: Uint8Array<ArrayBuffer> } {
  return { name: 'HKDF', hash: 'SHA-256', salt, info: utf8(info) }
}
