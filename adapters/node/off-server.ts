import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'

/** Under which symbol `@hono/node-server` keeps what a request was made of; it exports none. */
let incomingKey: symbol | undefined

/** Whether a request is the one that came over the connection, and none that the app made with the same environment. */
export function isOffServer(c: Context): boolean {
  const incoming = (c.env as Partial<HttpBindings> | undefined)?.incoming
  // HTTP/2 has ways of its own.
  if (incoming === undefined || incoming.httpVersionMajor !== 1) return false
  const raw = c.req.raw as unknown as Record<symbol, unknown>
  if (incomingKey !== undefined && raw[incomingKey] === incoming) return true
  const found = Object.getOwnPropertySymbols(raw).find((key) => raw[key] === incoming)
  incomingKey = found ?? incomingKey
  return found !== undefined
}
