import { makeAddress, UNKNOWN_ADDRESS } from '../../src/address.ts'
import { sha256Hex } from '../../src/crypto/hash.ts'
import type { Platform } from '../../src/platform.ts'
import { readDeclared } from './read-declared.ts'

const encoder = new TextEncoder()

// The address that Workers carry when they call one another: of many callers, so of nobody.
const WORKER_TO_WORKER = '2a06:98c0:3600::103'

/**
 * Cloudflare Workers. The address is `CF-Connecting-IP`, which Cloudflare's edge sets and a client cannot; it is the
 * platform's word and never loopback. Off the edge (miniflare, a service binding) anybody can write that header.
 */
export const platform: Platform = {
  name: 'cloudflare',
  sharesRequests: false,
  // Under the compatibility flag enable_request_signal; without it no client is ever seen to go away.
  signalsAbort: true,
  sha256: sha256Hex,
  equal(a, b) {
    const left = encoder.encode(a)
    const right = encoder.encode(b)
    return left.byteLength === right.byteLength && crypto.subtle.timingSafeEqual(left, right)
  },
  address(c) {
    const address = makeAddress(c.req.raw.headers.get('cf-connecting-ip'), 'platform')
    return address.ip === WORKER_TO_WORKER ? UNKNOWN_ADDRESS : address
  },
  readDeclared,
  defer(c, task) {
    try {
      c.executionCtx.waitUntil(task)
    } catch {
      // app.request() in a test brings no execution context; nothing would stop the task there.
    }
  },
  log: (line) => console.log(line),
}
