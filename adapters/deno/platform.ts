import { makeAddress, UNKNOWN_ADDRESS } from '../../src/address.ts'
import type { Platform } from '../../src/platform.ts'
import { nativeCrypto } from '../native.ts'
import { headerTable } from './header-list.ts'
import { isOffServer } from './off-server.ts'

/** What of `Deno.serve`'s handler info is used. */
interface DenoInfo {
  readonly remoteAddr: { readonly transport: string; readonly hostname?: string }
}

/** Deno. The address is the socket's peer, known when the handler gets Deno's info: `Deno.serve(app.fetch)`. */
export const platform: Platform = {
  name: 'deno',
  sharesRequests: true,
  // It tells of every answer that was sent, too.
  signalsAbort: false,
  ...nativeCrypto,
  address(c) {
    const peer = (c.env as Partial<DenoInfo> | undefined)?.remoteAddr
    return peer?.transport === 'tcp' ? makeAddress(peer.hostname, 'socket') : UNKNOWN_ADDRESS
  },
  framesBody: isOffServer,
  headerTable,
  defer: () => undefined,
  log: (line) => console.log(line),
}
