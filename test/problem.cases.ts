import assert from 'node:assert/strict'
import { HTTPException } from 'hono/http-exception'
import {
  PROBLEM_TYPE_PREFIX,
  PROBLEMS,
  Problem,
  type ProblemCode,
  problemDetails,
  type Refusal,
  renderProblem,
} from '../src/problem.ts'
import { type Case, cases } from './cases.ts'

/** Types of draft-ietf-httpapi-ratelimit-headers-10. */
const REGISTERED: Record<string, string> = {
  'limit.exceeded': 'https://iana.org/assignments/http-problem-types#quota-exceeded',
  'limit.overloaded': 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
}

export const problemCases: readonly Case[] = [
  ...cases('problemDetails()', {
    'has the members of RFC 9457 and the code, for every problem': () => {
      for (const [code, { status, title }] of Object.entries(PROBLEMS)) {
        assert.deepEqual(problemDetails({ code: code as ProblemCode, detail: 'Why.' }), {
          type: REGISTERED[code] ?? PROBLEM_TYPE_PREFIX + code,
          title,
          status,
          code,
          detail: 'Why.',
        })
      }
    },
    'names fields only after validation': () => {
      const errors = [{ target: 'json', path: ['a', 0], code: 'too_big', message: 'Too big.' }]
      assert.deepEqual(problemDetails({ code: 'validation.failed', detail: '', errors }).errors, errors)
      assert.equal('errors' in problemDetails({ code: 'internal', detail: '' }), false)
    },
  }),
  ...cases('renderProblem()', {
    'is problem+json that nobody may keep': async () => {
      const response = renderProblem({ code: 'limit.exceeded', detail: 'Slow.', headers: { 'retry-after': '3' } })
      assert.equal(response.status, 429)
      assert.equal(response.headers.get('content-type'), 'application/problem+json')
      assert.equal(response.headers.get('cache-control'), 'no-store')
      assert.equal(response.headers.get('retry-after'), '3')
      assert.equal(((await response.json()) as { code: string }).code, 'limit.exceeded')
    },
    'takes another shape, with status and headers as they were': async () => {
      const response = renderProblem(
        { code: 'auth.missing', detail: 'No.', headers: { 'www-authenticate': 'Bearer' } },
        ({ detail }) => ({ error: detail }),
      )
      assert.equal(response.status, 401)
      assert.equal(response.headers.get('content-type'), 'application/json')
      assert.equal(response.headers.get('www-authenticate'), 'Bearer')
      assert.deepEqual(await response.json(), { error: 'No.' })
    },
    'answers with its status, whatever a format makes of the object that it is given': () => {
      const formats = [
        (problem: object) => Object.assign(problem, { status: 200 }),
        (problem: object) => Object.assign(problem, { status: 'fail' }),
        (problem: { status?: unknown }) => Reflect.deleteProperty(problem, 'status'),
      ]
      for (const format of formats) {
        assert.equal(renderProblem({ code: 'limit.exceeded', detail: 'Slow.' }, format).status, 429)
      }
    },
    'says the same where headers are set one by one': async () => {
      const refusal: Refusal = {
        code: 'auth.missing',
        detail: 'No.',
        headers: { 'WWW-Authenticate': 'Bearer', 'Cache-Control': 'no-store, private' },
      }
      const given = renderProblem(refusal)
      const set = renderProblem(refusal, undefined, (response) => response.headers)
      assert.deepEqual([...set!.headers], [...given!.headers])
      assert.equal(set!.headers.get('cache-control'), 'no-store, private')
      assert.equal(set!.status, given!.status)
      assert.equal(await set!.text(), await given!.text())
    },
  }),
  ...cases('Problem', {
    'is an HTTPException that answers as the renderer does, and keeps its cause to itself': async () => {
      const problem = new Problem(
        { code: 'store.outage', detail: 'Later.' },
        { cause: new Error('redis://user:hunter2@host') },
      )
      assert.ok(problem instanceof HTTPException)
      assert.equal(problem.status, 503)
      assert.equal(problem.code, 'store.outage')
      assert.equal(problem.message, 'Later.')
      const response = problem.getResponse()
      assert.equal(response.status, 503)
      assert.equal((await response.text()).includes('hunter2'), false)
    },
  }),
]
