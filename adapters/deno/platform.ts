import { makeAddress, UNKNOWN_ADDRESS } from '../../src/address.ts'
import type { Platform } from '../../src/platform.ts'
import { nativeCrypto } from '../native.ts'
import { equal } from './equal.ts'
import { headerTable } from './header-list.ts'
import { isOffServer } from './off-server.ts'

/** What of `Deno.serve`'s handler info is used. */
interface DenoInfo {
  readonly remoteAddr: { readonly transport: string; readonly hostname?: string }
}

const MAX_AT_ONCE_BYTES = 16_384

/** Deno. The address is the socket's peer, known when the handler gets Deno's info: `Deno.serve(app.fetch)`. */
export const platform: Platform = {
  name: 'deno',
  sharesRequests: true,
  // It tells of every answer that was sent, too.
  signalsAbort: false,
  ...nativeCrypto,
  equal,
  address(c) {
    const peer = (c.env as Partial<DenoInfo> | undefined)?.remoteAddr
    return peer?.transport === 'tcp' ? makeAddress(peer.hostname, 'socket') : UNKNOWN_ADDRESS
  },
  // Nobody can give up what Deno reads at once: only little is read so.
  readDeclared: (c, length) =>
    length <= MAX_AT_ONCE_BYTES && isOffServer(c) ? { bytes: c.req.raw.arrayBuffer() } : null,
  headerTable,
  defer: () => undefined,
  log: (line) => console.log(line),
}
