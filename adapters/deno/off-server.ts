import type { Context } from 'hono'
import { symbolOf } from '../symbol-of.ts'
import { isKnownDeno } from './known-version.ts'

let innerKey: symbol | undefined
/** The class of what stands behind a request of Deno's server. */
let serverClass: unknown

/** Whether a request is the one that came over the connection, and none that the app made. */
export function isOffServer(c: Context): boolean {
  if (!isKnownDeno()) return false
  const { raw } = c.req
  innerKey ??= symbolOf(raw, 'request')
  const inner = innerKey && (raw as unknown as Record<symbol, object | undefined>)[innerKey]
  if (!inner) return false
  if (serverClass === undefined && inner.constructor.name === 'InnerRequest') serverClass = inner.constructor
  return serverClass !== undefined && inner.constructor === serverClass
}
