import { serve, upgradeWebSocket } from '@hono/node-server'
import { platform, sqliteStore } from 'hinoban/node'
import { WebSocketServer } from 'ws'
import { createTestApp, stoppedClock, type TestEnvironment } from './app.ts'

const store = sqliteStore({ path: process.env.DATABASE!, clock: stoppedClock })
const socket = upgradeWebSocket(() => ({ onMessage: (event, ws) => ws.send(`echo ${event.data}`) }))
const app = createTestApp(platform, store, process.env as unknown as TestEnvironment, socket)
// The types of ws and of node-server differ in optional fields alone.
const websocket = { server: new WebSocketServer({ noServer: true }) as never }
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0, websocket }, (info) => console.log(`listening ${info.port}`))
