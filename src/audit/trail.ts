import { randomBytes, toHex } from '../bytes.ts'
import type { SecurityEvent, Sink } from '../event.ts'
import { type Json, PAGE_SIZE, type Store } from '../store/contract.ts'

/** What {@link auditTrail} takes. */
export interface AuditTrailOptions {
  readonly store: Store
  /** How long an entry is kept, in days, at most 3,650. 30 unless told. */
  readonly retentionDays?: number
  /** Most entries that one process keeps of strangers, and of principals: above it, their oldest give way. 10,000 unless told. */
  readonly maxEntries?: number
}

/** One entry, in the shape of OpenFang's `GET /api/audit/recent`. */
export interface AuditEntry {
  /** The principal's key, or the address of a stranger. */
  readonly actor: string
  /** The event's type. */
  readonly action: string
  /** Method and path, or what the event was about. */
  readonly resource: string
  /** `success`, or why not. */
  readonly details: string
  /** RFC 3339, UTC. */
  readonly timestamp: string
}

/** Events kept in a store. */
export interface AuditTrail {
  /** Give it to `security({ events: [trail.sink] })`. */
  readonly sink: Sink
  /** The newest entries, newest first. @param limit 1 to 100 @throws {RangeError} for another limit. */
  recent(limit: number): Promise<readonly AuditEntry[]>
}

const PARTITION = 'audit'
const LAST_INSTANT = 8.64e15

/**
 * Keeps events in a store, so that they are there after a restart: the newest `maxEntries` of each process, for the time of
 * retention. Not tamper-evident: who can write to the store can change it.
 *
 * @throws {RangeError} for a retention or number of entries out of range.
 */
export function auditTrail(options: AuditTrailOptions): AuditTrail {
  const { store, retentionDays = 30, maxEntries = 10_000 } = options
  if (!(retentionDays > 0 && retentionDays <= 3650)) {
    throw new RangeError('auditTrail(): retentionDays must be above 0 and at most 3650.')
  }
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw new RangeError('auditTrail(): maxEntries must be a whole number of at least 1.')
  }
  const retentionMs = Math.ceil(retentionDays * 86_400_000)
  let sequence = 0
  // A ring for strangers and one for principals: no flood of strangers erases what principals did.
  const rings = { stranger: new Ring(maxEntries), principal: new Ring(maxEntries) }
  const write = async (event: SecurityEvent): Promise<void> => {
    // Lists come in order of names, so names count down in time: the newest stand first.
    const age = String(LAST_INSTANT - event.at).padStart(16, '0')
    const turn = String(999_999 - (sequence++ % 1_000_000)).padStart(6, '0')
    const name = `${age}-${turn}-${toHex(randomBytes(4))}`
    await store.set({ partition: PARTITION, name }, entryOf(event), event.at + retentionMs)
    const oldest = rings[event.principal === null ? 'stranger' : 'principal'].put(name)
    if (oldest !== undefined) await store.delete({ partition: PARTITION, name: oldest })
  }
  return {
    async sink(events) {
      const failures: unknown[] = []
      for (const event of events) {
        try {
          await write(event)
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
    },
    async recent(limit) {
      if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_SIZE) {
        throw new RangeError(`auditTrail(): recent() takes a whole number from 1 to ${PAGE_SIZE}.`)
      }
      const page = await store.list(PARTITION, '', null)
      return page.entries.slice(0, limit).map((entry) => entry.value as unknown as AuditEntry)
    },
  }
}

/** The last so many names. */
class Ring {
  readonly #size: number
  readonly #names: string[] = []
  #next = 0

  constructor(size: number) {
    this.#size = size
  }

  /** Takes a name in, and gives the one that it pushes out. */
  put(name: string): string | undefined {
    const oldest = this.#names[this.#next]
    this.#names[this.#next] = name
    this.#next = (this.#next + 1) % this.#size
    return oldest
  }
}

function entryOf(event: SecurityEvent): Json {
  return {
    actor: event.principal ?? event.address,
    action: event.type,
    resource: event.resource ?? `${event.method} ${event.path}`,
    details: (event.reason ?? 'success') + (event.count > 1 ? ` (${event.count} times)` : ''),
    timestamp: new Date(event.at).toISOString(),
  }
}
