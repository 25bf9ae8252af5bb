/** Answers each packet with the same bytes, without reading it: what the client can ask at most. For Bun. Prints its port. */
const ANSWER = new TextEncoder().encode(
  'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"id":"me"}',
)

interface Socket {
  write(bytes: Uint8Array): number
}

const { Bun } = globalThis as unknown as { Bun: { listen(options: object): { readonly port: number } } }
const server = Bun.listen({
  hostname: '127.0.0.1',
  port: 0,
  socket: { data: (socket: Socket) => void socket.write(ANSWER) },
})
console.log(`listening ${server.port}`)
