import type { Json } from '../../src/store/contract.ts'
import type { BucketOperation, RecordOperation, Seen } from './history.ts'

/** A store as one caller after the other sees it. Pure: a step leaves the state it was given as it was. */
export interface Model<Op, State> {
  readonly initial: State
  /**
   * The state after a call that got this answer, null when this state does not allow the answer. After an outage: the
   * state if the call took effect.
   */
  step(state: State, operation: Op): State | null
}

/** `version` is null until somebody has seen it: only `swap` tells the version that it made. */
type RecordState =
  | 'absent'
  | { readonly value: Json; readonly version: string | null; readonly expiresAt: number | null }

/** One record as the contract has it. */
export const recordModel: Model<RecordOperation, RecordState> = {
  initial: 'absent',
  step(state, operation) {
    const { outcome } = operation
    const known = outcome !== 'outage'
    switch (operation.verb) {
      case 'get':
        return operation.outcome === 'outage' ? state : seen(state, operation.outcome.answer)
      case 'take':
        if (operation.outcome === 'outage') return 'absent'
        return seen(state, operation.outcome.answer) === null ? null : 'absent'
      case 'set':
        return { value: operation.value, version: null, expiresAt: operation.expiresAt }
      case 'delete':
        return 'absent'
      case 'claim': {
        const won = state === 'absent'
        if (known && outcome.answer !== won) return null
        return won ? { value: true, version: null, expiresAt: operation.expiresAt } : state
      }
      case 'swap': {
        const { version, value, expiresAt } = operation
        // A version that was given has been seen by its caller before, so if it still stood it would be known here.
        const fits = version === null ? state === 'absent' : state !== 'absent' && state.version === version
        if (operation.outcome === 'outage') return fits ? { value, version: null, expiresAt } : state
        const made = operation.outcome.answer
        if (fits !== (made !== null) || (made !== null && made === version)) return null
        return fits ? { value, version: made, expiresAt } : state
      }
    }
  },
}

/** The state once somebody saw the record like this, null when it cannot look so. */
function seen(state: RecordState, found: Seen | null): RecordState | null {
  if (state === 'absent' || found === null) return state === 'absent' && found === null ? state : null
  const { value, version, expiresAt } = state
  if (value !== found.value || expiresAt !== found.expiresAt) return null
  if (version !== null && version !== found.version) return null
  return { value, version: found.version, expiresAt }
}

/** Units spent of each bucket of a partition. */
type BucketState = Readonly<Record<string, number>>

/** The buckets of one partition, with nothing coming back by itself. */
export const bucketModel: Model<BucketOperation, BucketState> = {
  initial: {},
  step(state, { costs, outcome }) {
    const spent = (name: string): number => state[name] ?? 0
    const fits = costs.every(({ name, cost, burst }) => cost <= 0 || spent(name) + cost <= burst)
    const charged = costs.map(({ name, cost }) => [name, Math.max(0, spent(name) + cost)] as const)
    const next = fits ? { ...state, ...Object.fromEntries(charged) } : state
    if (outcome === 'outage') return next
    const { admitted, remaining } = outcome.answer
    const right =
      admitted === fits &&
      remaining.length === costs.length &&
      costs.every(({ name, burst }, i) => remaining[i] === burst - (next[name] ?? 0))
    return right ? next : null
  },
}
