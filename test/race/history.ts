import type { Json } from '../../src/store/contract.ts'

/**
 * What came of a call. An outage leaves open whether it took effect: then, at any later moment, or never. `at` is the
 * instant of the return, ns by the clock of the machine.
 */
export type Outcome<T> = { readonly at: number; readonly answer: T } | 'outage'

/** A record as a process saw it. */
export interface Seen {
  readonly value: Json
  readonly version: string
  readonly expiresAt: number | null
}

/** Who called, and when: `invokedAt` is ns by the clock of the machine. */
interface Called {
  /** The one caller that waits for each answer before it calls again. */
  readonly caller: string
  readonly invokedAt: number
}

/** A call about one record. `key` names the record; values are different in every write but a claim's. */
export type RecordOperation = Called & { readonly key: string } & (
    | { readonly verb: 'get' | 'take'; readonly outcome: Outcome<Seen | null> }
    | {
        readonly verb: 'set'
        readonly value: Json
        readonly expiresAt: number | null
        readonly outcome: Outcome<null>
      }
    | { readonly verb: 'delete'; readonly outcome: Outcome<null> }
    | { readonly verb: 'claim'; readonly expiresAt: number; readonly outcome: Outcome<boolean> }
    | {
        readonly verb: 'swap'
        readonly version: string | null
        readonly value: Json
        readonly expiresAt: number | null
        readonly outcome: Outcome<string | null>
      }
  )

/** What one bucket was charged, in a period so long that nothing comes back by itself. */
export interface Cost {
  readonly name: string
  readonly cost: number
  readonly burst: number
}

/** A call about the buckets of one partition. `key` names the partition; `remaining` follows the order of the costs. */
export interface BucketOperation extends Called {
  readonly key: string
  readonly verb: 'consume'
  readonly costs: readonly Cost[]
  readonly outcome: Outcome<{ readonly admitted: boolean; readonly remaining: readonly number[] }>
}

/** One call of a history. */
export type Operation = RecordOperation | BucketOperation

/** One line about an operation, with its instants in µs since `originNs`. */
export function operationText(operation: Operation, originNs: number): string {
  const micros = (at: number): string => ((at - originNs) / 1000).toFixed(1)
  const { caller, invokedAt, outcome, verb, key: _key, ...given } = operation
  const [until, answer] = outcome === 'outage' ? ['?', 'outage'] : [micros(outcome.at), JSON.stringify(outcome.answer)]
  return `${caller} ${micros(invokedAt)}–${until} ${verb} ${JSON.stringify(given)} -> ${answer}`
}
