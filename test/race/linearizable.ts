import type { Json } from '../../src/store/contract.ts'
import { type BucketOperation, type Operation, operationText, type RecordOperation } from './history.ts'
import { bucketModel, type Model, recordModel } from './models.ts'

/** States that one search may visit; short histories need some hundreds. */
const MOST_STATES = 20_000

/**
 * Whether one order of all calls explains every answer, each call taking effect at one moment between its invocation and
 * its return (linearizability: Herlihy and Wing, 1990). An outage may take effect at any moment after its invocation, or
 * never.
 *
 * Records are judged one by one and buckets by partition: linearizability is local, so nothing is lost by that. What it
 * does not judge: `list`, expiry, refill.
 *
 * @returns an account of each record or partition that no order explains; empty when all is well
 * @throws {Error} when a history is too tangled to be searched
 */
export function anomalies(history: readonly Operation[]): readonly string[] {
  const records = groups(history.filter((operation): operation is RecordOperation => operation.verb !== 'consume'))
  const buckets = groups(history.filter((operation): operation is BucketOperation => operation.verb === 'consume'))
  return [
    ...reusedVersions(history),
    ...[...records].flatMap(([key, operations]) => unexplained(`record ${key}`, operations, recordModel)),
    ...[...buckets].flatMap(([key, operations]) => unexplained(`buckets of ${key}`, operations, bucketModel)),
  ]
}

function groups<Op extends Operation>(history: readonly Op[]): Map<string, Op[]> {
  return Map.groupBy(history, ({ key }) => key)
}

function unexplained<Op extends Operation, State>(
  object: string,
  operations: readonly Op[],
  model: Model<Op, State>,
): readonly string[] {
  const found = search(operations, model)
  if (found.explained) return []
  const origin = Math.min(...operations.map(({ invokedAt }) => invokedAt))
  const list = (some: readonly Op[]): string => some.map((one) => `\n  ${operationText(one, origin)}`).join('')
  return [
    `${object}: no order explains these answers. Furthest:${list(found.furthest)}\nleft in state ${JSON.stringify(found.state)}:${list(found.left)}`,
  ]
}

type Found<Op, State> =
  | { readonly explained: true }
  | { readonly explained: false; readonly furthest: readonly Op[]; readonly left: readonly Op[]; readonly state: State }

/**
 * The search of Wing and Gong (1993), with the memory of Lowe (2017): tries as the next call each that was invoked before
 * all calls still to be placed returned, and never twice the same set of placed calls in the same state.
 */
function search<Op extends Operation, State>(operations: readonly Op[], model: Model<Op, State>): Found<Op, State> {
  const sorted = operations.toSorted((a, b) => a.invokedAt - b.invokedAt)
  const returnedAt = sorted.map(({ outcome }) => (outcome === 'outage' ? Number.POSITIVE_INFINITY : outcome.at))
  const visited = new Set<string>()
  const placed: number[] = []
  let furthest: { readonly order: readonly number[]; readonly state: State } = { order: [], state: model.initial }

  const explain = (done: bigint, state: State): boolean => {
    const name = `${done.toString(36)} ${nameOf(state)}`
    if (visited.has(name)) return false
    if (visited.add(name).size > MOST_STATES) throw new Error('This history is too tangled: make it shorter.')
    if (placed.length > furthest.order.length) furthest = { order: [...placed], state }
    const open = [...sorted.keys()].filter((i) => ((done >> BigInt(i)) & 1n) === 0n)
    const firstReturn = Math.min(...open.map((i) => returnedAt[i]!))
    // What is left are outages alone: they may never have happened.
    if (firstReturn === Number.POSITIVE_INFINITY) return true
    for (const i of open) {
      const operation = sorted[i]!
      if (operation.invokedAt > firstReturn) break
      const next = model.step(state, operation)
      if (next === null || (operation.outcome === 'outage' && nameOf(next) === nameOf(state))) continue
      placed.push(i)
      if (explain(done | (1n << BigInt(i)), next)) return true
      placed.pop()
    }
    return false
  }

  if (explain(0n, model.initial)) return { explained: true }
  const { order, state } = furthest
  const left = sorted.filter((_, i) => !order.includes(i))
  return { explained: false, furthest: order.map((i) => sorted[i]!), left, state }
}

function nameOf(state: unknown): string {
  return typeof state === 'string'
    ? state
    : JSON.stringify(Object.entries(state as object).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** A version stands for one write of its record: it never comes back with another value. */
function reusedVersions(history: readonly Operation[]): readonly string[] {
  const values = new Map<string, string>()
  return history.flatMap((operation) => {
    const found = versionOf(operation)
    if (found === null) return []
    const [name, value] = [`${found.version} of record ${operation.key}`, JSON.stringify(found.value)]
    const before = values.get(name) ?? value
    values.set(name, before)
    return before === value ? [] : [`version ${name} stands for ${before} and for ${value}`]
  })
}

/** The version that an operation made or saw, null when there is none. */
function versionOf(operation: Operation): { readonly version: string; readonly value: Json } | null {
  switch (operation.verb) {
    case 'swap': {
      const made = operation.outcome === 'outage' ? null : operation.outcome.answer
      return made === null ? null : { version: made, value: operation.value }
    }
    case 'get':
    case 'take':
      return operation.outcome === 'outage' ? null : operation.outcome.answer
    case 'set':
    case 'delete':
    case 'claim':
    case 'consume':
      return null
  }
}
