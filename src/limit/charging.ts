import type { Clock } from '../clock.ts'
import { type Awaitable, isPending, whenAnswered } from '../store/contract.ts'
import type { RememberingStore } from '../store/denials.ts'
import type { BucketState, Charge, Decision } from '../store/gcra.ts'
import { elapsedUs, givingBack } from './giving-back.ts'

/** A charge and the partition that it belongs to. */
export interface PlacedCharge extends Charge {
  readonly partition: string
}

/** What became of all charges. `states` follow their order; null where nobody was asked, as an earlier one refused. */
export interface Verdict {
  readonly admitted: boolean
  readonly states: readonly (BucketState | null)[]
}

interface Share {
  readonly partition: string
  readonly charges: Charge[]
  /** Where the charges stand among all. */
  readonly places: number[]
}

/**
 * Makes all charges or none; there is at least one. Those of one partition are decided at once by the store. Partitions are charged one after the
 * other, and given back before this answers if a later one refuses or fails, but for what drained meanwhile: never
 * over-admits, may over-refuse for that moment. A denial that is remembered costs no call at all.
 *
 * @param clock tells how long a charge stood before it was given back
 * @throws {StoreOutage} when the store could not decide; what was charged by then is given back if it can be.
 */
export function chargeAll(store: RememberingStore, clock: Clock, charges: readonly PlacedCharge[]): Awaitable<Verdict> {
  const { partition } = charges[0]!
  if (charges.length === 1 || charges.every((charge) => charge.partition === partition)) {
    return whenAnswered(store.consume(partition, charges), verdictOf)
  }
  const shares = sharesOf(charges)
  const states = new Array<BucketState | null>(charges.length).fill(null)
  let refused = false
  for (const share of shares) {
    const known = store.remembered(share.partition, share.charges)
    if (known === null) continue
    note(share, known, states)
    refused = true
  }
  return refused ? { admitted: false, states } : chargeFrom({ store, clock, shares, states, sinceMs: [] }, 0)
}

interface Run {
  readonly store: RememberingStore
  readonly clock: Clock
  readonly shares: readonly Share[]
  readonly states: (BucketState | null)[]
  /** When each share was charged, or a moment before. */
  readonly sinceMs: number[]
}

function chargeFrom(run: Run, at: number): Awaitable<Verdict> {
  const { store, clock, shares, states } = run
  const share = shares[at]
  if (share === undefined) return { admitted: true, states }
  const go = (decision: Decision): Awaitable<Verdict> => {
    note(share, decision, states)
    if (decision.admitted === true) return chargeFrom(run, at + 1)
    return whenAnswered(giveBack(run, at), () => ({ admitted: false, states }))
  }
  const fail = (error: unknown): Awaitable<never> =>
    whenAnswered(giveBack(run, at), () => {
      throw error
    })
  let decision: Awaitable<Decision>
  try {
    run.sinceMs[at] = clock.now()
    decision = store.consume(share.partition, share.charges)
  } catch (error) {
    return fail(error)
  }
  return whenAnswered(decision, go, fail)
}

/**
 * Gives back the shares before this one. An outage on the way leaves the charge: somebody is refused too early, nobody too
 * late. Their states stay as they were charged: less is told than is left, never more.
 */
function giveBack({ store, clock, shares, sinceMs }: Run, before: number): Awaitable<unknown> {
  const answers = shares.slice(0, before).map((share, i): Awaitable<void> => {
    const drainedUs = elapsedUs(store, clock, sinceMs[i]!)
    const back = share.charges.flatMap((charge) => givingBack(charge, 0, drainedUs) ?? [])
    if (back.length === 0) return undefined
    try {
      return whenAnswered(store.consume(share.partition, back), nothing, nothing)
    } catch {
      return undefined
    }
  })
  return answers.some(isPending) ? Promise.all(answers) : undefined
}

function nothing(): undefined {
  return undefined
}

function note(share: Share, decision: Decision, states: (BucketState | null)[]): void {
  for (const [i, place] of share.places.entries()) states[place] = decision.states[i]!
}

/** A store of one's own may answer anything: what is not true is no admission. */
function verdictOf(decision: Decision): Verdict {
  return typeof decision.admitted === 'boolean' ? decision : { admitted: false, states: decision.states }
}

function sharesOf(charges: readonly PlacedCharge[]): readonly Share[] {
  const shares = new Map<string, Share>()
  for (const [place, { partition, ...charge }] of charges.entries()) {
    const share = shares.get(partition) ?? { partition, charges: [], places: [] }
    share.charges.push(charge)
    share.places.push(place)
    shares.set(partition, share)
  }
  return [...shares.values()]
}
