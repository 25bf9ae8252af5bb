import { expect, test, vi } from 'vitest'
import { runChecks } from './checks.ts'
import { readmeFiles } from './readme.ts'

const names = ['app.ts', 'node.ts', 'bun.ts', 'deno.ts', 'worker.ts']
const block = (name: string, text = `export const a = '${name}'\n`): string => `\`\`\`ts file=${name}\n${text}\`\`\`\n`
const whole = names.map((name) => block(name)).join('\nand\n\n')

test('readmeFiles() finds every block by its name and no other', () => {
  const files = readmeFiles(`# A\n\n\`\`\`ts\nnot me\n\`\`\`\n\n${whole}`)
  expect([...files.keys()]).toEqual(names)
  expect(files.get('bun.ts')).toBe(`export const a = 'bun.ts'\n`)
})

test.each(names)('readmeFiles() refuses a README without %s', (name) => {
  const without = names.filter((other) => other !== name).map((other) => block(other))
  expect(() => readmeFiles(without.join('\n'))).toThrow(`no block that begins with \`\`\`ts file=${name}`)
  expect(() => readmeFiles(`${without.join('\n')}\n${block(name, '\n')}`)).toThrow(name)
})

test('readmeFiles() refuses two blocks of one name and names that lead elsewhere', () => {
  expect(() => readmeFiles(whole + block('app.ts'))).toThrow('two blocks named app.ts')
  expect(() => readmeFiles(whole + block('../app.ts'))).toThrow('no file name')
})

test('runChecks() counts, goes on after a failure, and is not content with nothing', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  const good = { name: 'good', run: async () => {} }
  const bad = { name: 'bad', run: () => Promise.reject(new Error('why')) }
  try {
    expect(await runChecks([bad, good, good])).toBe(false)
    expect(log.mock.calls.at(-1)).toEqual(['2 passed, 1 failed'])
    expect(await runChecks([good])).toBe(true)
    expect(await runChecks([])).toBe(false)
  } finally {
    log.mockRestore()
  }
})
