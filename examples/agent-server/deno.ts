import process from 'node:process'
import { platform, sqliteStore } from 'hinoban/deno'
import { createApp } from './app.ts'
import { firstStart } from './first-start.ts'

const { env, port, dataFolder, announce } = firstStart(process.env)
const app = createApp({ platform, store: sqliteStore({ path: `${dataFolder}/hinoban.sqlite` }), env })
Deno.serve({ hostname: '127.0.0.1', port, onListen: () => announce({ localOnlyWorks: true }) }, app.fetch)
