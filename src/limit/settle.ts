import { type Context, kitOf } from '../layer.ts'
import { SetupError } from '../setup-error.ts'
import { reservationsOf } from './reservation.ts'

/**
 * Tells how many units a request took in truth, in the place of what its quota reserved. Counts once; a second call
 * changes nothing. More than was reserved is taken as far as the bucket has it, with an event `limit.overrun`: what is
 * over is not owed later, so reserve the most that a request can take.
 *
 * @param policy the quota's name
 * @param units whole, 0 or more; 0 gives everything back
 * @throws {Problem} for another number, and for a name that nothing was reserved under; the event names the mistake
 *
 * @example
 * const reply = await askModel(message)
 * await settle(c, 'tokens', reply.usage.total_tokens)
 */
export async function settle(c: Context, policy: string, units: number): Promise<void> {
  const kit = kitOf(c, 'settle()')
  const reservations = reservationsOf(c, 'settle()', policy)
  if (!Number.isSafeInteger(units) || units < 0) {
    // What cannot be counted must not come free.
    for (const one of reservations) one.keep()
    const what = 'settle(): units must be a whole number, 0 or more. What was reserved stays charged.'
    throw kit.fault(new SetupError(what))
  }
  await Promise.all(reservations.map((one) => one.settle(units)))
}

/**
 * A stream that counts what passes and settles the sum, rounded up, when it ends: whole, broken off by the client, or
 * broken. Who goes away early is charged for what came. Call {@link settle} before the end where the true number comes
 * with the stream.
 *
 * On Workers a client that goes away is seen under the compatibility flag `enable_request_signal` alone; without it what was
 * reserved stands. It also stands for HEAD, which takes no body.
 *
 * @param unitsOf units of one chunk, finite and 0 or more; where it throws or gives anything else, the stream breaks and what
 *   was reserved stands
 * @throws {Problem} for a name that nothing was reserved under, and for a second stream of one reservation
 *
 * @example
 * return c.body(meter(c, 'tokens', reply.body, (chunk) => chunk.byteLength / 4))
 */
export function meter<T>(
  c: Context,
  policy: string,
  stream: ReadableStream<T>,
  unitsOf: (chunk: T) => number,
): ReadableStream<T> {
  const kit = kitOf(c, 'meter()')
  const reservations = reservationsOf(c, 'meter()', policy)
  if (reservations.length === 0 || kit.method === 'HEAD') return stream
  if (reservations.some(({ isMetered }) => isMetered)) {
    throw kit.fault(new SetupError(`meter(): another stream counts towards ${JSON.stringify(policy)} already.`))
  }
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const reader = stream.getReader()
  let units = 0
  const end = (): void => {
    for (const one of reservations) if (one.isOpen) one.settleLate(Math.ceil(units))
    resolve()
  }
  const keep = (): void => {
    for (const one of reservations) one.keep()
    resolve()
  }
  const count = (chunk: T): void => {
    try {
      const more = unitsOf(chunk)
      if (more >= 0 && Number.isSafeInteger(Math.ceil(units + more))) {
        units += more
        return
      }
    } catch (error) {
      keep()
      throw error
    }
    keep()
    throw new RangeError('meter(): unitsOf must give a finite number, 0 or more. What was reserved stays charged.')
  }
  for (const one of reservations) {
    one.isMetered = true
    one.watchClient(end, ended)
  }
  return new ReadableStream<T>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (done) {
          end()
          return controller.close()
        }
        count(value)
        controller.enqueue(value)
      } catch (error) {
        end()
        controller.error(error)
        reader.cancel(error).catch(() => undefined)
      }
    },
    cancel(reason) {
      end()
      return reader.cancel(reason)
    },
  })
}
