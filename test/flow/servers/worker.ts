import { env } from 'cloudflare:workers'
import { durableObjectStore, HinobanObject, platform } from 'hinoban/cloudflare'
import { upgradeWebSocket } from 'hono/cloudflare-workers'
import { createTestApp, stoppedClock, type TestEnvironment } from './app.ts'

export class StoppedObject extends HinobanObject {
  protected override now(): number {
    return stoppedClock.now()
  }
}

const socket = upgradeWebSocket(() => ({ onMessage: (event, ws) => ws.send(`echo ${event.data}`) }))
export default createTestApp(
  platform,
  durableObjectStore(env.HINOBAN),
  { ...env } as unknown as TestEnvironment,
  socket,
)
