import { serve, upgradeWebSocket } from '@hono/node-server'
import { memoryStore } from 'hinoban'
import { platform } from 'hinoban/node'
import { WebSocketServer } from 'ws'
import { openStore } from '../stores/open.ts'
import { clockOf, createSocketApp, type SocketEnvironment } from './app.ts'

const env = process.env as unknown as SocketEnvironment
const clock = clockOf(env)
const store = env.STORE === undefined ? memoryStore({ clock }) : await openStore(String(env.STORE))
const app = createSocketApp(platform, store, env, upgradeWebSocket, clock)
// The types of ws and of node-server differ in optional fields alone.
const websocket = { server: new WebSocketServer({ noServer: true }) as never }
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0, websocket }, (info) => console.log(`listening ${info.port}`))
