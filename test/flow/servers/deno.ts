import process from 'node:process'
import { platform, sqliteStore } from 'hinoban/deno'
import { upgradeWebSocket } from 'hono/deno'
import { createTestApp, stoppedClock, type TestEnvironment } from './app.ts'

const store = sqliteStore({ path: process.env.DATABASE!, clock: stoppedClock })
const socket = upgradeWebSocket(() => ({ onMessage: (event, ws) => ws.send(`echo ${event.data}`) }))
const app = createTestApp(platform, store, process.env as unknown as TestEnvironment, socket)
Deno.serve({ hostname: '127.0.0.1', port: 0, onListen: ({ port }) => console.log(`listening ${port}`) }, app.fetch)
