import { memoryStore } from 'hinoban'
import { platform } from 'hinoban/bun'
import { upgradeWebSocket, websocket } from 'hono/bun'
import { clockOf, createSocketApp, type SocketEnvironment } from './app.ts'

const env = process.env as unknown as SocketEnvironment
const clock = clockOf(env)
const app = createSocketApp(platform, memoryStore({ clock }), env, upgradeWebSocket, clock)
const server = Bun.serve({
  fetch: (request, self) => app.fetch(request, self),
  websocket,
  hostname: '127.0.0.1',
  port: 0,
})
console.log(`listening ${server.port}`)
