import assert from 'node:assert/strict'
import * as z from 'zod'
import * as mini from 'zod/mini'
import type { FieldError } from '../../src/problem.ts'
import { fieldErrors } from '../../src/validate/issues.ts'
import { type Case, cases } from '../cases.ts'

function errors(schema: z.core.$ZodType, input: unknown): readonly FieldError[] {
  const result = z.core.safeParse(schema, input)
  assert.equal(result.success, false)
  return fieldErrors('json', result.error!.issues, input)
}

export const issuesCases: readonly Case[] = cases('fieldErrors()', {
  'says where, what kind and why': () => {
    assert.deepEqual(
      errors(z.object({ a: z.array(z.object({ b: z.string().max(3, 'Three at most.') })) }), {
        a: [{ b: 'x' }, { b: 'long' }],
      }),
      [{ target: 'json', path: ['a', 1, 'b'], code: 'too_big', message: 'Three at most.' }],
    )
  },
  'lists 20 errors at most, each with a path of 16 steps and names of 64 characters at most': () => {
    const many = errors(
      z.array(z.number()),
      Array.from({ length: 500 }, () => 'x'),
    )
    assert.equal(many.length, 20)
    let schema: z.ZodType = z.number()
    let input: unknown = 'x'
    for (let i = 0; i < 40; i++) {
      schema = z.object({ ['k'.repeat(100)]: schema })
      input = { ['k'.repeat(100)]: input }
    }
    const [deep] = errors(schema, input)
    assert.equal(deep!.path.length, 16)
    assert.equal(deep!.path[0], 'k'.repeat(64))
  },
  'replaces a message that repeats the value, and keeps one that does not': () => {
    const echo = z.string().refine(() => false, { error: ({ input }) => `Bad: ${input}` })
    assert.equal(errors(echo, 'hunter2')[0]!.message, 'Not valid.')
    assert.equal(errors(z.object({ a: z.object({ b: echo }) }), { a: { b: 'hunter2' } })[0]!.message, 'Not valid.')
    assert.equal(
      errors(
        z.bigint().refine(() => false, { error: ({ input }) => `Bad: ${input}` }),
        12_345n,
      )[0]!.message,
      'Not valid.',
    )
    assert.equal(
      errors(
        z.string().refine(() => false, 'Choose another.'),
        'hunter2',
      )[0]!.message,
      'Choose another.',
    )
  },
  'does not name unknown keys, which are input too': () => {
    const [error] = errors(z.strictObject({}), { hunter2: 1 })
    assert.deepEqual(error, { target: 'json', path: [], code: 'unrecognized_keys', message: 'Unknown field.' })
  },
  'cuts a long message': () => {
    assert.equal(errors(z.string().max(0, 'm'.repeat(1000)), 'x')[0]!.message.length, 256)
  },
  'has words of its own where zod/mini brings none': () => {
    const table: [z.core.$ZodType, unknown, string][] = [
      [mini.string(), 1, 'Must be of type string.'],
      [mini.string().check(mini.minLength(3)), 'x', 'Too small: at least 3 characters.'],
      [mini.array(mini.number()).check(mini.maxLength(1)), [1, 2], 'Too big: at most 1 entries.'],
      [mini.number().check(mini.maximum(5)), 9, 'Too big: at most 5.'],
      [mini.email(), 'x', 'Must be a valid email.'],
      [mini.string().check(mini.regex(/^a$/)), 'b', 'Not in the required form.'],
      [mini.enum(['a', 'b']), 'hunter2', 'Must be one of: a, b.'],
      [mini.union([mini.string(), mini.number()]), true, 'Not valid.'],
    ]
    for (const [schema, input, message] of table) {
      const issues = z.core
        .safeParse(schema, input)
        .error!.issues.map((issue) => ({ ...issue, message: 'Invalid input' }))
      assert.equal(fieldErrors('json', issues, input)[0]!.message, message)
    }
  },
  'never throws for a path that leads nowhere': () => {
    const issue = {
      code: 'custom',
      path: ['a', Symbol('b'), '__proto__'],
      message: 'x',
      input: undefined,
    } as unknown as z.core.$ZodIssue
    for (const input of [null, undefined, 'x', { a: null }, { a: 1 }])
      assert.equal(fieldErrors('json', [issue], input)[0]!.message, 'x')
  },
})
