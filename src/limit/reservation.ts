import type { Kit } from '../kit.ts'
import type { Context } from '../layer.ts'
import { type Awaitable, isPending } from '../store/contract.ts'
import type { RememberingStore } from '../store/denials.ts'
import type { PlacedCharge } from './charging.ts'

const MAX_TRIES = 4

/** Units that a request holds until it is known how many it took. They are settled once; what nobody settles stands. */
export class Reservation {
  readonly policy: string
  readonly #c: Context
  readonly #kit: Kit
  readonly #store: RememberingStore
  readonly #charge: PlacedCharge
  #open = true

  /** @param charge what was charged; a cost of 0 where the request passed without */
  constructor(c: Context, kit: Kit, policy: string, store: RememberingStore, charge: PlacedCharge) {
    this.policy = policy
    this.#c = c
    this.#kit = kit
    this.#store = store
    this.#charge = charge
  }

  /** Whether nobody has settled it. */
  get isOpen(): boolean {
    return this.#open
  }

  /**
   * Puts the true number of units in the place of what was reserved, the first time it is called. An outage leaves what
   * was reserved, with an event.
   *
   * @throws {RangeError} for no whole number of 0 or more; then what was reserved stands.
   */
  settle(units: number): Awaitable<void> {
    if (!this.#open) return undefined
    this.#open = false
    // Closed by now: what cannot be counted must not come free.
    if (!Number.isSafeInteger(units) || units < 0) {
      throw new RangeError('settle(): units must be a whole number, 0 or more. What was reserved stays charged.')
    }
    const more = units - this.#charge.cost
    try {
      const done = more > 0 ? this.#take(more) : more < 0 ? this.#consume(more) : undefined
      if (isPending(done)) return done.then(nothing, (error: unknown) => this.#fail(error)) as Promise<void>
    } catch (error) {
      this.#fail(error)
    }
    return undefined
  }

  /** Lets what was reserved stand. */
  keep(): void {
    this.#open = false
  }

  /** As {@link settle}, when nobody waits for it any more. */
  settleLate(units: number): void {
    const task = this.settle(units)
    if (isPending(task)) this.#kit.base.platform.defer(this.#c, Promise.resolve(task))
  }

  /** Has `listener` told when the client goes away, and the work of its request kept going until `ended`. */
  watchClient(listener: () => void, ended: Promise<void>): void {
    const signal = this.#kit.abortSignal
    signal?.addEventListener('abort', listener)
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

  #consume(cost: number): ReturnType<RememberingStore['consume']> {
    const { partition, name, rate } = this.#charge
    return this.#store.consume(partition, [{ name, rate, cost }])
  }

  #fail(error: unknown): void {
    this.#kit.fault(error)
  }
}

/** By request and policy; null where the request passed without being charged. */
const byRequest = new WeakMap<Context, Map<string, Reservation | null>>()

/** Notes what a request reserved, or that its limiter let it pass uncharged. */
export function noteReservation(c: Context, policy: string, reservation: Reservation | null): void {
  const noted = byRequest.get(c) ?? new Map<string, Reservation | null>()
  noted.set(policy, reservation)
  byRequest.set(c, noted)
}

/** What a request reserved under a policy's name. @throws {TypeError} for a name under which no limiter of it reserves. */
export function reservationOf(c: Context, owner: string, policy: string): Reservation | null {
  const found = byRequest.get(c)?.get(policy)
  if (found !== undefined) return found
  throw new TypeError(`${owner}: no rateLimit() before this handler reserves under the name ${JSON.stringify(policy)}.`)
}

function nothing(): undefined {
  return undefined
}
