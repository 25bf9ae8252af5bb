import { matchedRoutes } from 'hono/route'
import type { Context } from '../layer.ts'

/** Where Hono keeps the handler of a sub-app that has an error handler of its own. */
const COMPOSED_HANDLER = '__COMPOSED_HANDLER'

/**
 * The route of a request as the app wrote it, such as `GET /users/:id`, whatever middleware asks: the first match of one
 * method, or of all methods that takes no `next`. A mounted app is its own pattern, and so is what no route matches
 * (`ALL /api/*`, say): there are as many of these as patterns in the app.
 */
export function routeOf(c: Context): string {
  const matched = matchedRoutes(c)
  const route = matched.find(({ method, handler }) => method !== 'ALL' || takesNoNext(handler)) ?? matched.at(-1)
  return route === undefined ? 'unmatched' : `${route.method} ${route.path}`
}

function takesNoNext(handler: unknown): boolean {
  const { [COMPOSED_HANDLER]: wrapped } = handler as { [COMPOSED_HANDLER]?: unknown }
  return ((wrapped ?? handler) as { readonly length: number }).length < 2
}
