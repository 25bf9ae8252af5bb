import { serve } from '@hono/node-server'
import { platform, sqliteStore } from 'hinoban/node'
import { createApp } from './app.ts'
import { firstStart } from './first-start.ts'

const { env, port, dataFolder, announce } = firstStart(process.env)
const app = createApp({ platform, store: sqliteStore({ path: `${dataFolder}/hinoban.sqlite` }), env })
serve({ fetch: app.fetch, hostname: '127.0.0.1', port }, () => announce({ localOnlyWorks: true }))
