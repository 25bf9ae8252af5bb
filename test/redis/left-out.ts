import { test } from 'vitest'
import { hasRedis } from './server.ts'

/** Says once in a file that its cases are left out, where there is no redis-server to run them on. */
export function sayIfLeftOut(): void {
  if (hasRedis) return
  console.warn('Left out: every case over Redis, as there is no redis-server on this machine.')
  test.skip('redis > left out: there is no redis-server on this machine')
}
