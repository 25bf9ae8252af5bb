import type { HttpBindings } from '@hono/node-server'
import { makeAddress, UNKNOWN_ADDRESS } from '../../src/address.ts'
import type { Platform } from '../../src/platform.ts'
import { nativeCrypto } from '../native.ts'
import { isOffServer } from './off-server.ts'
import { withHeaders } from './plain-headers.ts'

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
  // Node's parser ends a body at its length.
  readDeclared: (c) => (isOffServer(c) ? { bytes: c.req.raw.arrayBuffer() } : null),
  withHeaders,
  defer: () => undefined,
  log: (line) => console.log(line),
}
