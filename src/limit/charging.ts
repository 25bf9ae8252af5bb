import { type Awaitable, isPending } from '../store/contract.ts'
import type { RememberingStore } from '../store/denials.ts'
import type { BucketState, Charge, Decision } from '../store/gcra.ts'

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
 * other, and given back before this answers if a later one refuses or fails: never over-admits, may over-refuse for that
 * moment. A denial that is remembered costs no call at all.
 *
 * @throws {StoreOutage} when the store could not decide; what was charged by then is given back if it can be.
 */
export function chargeAll(store: RememberingStore, charges: readonly PlacedCharge[]): Awaitable<Verdict> {
  const { partition } = charges[0]!
  if (charges.every((charge) => charge.partition === partition)) {
    const decision = store.consume(partition, charges)
    return isPending(decision) ? (decision.then(verdictOf) as Promise<Verdict>) : verdictOf(decision)
  }
  const shares = sharesOf(charges)
  const states = new Array<BucketState | null>(charges.length).fill(null)
  for (const share of shares) {
    const known = store.remembered(share.partition, share.charges)
    if (known === null) continue
    note(share, known, states)
    return { admitted: false, states }
  }
  return chargeFrom(store, shares, 0, states)
}

function chargeFrom(
  store: RememberingStore,
  shares: readonly Share[],
  at: number,
  states: (BucketState | null)[],
): Awaitable<Verdict> {
  const share = shares[at]
  if (share === undefined) return { admitted: true, states }
  const charged = shares.slice(0, at)
  const go = (decision: Decision): Awaitable<Verdict> => {
    note(share, decision, states)
    if (decision.admitted === true) return chargeFrom(store, shares, at + 1, states)
    return after(giveBack(store, charged, states), () => ({ admitted: false, states }))
  }
  const fail = (error: unknown): Awaitable<never> =>
    after(giveBack(store, charged, states), () => {
      throw error
    })
  let decision: Awaitable<Decision>
  try {
    decision = store.consume(share.partition, share.charges)
  } catch (error) {
    return fail(error)
  }
  return isPending(decision) ? (decision.then(go, fail) as Promise<Verdict>) : go(decision)
}

/** An outage on the way back leaves the charge: that client is refused too early, nobody too late. */
function giveBack(
  store: RememberingStore,
  shares: readonly Share[],
  states: (BucketState | null)[],
): Awaitable<unknown> {
  const answers = shares.map((share): Awaitable<void> => {
    const back = share.charges.map((charge) => ({ ...charge, cost: -charge.cost }))
    const seen = (decision: Decision): void => note(share, decision, states)
    try {
      const decision = store.consume(share.partition, back)
      return isPending(decision) ? decision.then(seen, () => undefined) : seen(decision)
    } catch {
      return undefined
    }
  })
  return answers.some(isPending) ? Promise.all(answers) : undefined
}

function after<T>(first: Awaitable<unknown>, then: () => T): Awaitable<T> {
  return isPending(first) ? (first.then(then) as Promise<T>) : then()
}

function note(share: Share, decision: Decision, states: (BucketState | null)[]): void {
  for (const [i, place] of share.places.entries()) states[place] = decision.states[i]!
}

function verdictOf({ admitted, states }: Decision): Verdict {
  return { admitted: admitted === true, states }
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
