import type { Kit } from '../kit.ts'
import { type Context, kitOf } from '../layer.ts'
import { SetupError } from '../setup-error.ts'
import { type Awaitable, isPending, whenAnswered } from '../store/contract.ts'
import type { RememberingStore } from '../store/denials.ts'
import type { PlacedCharge } from './charging.ts'
import { elapsedUs, givingBack } from './giving-back.ts'

const MAX_TRIES = 4

/** Units that a request holds until it is known how many it took. They are settled once; what nobody settles stands. */
export class Reservation {
  readonly policy: string
  readonly #c: Context
  readonly #kit: Kit
  readonly #store: RememberingStore
  readonly #charge: PlacedCharge
  readonly #sinceMs: number
  /** What stands charged of it. */
  #state: 'reserved' | 'returned' | 'settled' = 'reserved'
  /** Whether a stream counts towards it. */
  isMetered = false

  /**
   * @param charge what was charged
   * @param sinceMs when it was charged, or a moment before
   */
  constructor(c: Context, kit: Kit, policy: string, store: RememberingStore, charge: PlacedCharge, sinceMs: number) {
    this.policy = policy
    this.#c = c
    this.#kit = kit
    this.#store = store
    this.#charge = charge
    this.#sinceMs = sinceMs
  }

  /** Whether nobody has settled it. */
  get isOpen(): boolean {
    return this.#state !== 'settled'
  }

  /**
   * Puts the true number of units in the place of what was reserved, the first time it is called. An outage leaves what
   * was reserved, with an event.
   *
   * @param units whole, 0 or more
   */
  settle(units: number): Awaitable<void> {
    if (!this.isOpen) return undefined
    const reserved = this.#state === 'reserved' ? this.#charge.cost : 0
    this.#state = 'settled'
    return this.#safely(() => (units > reserved ? this.#take(units - reserved) : this.#giveBack(units)))
  }

  /** Gives back what nobody settled: the request failed. Who settles later is charged after all. */
  returnAll(): void {
    if (this.#state !== 'reserved') return
    this.#state = 'returned'
    this.#defer(this.#safely(() => this.#giveBack(0)))
  }

  /** Lets what was reserved stand. */
  keep(): void {
    this.#state = 'settled'
  }

  /** As {@link settle}, when nobody waits for it any more. */
  settleLate(units: number): void {
    this.#defer(this.settle(units))
  }

  /** Has `listener` told when the client goes away, and the work of its request kept going until `ended`. */
  watchClient(listener: () => void, ended: Promise<void>): void {
    const signal = this.#kit.abortSignal
    signal?.addEventListener('abort', listener)
    if (signal?.aborted) listener()
    const forget = ended.then(() => signal?.removeEventListener('abort', listener))
    // Workers would end all work for a client that went away, and nobody would be left to settle.
    this.#kit.base.platform.defer(this.#c, forget)
  }

  /** Takes what was not reserved, as far as the bucket has it: the request was served, so no refusal is of use. */
  async #take(units: number): Promise<void> {
    let rest = units
    let most = Math.min(rest, this.#charge.rate.burst)
    for (let tries = 0; rest > 0 && most > 0 && tries < MAX_TRIES; tries++) {
      const { admitted, states } = await this.#consume(most)
      if (admitted === true) rest -= most
      most = Math.min(rest, states[0]!.remaining)
    }
    if (rest > 0) this.#kit.emit({ type: 'limit.overrun', level: 'warn', reason: 'reserve', resource: this.policy })
  }

  #giveBack(kept: number): Awaitable<unknown> {
    const back = givingBack(this.#charge, kept, elapsedUs(this.#store, this.#kit.base.clock, this.#sinceMs))
    return back === null ? undefined : this.#store.consume(this.#charge.partition, [back])
  }

  #consume(cost: number): ReturnType<RememberingStore['consume']> {
    const { partition, name, rate } = this.#charge
    return this.#store.consume(partition, [{ name, rate, cost }])
  }

  /** An outage leaves what stands charged, and harms no answer. */
  #safely(run: () => Awaitable<unknown>): Awaitable<void> {
    const failed = (error: unknown): void => void this.#kit.fault(error)
    try {
      return whenAnswered(run(), () => undefined, failed)
    } catch (error) {
      failed(error)
    }
    return undefined
  }

  #defer(task: Awaitable<void>): void {
    if (isPending(task)) this.#kit.base.platform.defer(this.#c, Promise.resolve(task))
  }
}

/** What a request reserved, by policy: one for each limiter of that name. Any name is known where a limiter let it pass. */
interface Noted {
  readonly byPolicy: Map<string, Reservation[]>
  isPassed: boolean
}

const byRequest = new WeakMap<Context, Noted>()

/** Notes what a request reserved. */
export function noteReservation(c: Context, reservation: Reservation): void {
  const { byPolicy } = notedOf(c)
  const { policy } = reservation
  byPolicy.set(policy, [...(byPolicy.get(policy) ?? []), reservation])
}

/** Notes that a limiter let a request pass uncharged: its handler may settle all the same. */
export function notePassed(c: Context): undefined {
  notedOf(c).isPassed = true
}

/** What a request reserved under a policy's name. @throws {Problem} for a name under which no limiter of it reserves. */
export function reservationsOf(c: Context, owner: string, policy: string): readonly Reservation[] {
  const { byPolicy, isPassed } = notedOf(c)
  const found = byPolicy.get(policy)
  if (found !== undefined) return found
  if (isPassed) return []
  const what = `${owner}: no rateLimit() before this handler reserves under the name ${JSON.stringify(policy)}.`
  throw kitOf(c, owner).fault(new SetupError(what))
}

function notedOf(c: Context): Noted {
  const noted = byRequest.get(c) ?? { byPolicy: new Map(), isPassed: false }
  byRequest.set(c, noted)
  return noted
}
