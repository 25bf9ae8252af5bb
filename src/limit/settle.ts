import type { Context } from '../layer.ts'
import { reservationOf } from './reservation.ts'

/**
 * Tells how many units a request took in truth, in the place of what its quota reserved. Counts once; a second call
 * changes nothing. More than was reserved is taken as far as the bucket has it, with an event `limit.overrun`: what is
 * over is not owed later, so reserve the most that a request can take.
 *
 * @param policy the quota's name
 * @param units whole, 0 or more; 0 gives everything back
 * @throws {RangeError} for another number, {TypeError} for a name that nothing was reserved under
 *
 * @example
 * const reply = await askModel(message)
 * await settle(c, 'tokens', reply.usage.total_tokens)
 */
export async function settle(c: Context, policy: string, units: number): Promise<void> {
  await reservationOf(c, 'settle()', policy)?.settle(units)
}

/**
 * A stream that counts what passes and settles the sum, rounded up, when it ends: whole, broken off by the client, or
 * broken. Who goes away early is charged for what came. Call {@link settle} before the end where the true number comes
 * with the stream.
 *
 * On Workers a client that goes away is seen under the compatibility flag `enable_request_signal` alone; without it what was
 * reserved stands.
 *
 * @param unitsOf units of one chunk, finite and 0 or more; anything else breaks the stream, and what was reserved stands
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
  const reservation = reservationOf(c, 'meter()', policy)
  if (reservation === null) return stream
  const reader = stream.getReader()
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  let units = 0
  const end = (): void => {
    if (reservation.isOpen) reservation.settleLate(Math.ceil(units))
    resolve()
  }
  reservation.watchClient(end, ended)
  return new ReadableStream<T>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (done) {
          end()
          controller.close()
          return
        }
        const more = unitsOf(value)
        if (!(Number.isFinite(more) && more >= 0)) {
          await reader.cancel()
          reservation.keep()
          throw new RangeError(
            'meter(): unitsOf must give a finite number, 0 or more. What was reserved stays charged.',
          )
        }
        units += more
        controller.enqueue(value)
      } catch (error) {
        end()
        controller.error(error)
      }
    },
    cancel(reason) {
      end()
      return reader.cancel(reason)
    },
  })
}
