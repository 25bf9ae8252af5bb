import assert from 'node:assert/strict'
import * as z from 'zod/mini'
import { ChatText, Id, IdParam, MemoryQuestion, text } from '../../src/validate/schemas.ts'
import { type Case, cases } from '../cases.ts'

function takes(schema: z.core.$ZodType, value: unknown): boolean {
  return z.core.safeParse(schema, value).success
}

export const schemasCases: readonly Case[] = [
  ...cases('VAL-3', {
    'Id takes ^[a-zA-Z0-9\\-_]+$, 1 to 128 characters': () => {
      for (const id of ['a', '0', '-', '_', 'agent-1_B', 'a'.repeat(128)]) assert.equal(takes(Id, id), true, id)
      for (const id of [
        '',
        'a'.repeat(129),
        'a b',
        'a\n',
        '\na',
        'a.b',
        'a/b',
        '../a',
        'é',
        'ａ',
        'a\u0000',
        'a%2f',
        1,
        null,
        undefined,
        ['a'],
        {},
      ]) {
        assert.equal(takes(Id, id), false, JSON.stringify(id))
      }
    },
    'IdParam is the parameter id': () => {
      assert.equal(takes(IdParam, { id: 'a' }), true)
      assert.equal(takes(IdParam, { id: 'a.b' }), false)
      assert.equal(takes(IdParam, {}), false)
    },
  }),
  ...cases('VAL-4', {
    'ChatText takes 1 to 10,000 characters, MemoryQuestion 1 to 2,000': () => {
      for (const [schema, most] of [
        [ChatText, 10_000],
        [MemoryQuestion, 2000],
      ] as const) {
        assert.equal(takes(schema, 'a'), true)
        assert.equal(takes(schema, 'a'.repeat(most)), true)
        assert.equal(takes(schema, 'a'.repeat(most + 1)), false)
        assert.equal(takes(schema, ''), false)
        assert.equal(takes(schema, 1), false)
      }
    },
    'text() counts code points, and takes whole surrogate pairs alone': () => {
      assert.equal(takes(text(2), '😀😀'), true)
      assert.equal(takes(text(1), '😀😀'), false)
      assert.equal(takes(text(5), '\ud83d'), false)
      assert.equal(takes(text(5), 'a\ude00'), false)
      assert.equal(takes(text(5), 'é\n\t'), true)
      const { error } = z.core.safeParse(z.object({ message: text(5) }), { message: 'a\ude00' })
      assert.deepEqual(
        error?.issues.map(({ code, path, message }) => [code, path, message]),
        [['custom', ['message'], 'Text must be well-formed Unicode.']],
      )
      // What stands behind it is checked all the same.
      const strict = z.object({ message: text(5).check(z.refine(() => false, 'Never.')) })
      assert.equal(z.core.safeParse(strict, { message: 'a\ude00' }).error?.issues.length, 2)
    },
  }),
]
