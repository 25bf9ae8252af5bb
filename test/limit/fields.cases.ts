import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { LimitState } from '../../src/kit.ts'
import { limitFields, Share, seconds } from '../../src/limit/fields.ts'
import { type Case, cases } from '../cases.ts'

const general = {
  policy: 'general',
  quota: 100,
  periodSeconds: 60,
  remaining: 42,
  resetAfterMs: 34_001,
  retryAfterMs: 0,
  partitionKey: 'AAECAwQFBgc=',
  isDryRun: false,
}
const chat = {
  policy: 'chat',
  quota: 20,
  periodSeconds: 60.5,
  remaining: 3,
  resetAfterMs: 51_000,
  retryAfterMs: 0,
  partitionKey: null,
  isDryRun: false,
}

export const limitFieldsCases: readonly Case[] = [
  ...cases('limitFields()', {
    'speaks of one policy in both dialects': () => {
      assert.deepEqual(Object.fromEntries(fieldsOf([general])), {
        'ratelimit-policy': '"general";q=100;w=60;pk=:AAECAwQFBgc=:',
        ratelimit: '"general";r=42;t=35;pk=:AAECAwQFBgc=:',
        'x-ratelimit-limit': '100',
        'x-ratelimit-remaining': '42',
        'x-ratelimit-reset': '35',
      })
    },
    'names every policy, and in the older fields the one with least left': () => {
      for (const limits of [
        [general, chat],
        [chat, general],
      ]) {
        const fields = new Map(fieldsOf(limits))
        assert.deepEqual(fields.get('ratelimit-policy')?.split(', ').sort(), [
          '"chat";q=20;w=61',
          '"general";q=100;w=60;pk=:AAECAwQFBgc=:',
        ])
        assert.deepEqual(fields.get('ratelimit')?.split(', ').sort(), [
          '"chat";r=3;t=51',
          '"general";r=42;t=35;pk=:AAECAwQFBgc=:',
        ])
        assert.equal(fields.get('x-ratelimit-limit'), '20')
        assert.equal(fields.get('x-ratelimit-remaining'), '3')
        assert.equal(fields.get('x-ratelimit-reset'), '51')
      }
    },
  }),
  ...cases('limitFields()', {
    'tells clients nothing of a dry run': () => {
      const dry = { ...chat, isDryRun: true }
      assert.deepEqual(fieldsOf([dry]), [])
      assert.deepEqual(fieldsOf([dry, general]), fieldsOf([general]))
    },
  }),
  ...cases('seconds()', {
    'is never earlier than the truth, nor a second later': () => {
      fc.assert(
        fc.property(fc.nat(1e9), (ms) => {
          const whole = seconds(ms)
          assert.ok(Number.isInteger(whole) && whole * 1000 >= ms && whole * 1000 < ms + 1000)
        }),
        { seed: 16 },
      )
    },
  }),
]

function fieldsOf(limits: readonly LimitState[]): ReturnType<typeof limitFields> {
  return limitFields(
    limits,
    limits.map((limit) => new Share({ ...limit, name: limit.policy, legacyFields: true }, limit.partitionKey)),
  )
}
