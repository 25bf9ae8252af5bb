import type { Env, MiddlewareHandler } from 'hono'
import type { Kit } from './kit.ts'
import { type Context, type Layer, layerOf, middlewareOf, type Step, type StepAnswer } from './layer.ts'
import { isPending } from './store/contract.ts'

/** A middleware, whatever it puts on the context. */
// biome-ignore lint/suspicious/noExplicitAny: Hono itself takes handlers of any environment so.
type AnyMiddleware = MiddlewareHandler<any>

/** What several middlewares together put on the context. */
export type EnvOfAll<Layers extends readonly AnyMiddleware[]> = Layers extends readonly [
  MiddlewareHandler<infer First extends Env>,
  ...infer Others extends readonly AnyMiddleware[],
]
  ? First & EnvOfAll<Others>
  : Env

/**
 * Several layers as one middleware: they do what they do one by one, and a request passes them for less, as Hono does not go
 * from one to the next. They run in their order. `security()` may be the first; without it, it stands before. One thing differs:
 * where `security()` is in it, an outage or fault of a layer is answered as a problem at once, and the app's `onError` is not asked.
 * `validate()`, which belongs to a route, is no such layer.
 *
 * @throws {TypeError} at start for what is no such layer, or for `security()` elsewhere than first.
 *
 * @example
 * const app = new Hono()
 *   .use(guard(security({ platform, store }), rateLimit({ quota: 100, periodSeconds: 60 }), authenticate(apiKeys({ keys }))))
 *   .get('/me', (c) => c.text(c.var.principal.id))
 */
export function guard<Layers extends readonly [AnyMiddleware, ...AnyMiddleware[]]>(
  ...layers: Layers
): MiddlewareHandler<EnvOfAll<Layers>> {
  if (layers.length === 0) throw new TypeError('guard(): give it at least one layer.')
  const made = layers.map(partOf)
  const steps = made.map(({ step }) => step)
  const { opening, isFirst } = made[0]!
  const step: Step = (kit, c) => runFrom(0, steps, kit, c)
  return middlewareOf<EnvOfAll<Layers>>({ owner: 'guard()', step, opening, isFirst })
}

function runFrom(start: number, steps: readonly Step[], kit: Kit, c: Context): StepAnswer {
  for (let i = start; i < steps.length; i++) {
    // A request that was answered meanwhile (a time-out stands before) goes no further.
    if (i > 0 && kit.lifecycle.isAnswered) return undefined
    const answer = steps[i]!(kit, c)
    if (isPending(answer)) return answer.then((settled) => settled ?? runFrom(i + 1, steps, kit, c))
    if (answer) return answer
  }
  return undefined
}

function partOf(middleware: AnyMiddleware, at: number): Layer {
  const part = layerOf(middleware)
  if (!part) {
    throw new TypeError(
      `guard(): argument ${at + 1} is no layer that guard() takes. Put validate() and other middleware behind it.`,
    )
  }
  if (part.isFirst && at > 0) throw new TypeError(`guard(): ${part.owner} comes first.`)
  return part
}
