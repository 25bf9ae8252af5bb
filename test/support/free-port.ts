import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below what Linux, macOS and Windows give to connections by themselves: none of them takes it in the meantime. */
const LOWEST = 10_000
const HIGHEST = 32_000

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + (crypto.getRandomValues(new Uint32Array(1))[0]! % (HIGHEST - LOWEST))
    const server = createServer()
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue
      throw error
    }
    await once(server.close(), 'close')
    return port
  }
}
