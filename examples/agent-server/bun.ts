import { platform, sqliteStore } from 'hinoban/bun'
import { createApp } from './app.ts'
import { firstStart } from './first-start.ts'

const { env, port, dataFolder, announce } = firstStart(process.env)
const app = createApp({ platform, store: sqliteStore({ path: `${dataFolder}/hinoban.sqlite` }), env })
Bun.serve({ fetch: (request, server) => app.fetch(request, server), hostname: '127.0.0.1', port })
announce({ localOnlyWorks: true })
