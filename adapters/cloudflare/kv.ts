import { randomBytes, toHex } from '../../src/bytes.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import {
  checkExpiry,
  decodeName,
  decodeValue,
  encodeListedName,
  encodePart,
  encodeValue,
  isHashed,
  type Json,
  type Listed,
  PAGE_SIZE,
  type Page,
  type Store,
  type Stored,
  type StoreKey,
  StoreOutage,
  SWEEP_DELAY_MS,
} from '../../src/store/contract.ts'
import { withDeadline } from '../../src/store/deadline.ts'

/** Settings of a {@link kvStore}. */
export interface KvStoreOptions {
  /** Decides expiry; the runtime's own unless told. */
  readonly clock?: Clock
  /** Longest that a call may take, ms, 1 to 60,000; then it is a StoreOutage. 1,000 unless told: cold reads are slow. */
  readonly deadlineMs?: number
}

const MIN_TTL_SECONDS = 60
const MAX_TTL_SECONDS = 2_147_483_647
const VERSION_BYTES = 12

/**
 * Plain state in Cloudflare KV, for what may be old: key records, JWKS, revocation snapshots, sealed blobs.
 *
 * What it does not promise: a write is seen elsewhere after up to 60 seconds and sometimes more, a location that asked for
 * an absent key remembers the absence as long, two writers overwrite each other, and one key takes one write a second
 * (KV refuses the next: a {@link StoreOutage}). So it has no verb that counts or is used once, and its type keeps it out of
 * every option that needs one.
 *
 * A record is `{ value, version, expiresAt }` as JSON under `partition/name`, both encoded. Expiry is decided by the
 * instant inside; KV's own `expirationTtl` only collects the garbage, an hour late. A page of `list` may hold fewer than
 * 100 records though more follow: go on until the cursor is null. Everything that fails is a {@link StoreOutage}.
 */
export function kvStore(namespace: KVNamespace, options: KvStoreOptions = {}): Store {
  const { clock = systemClock, deadlineMs = 1_000 } = options
  return withDeadline(new KvStore(namespace, clock), { deadlineMs })
}

class KvStore implements Store {
  readonly name = 'cloudflare-kv'
  readonly consistency = 'eventual'
  readonly #namespace: KVNamespace
  readonly #clock: Clock
  #closed = false

  constructor(namespace: KVNamespace, clock: Clock) {
    this.#namespace = namespace
    this.#clock = clock
  }

  async get(key: StoreKey): Promise<Stored | null> {
    const path = pathOf(key.partition, encodePart(key.name))
    return this.#call(async () => this.#live(await this.#namespace.get(path)))
  }

  async set(key: StoreKey, value: Json, expiresAt: number | null): Promise<void> {
    checkExpiry(expiresAt)
    const path = pathOf(key.partition, encodeListedName(key.name))
    const version = toHex(randomBytes(VERSION_BYTES))
    const text = `{"value":${encodeValue(value)},"version":"${version}","expiresAt":${expiresAt}}`
    await this.#call(() => this.#namespace.put(path, text, this.#garbageAfter(expiresAt)))
  }

  async delete(key: StoreKey): Promise<void> {
    const path = pathOf(key.partition, encodePart(key.name))
    await this.#call(() => this.#namespace.delete(path))
  }

  async list(partition: string, prefix: string, cursor: string | null): Promise<Page> {
    const root = pathOf(partition, '')
    const begin = root + encodeListedName(prefix)
    return this.#call(async () => {
      const page = await this.#namespace.list({ prefix: begin, limit: PAGE_SIZE, cursor })
      const paths = page.keys.map(({ name }) => name).filter((path) => !isHashed(path.slice(root.length)))
      const texts = paths.length === 0 ? new Map<string, string | null>() : await this.#namespace.get(paths)
      const entries: Listed[] = []
      for (const path of paths) {
        const record = this.#live(texts.get(path) ?? null)
        if (record !== null) entries.push({ name: decodeName(path.slice(root.length)), ...record })
      }
      return { entries, cursor: page.list_complete ? null : page.cursor }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #live(text: string | null): Stored | null {
    if (text === null) return null
    const record = decodeValue(text) as unknown as Stored
    return record.expiresAt === null || this.#clock.now() < record.expiresAt ? record : null
  }

  #garbageAfter(expiresAt: number | null): KVNamespacePutOptions {
    if (expiresAt === null) return {}
    const seconds = Math.ceil((expiresAt - this.#clock.now() + SWEEP_DELAY_MS) / 1000)
    return seconds > MAX_TTL_SECONDS ? {} : { expirationTtl: Math.max(MIN_TTL_SECONDS, seconds) }
  }

  async #call<T>(body: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreOutage('The KV store is closed.')
    try {
      return await body()
    } catch (error) {
      throw new StoreOutage('Workers KV could not answer.', { cause: error })
    }
  }
}

function pathOf(partition: string, encodedName: string): string {
  return `${encodePart(partition)}/${encodedName}`
}
