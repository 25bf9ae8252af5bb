import { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { makeAddress, UNKNOWN_ADDRESS } from '../../src/address.ts'
import type { Platform } from '../../src/platform.ts'
import { nativeCrypto } from '../native.ts'

/** Node.js 22.13 and later, behind `@hono/node-server`. The address is the socket's peer. */
export const platform: Platform = {
  name: 'node',
  sharesRequests: true,
  signalsAbort: true,
  ...nativeCrypto,
  address(c) {
    const env = c.env as Partial<HttpBindings> | undefined
    const peer = env?.incoming?.socket.remoteAddress
    return peer === undefined ? UNKNOWN_ADDRESS : makeAddress(peer, 'socket')
  },
  framesBody: isOffServer,
  defer: () => undefined,
  log: (line) => console.log(line),
}

/** Under which symbol `@hono/node-server` keeps what a request was made of; it exports none. */
let incomingKey: symbol | undefined

/** Whether a request is the one that came over the connection, and none that the app made with the same environment. */
function isOffServer(c: Context): boolean {
  const incoming = (c.env as Partial<HttpBindings> | undefined)?.incoming
  if (!(incoming instanceof IncomingMessage)) return false
  const raw = c.req.raw as unknown as Record<symbol, unknown>
  incomingKey ??= Object.getOwnPropertySymbols(raw).find((key) => raw[key] === incoming)
  return incomingKey !== undefined && raw[incomingKey] === incoming
}
