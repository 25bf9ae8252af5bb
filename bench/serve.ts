interface BunServer {
  serve(options: {
    fetch(request: Request, server: unknown): unknown
    readonly hostname: string
    readonly port: number
  }): { readonly port: number }
}

/** What of a Hono app is served. */
interface Served {
  fetch(request: Request, env?: object): Response | Promise<Response>
}

interface DenoServer {
  serve(options: object, handler: unknown): void
}

/** Serves an app on a free port of the loopback, as each runtime is told to by its documentation, and prints the port. */
export async function listen(app: Served): Promise<void> {
  const hostname = '127.0.0.1'
  const { Bun, Deno } = globalThis as unknown as { Bun?: BunServer; Deno?: DenoServer }
  if (Bun) {
    const server = Bun.serve({ fetch: (request, self) => app.fetch(request, self as object), hostname, port: 0 })
    console.log(`listening ${server.port}`)
  } else if (Deno) {
    const onListen = ({ port }: { port: number }) => console.log(`listening ${port}`)
    Deno.serve({ hostname, port: 0, onListen }, app.fetch)
  } else {
    const { serve } = await import('@hono/node-server')
    serve({ fetch: app.fetch, hostname, port: 0 }, ({ port }) => console.log(`listening ${port}`))
  }
}
