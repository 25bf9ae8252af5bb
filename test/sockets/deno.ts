import process from 'node:process'
import { memoryStore } from 'hinoban'
import { platform } from 'hinoban/deno'
import { upgradeWebSocket } from 'hono/deno'
import { clockOf, createSocketApp, type SocketEnvironment } from './app.ts'

const env = process.env as unknown as SocketEnvironment
const clock = clockOf(env)
const app = createSocketApp(platform, memoryStore({ clock }), env, upgradeWebSocket, clock)
Deno.serve({ hostname: '127.0.0.1', port: 0, onListen: ({ port }) => console.log(`listening ${port}`) }, app.fetch)
