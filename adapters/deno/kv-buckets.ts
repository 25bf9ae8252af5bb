import { utf8 } from '../../src/bytes.ts'
import { StoreOutage } from '../../src/store/contract.ts'
import { type Bucket, type Charge, type Decision, decide } from '../../src/store/gcra.ts'
import { type DenoKvEntry, jsonOf, type KvEngine, SNAPSHOT_KEYS } from './kv-engine.ts'

/** Most calls that may wait in one store. */
const MAX_WAITING = 16_384
/** Most calls that one commit decides: some milliseconds of arithmetic. */
const MAX_BATCH = 1_000

interface Call {
  readonly charges: readonly Charge[]
  readonly resolve: (decision: Decision) => void
  readonly reject: (error: unknown) => void
}

type Outcome =
  | { readonly type: 'decided'; readonly decision: Decision }
  | { readonly type: 'failed'; readonly error: unknown }

/**
 * GCRA buckets in Deno KV. The calls of this process on one partition are decided together: while one commit is under
 * way the next calls wait, then all of them are decided one after the other over one read, and made by one commit.
 *
 * A bucket is `[tatUs, rest]` as JSON in UTF-8.
 */
export class KvBuckets {
  readonly #engine: KvEngine
  /** Calls that wait, by partition. A partition stands here as long as somebody serves it. */
  readonly #queues = new Map<string, Call[]>()
  #waiting = 0

  constructor(engine: KvEngine) {
    this.#engine = engine
  }

  /**
   * Charges buckets of one partition, all or nothing. Partition and names come encoded and checked.
   *
   * @throws {StoreOutage} also when {@link MAX_WAITING} calls wait already
   */
  async consume(partition: string, charges: readonly Charge[]): Promise<Decision> {
    if (this.#waiting >= MAX_WAITING) throw new StoreOutage(`Over ${MAX_WAITING} calls wait for Deno KV.`)
    return new Promise((resolve, reject) => {
      const call = { charges, resolve, reject }
      const queue = this.#queues.get(partition)
      this.#waiting++
      if (queue === undefined) void this.#serve(partition, [call])
      else queue.push(call)
    })
  }

  /** Decides calls until none waits. Never throws. */
  async #serve(partition: string, queue: Call[]): Promise<void> {
    this.#queues.set(partition, queue)
    while (queue.length > 0) {
      const batch = queue.splice(0, batchLength(queue))
      const outcomes = await this.#outcomes(partition, batch)
      this.#waiting -= batch.length
      for (const [i, outcome] of outcomes.entries()) {
        if (outcome.type === 'decided') batch[i]!.resolve(outcome.decision)
        else batch[i]!.reject(outcome.error)
      }
    }
    this.#queues.delete(partition)
  }

  async #outcomes(partition: string, batch: readonly Call[]): Promise<readonly Outcome[]> {
    try {
      return await this.#engine.attempt(() => this.#attempt(partition, batch))
    } catch (error) {
      return batch.map(() => ({ type: 'failed', error }))
    }
  }

  /** Decides a batch over one read; null when its commit came too late. */
  async #attempt(partition: string, batch: readonly Call[]): Promise<{ answer: readonly Outcome[] } | null> {
    const names = [...new Set(batch.flatMap(({ charges }) => charges.map(({ name }) => name)))]
    const keys = names.map((name) => ['hinoban', 'bucket', partition, name])
    const entries = await this.#engine.read(keys)
    const held = new Held(names, entries)
    const now = this.#engine.now()
    const answer = batch.map(({ charges }) => outcomeOf(charges, now, held))
    // Nothing to write, and all seen at one instant: the answers are as good as committed.
    if (held.changed.size === 0 && names.length <= SNAPSHOT_KEYS) return { answer }
    const made = await this.#engine.commit((operation) => {
      for (const [i, key] of keys.entries()) {
        operation.check({ key, versionstamp: entries[i]!.versionstamp })
        const bucket = held.changed.get(names[i]!)
        if (bucket === undefined) continue
        const end = this.#engine.garbageAfter(Math.ceil(bucket.tatUs / 1000))
        operation.set(key, utf8(JSON.stringify([bucket.tatUs, bucket.rest])), end)
      }
    })
    return made === null ? null : { answer }
  }
}

/** The buckets of one attempt: as they were read, then as the calls before left them. */
class Held {
  /** What is to be written, by encoded name. */
  readonly changed = new Map<string, Bucket>()
  readonly #entries: ReadonlyMap<string, DenoKvEntry>

  constructor(names: readonly string[], entries: readonly DenoKvEntry[]) {
    this.#entries = new Map(names.map((name, i) => [name, entries[i]!]))
  }

  /** @throws {StoreOutage} when this store did not write what stands there. */
  read(name: string): Bucket | null {
    const changed = this.changed.get(name)
    if (changed !== undefined) return changed
    const entry = this.#entries.get(name)!
    return entry.versionstamp === null ? null : bucketOf(entry)
  }
}

/** Decides one call and keeps what it changed. What it throws is its own failure, not that of the batch. */
function outcomeOf(charges: readonly Charge[], now: number, held: Held): Outcome {
  try {
    const { decision, buckets } = decide(charges, now, (name) => held.read(name))
    for (const bucket of buckets)
      if (bucket !== null && !isBucket(bucket)) throw new RangeError('A rate must come from makeRate().')
    for (const [i, bucket] of buckets.entries()) if (bucket !== null) held.changed.set(charges[i]!.name, bucket)
    return { type: 'decided', decision }
  } catch (error) {
    return { type: 'failed', error }
  }
}

/** How many calls from the front fit into one batch: at least one, and no more keys than one snapshot reads. */
function batchLength(queue: readonly Call[]): number {
  const names = new Set<string>()
  for (const [i, { charges }] of queue.entries()) {
    for (const { name } of charges) names.add(name)
    if (i > 0 && (names.size > SNAPSHOT_KEYS || i === MAX_BATCH)) return i
  }
  return queue.length
}

function bucketOf(entry: DenoKvEntry): Bucket {
  const [tatUs, rest] = jsonOf(entry) as [number, number]
  const bucket = { tatUs, rest }
  if (!isBucket(bucket)) throw new StoreOutage('Deno KV holds a bucket that this store did not write.')
  return bucket
}

function isBucket({ tatUs, rest }: Bucket): boolean {
  return Number.isSafeInteger(tatUs) && Number.isSafeInteger(rest)
}
