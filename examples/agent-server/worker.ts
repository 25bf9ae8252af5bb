import { env } from 'cloudflare:workers'
import { durableObjectStore, platform } from 'hinoban/cloudflare'
import { createApp } from './app.ts'

export { HinobanObject } from 'hinoban/cloudflare'

export default createApp({ platform, store: durableObjectStore(env.HINOBAN), env: { ...env } })
