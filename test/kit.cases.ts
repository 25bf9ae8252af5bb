import assert from 'node:assert/strict'
import { apiKeys } from '../src/auth/api-keys.ts'
import { digestApiKey } from '../src/auth/key-format.ts'
import { KitBase, type KitOptions } from '../src/kit-base.ts'
import { rateLimit } from '../src/limit/middleware.ts'
import type { ProblemDetails } from '../src/problem.ts'
import type { AtomicStore } from '../src/store/contract.ts'
import { memoryStore } from '../src/store/memory.ts'
import { type Case, cases } from './cases.ts'
import { StoppedClock, TestPlatform } from './support/fixtures.ts'

const KEY = 'a-key-for-tests'
const _scheme = apiKeys({ keys: [{ id: 'ci', digest: digestApiKey(KEY), scopes: ['run'] }] })
const _bearer = { headers: { authorization: `Bearer ${KEY}` } }

function parts(): KitOptions & { readonly platform: TestPlatform } {
  const clock = new StoppedClock()
  return { platform: new TestPlatform(), store: memoryStore({ clock }), clock }
}

async function _problemOf(response: Response): Promise<ProblemDetails> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  return (await response.json()) as ProblemDetails
}

export const kitCases: readonly Case[] = [
  ...cases('KitBase', {
    'names the option that is missing or wrong, and the mend': () => {
      const { platform } = parts()
      assert.throws(() => new KitBase('security()', {}), /security\(\): platform is missing.*hinoban\/node/)
      assert.throws(
        () => new KitBase('security()', { platform, mode: 'prod' as never }),
        /mode must be 'production' or 'development'/,
      )
    },
    'refuses an eventual store at start, also in plain JavaScript': () => {
      const eventual = { ...memoryStore(), name: 'edge', consistency: 'eventual' } as unknown as AtomicStore
      assert.throws(
        () => new KitBase('security()', { platform: new TestPlatform(), store: eventual }),
        /security\(\): store 'edge' is eventually consistent/,
      )
      assert.throws(
        () => rateLimit({ quota: 1, periodSeconds: 1, store: eventual }),
        /rateLimit\(\): store 'edge' is eventually consistent/,
      )
    },
    'is production unless told': () => {
      assert.equal(new KitBase('x', parts()).mode, 'production')
      assert.equal(new KitBase('x', { ...parts(), mode: 'development' }).mode, 'development')
    },
    'writes events to the console of the platform unless told': async () => {
      const { platform } = parts()
      const base = new KitBase('x', { platform })
      base.events.push({
        type: 'fault',
        level: 'error',
        at: 0,
        method: 'GET',
        path: '/',
        address: 'unknown',
        principal: null,
        reason: null,
        resource: null,
        origin: null,
        userAgent: null,
        count: 1,
      })
      await base.events.flush()
      assert.equal(platform.lines.length, 1)
    },
  }),
]
