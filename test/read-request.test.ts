import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { transform } from 'esbuild'
import { Hono } from 'hono'
import { expect, test, vi } from 'vitest'

const file = join(import.meta.dirname, '../src/read-request.ts')

test.each([true, false])(
  'a bundler may define the fields of classes (%s) or assign them: c.req answers from the bytes that were read',
  async (useDefineForClassFields) => {
    const { code } = await transform(await readFile(file, 'utf8'), {
      loader: 'ts',
      tsconfigRaw: { compilerOptions: { useDefineForClassFields } },
    })
    expect(/this\.req = /.test(code)).toBe(!useDefineForClassFields)
    const { giveBody } = (await import(
      `data:text/javascript,${encodeURIComponent(code)}`
    )) as typeof import('../src/read-request.ts')
    const app = new Hono()
    app.use(async (c, next) => {
      const bytes = new Uint8Array(await c.req.arrayBuffer())
      const define = vi.spyOn(Object, 'defineProperty')
      giveBody(c, bytes)
      const isDefined = define.mock.calls.some(([object, name]) => object === c && name === 'req')
      define.mockRestore()
      expect(isDefined).toBe(!useDefineForClassFields)
      await next()
    })
    app.post('/', async (c) => c.json([Object.keys(c).includes('req'), await c.req.raw.text(), await c.req.text()]))
    const answer = await app.request('/', { method: 'POST', body: 'read' })
    expect(await answer.json()).toEqual([true, 'read', 'read'])
  },
)
