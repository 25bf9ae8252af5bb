import type { Context } from 'hono'
import { makeAddress, UNKNOWN_ADDRESS } from '../../src/address.ts'
import type { Platform } from '../../src/platform.ts'
import { nativeCrypto } from '../native.ts'

/** What of `Bun.serve`'s server is used. */
interface BunServer {
  requestIP(request: Request): { readonly address: string } | null
}

/**
 * Bun. The address is the socket's peer, known when the server is Hono's environment: `export default app`, or
 * `Bun.serve({ fetch: (request, server) => app.fetch(request, server) })`.
 */
export const platform: Platform = {
  name: 'bun',
  sharesRequests: true,
  signalsAbort: true,
  ...nativeCrypto,
  address(c) {
    const peer = peerOf(c)
    return peer ? makeAddress(peer.address, 'socket') : UNKNOWN_ADDRESS
  },
  // Bun knows a peer for what its server took in, and for no request that was made here.
  readDeclared: (c) => (peerOf(c) === null ? null : { bytes: c.req.raw.arrayBuffer() }),
  defer: () => undefined,
  log: (line) => console.log(line),
}

function peerOf(c: Context): { readonly address: string } | null {
  const env = c.env as (Partial<BunServer> & { readonly server?: BunServer }) | undefined
  const server = env?.server ?? env
  return typeof server?.requestIP === 'function' ? server.requestIP(c.req.raw) : null
}
