export { type SqliteStoreOptions, sqliteStore } from '../sqlite.ts'
export { platform } from './platform.ts'
