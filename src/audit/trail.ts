import { randomBytes, toHex } from '../bytes.ts'
import type { SecurityEvent, Sink } from '../event.ts'
import { type Json, PAGE_SIZE, type Store } from '../store/contract.ts'

/** What {@link auditTrail} takes. */
export interface AuditTrailOptions {
  readonly store: Store
  /** How long an entry is kept, in days. 30 unless told. */
  readonly retentionDays?: number
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
 * Keeps every event in a store, so that it is there after a restart. Not tamper-evident: who can write to the store can
 * change it.
 *
 * @throws {RangeError} for a retention that is not above 0.
 */
export function auditTrail(options: AuditTrailOptions): AuditTrail {
  const { store, retentionDays = 30 } = options
  if (!(retentionDays > 0)) throw new RangeError('auditTrail(): retentionDays must be above 0.')
  const retentionMs = Math.ceil(retentionDays * 86_400_000)
  let sequence = 0
  return {
    async sink(events) {
      for (const event of events) {
        // Lists come in order of names, so names count down in time: the newest stand first.
        const age = String(LAST_INSTANT - event.at).padStart(16, '0')
        const turn = String(999_999 - (sequence++ % 1_000_000)).padStart(6, '0')
        const name = `${age}-${turn}-${toHex(randomBytes(4))}`
        await store.set({ partition: PARTITION, name }, entryOf(event), event.at + retentionMs)
      }
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

function entryOf(event: SecurityEvent): Json {
  return {
    actor: event.principal ?? event.address,
    action: event.type,
    resource: event.resource ?? `${event.method} ${event.path}`,
    details: (event.reason ?? 'success') + (event.count > 1 ? ` (${event.count} times)` : ''),
    timestamp: new Date(event.at).toISOString(),
  }
}
