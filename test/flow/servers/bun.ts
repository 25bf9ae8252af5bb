import { platform, sqliteStore } from 'hinoban/bun'
import { upgradeWebSocket, websocket } from 'hono/bun'
import { createTestApp, stoppedClock, type TestEnvironment } from './app.ts'

const store = sqliteStore({ path: process.env.DATABASE!, clock: stoppedClock })
const socket = upgradeWebSocket(() => ({ onMessage: (event, ws) => ws.send(`echo ${event.data}`) }))
const app = createTestApp(platform, store, process.env as unknown as TestEnvironment, socket)
const server = Bun.serve({
  fetch: (request, self) => app.fetch(request, self),
  websocket,
  hostname: '127.0.0.1',
  port: 0,
})
console.log(`listening ${server.port}`)
