import type { Platform } from 'hinoban'
import type { Context } from 'hono'

/** What differs between runtimes: ours, and where the peers find the client's address, at the same price. */
export interface Host {
  readonly name: string
  readonly platform: Platform
  addressOf(c: Context): string
}

interface Environment {
  readonly incoming: { readonly socket: { readonly remoteAddress: string } }
  requestIP(request: Request): { readonly address: string }
  readonly remoteAddr: { readonly hostname: string }
}

const ADDRESS_OF: Record<string, (c: Context) => string> = {
  node: (c) => (c.env as Environment).incoming.socket.remoteAddress,
  bun: (c) => (c.env as Environment).requestIP(c.req.raw).address,
  deno: (c) => (c.env as Environment).remoteAddr.hostname,
}

/** The host that this process is: Node, Bun or Deno. */
export async function ownHost(): Promise<Host> {
  const name = 'Bun' in globalThis ? 'bun' : 'Deno' in globalThis ? 'deno' : 'node'
  const { platform } = (await import(`hinoban/${name}`)) as { platform: Platform }
  return { name, platform, addressOf: ADDRESS_OF[name]! }
}

/** An address as each runtime's server would give it, for requests made in process. */
export function environmentOf(address: string): object {
  return {
    incoming: { socket: { remoteAddress: address } },
    requestIP: () => ({ address }),
    remoteAddr: { transport: 'tcp', hostname: address },
  }
}
