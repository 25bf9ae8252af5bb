/** What the examples use of Bun and Deno, whose own types would not stand beside those of Node. */

declare const Bun: {
  serve(options: {
    fetch(request: Request, server: object): Response | Promise<Response>
    hostname?: string
    port: number
    websocket?: object
  }): { readonly port: number }
}

declare const Deno: {
  serve(
    options: { hostname?: string; port: number; onListen?(address: { readonly port: number }): void },
    handler: (request: Request, info: object) => Response | Promise<Response>,
  ): object
}
