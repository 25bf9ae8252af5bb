import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

test.each(['stores', 'limits'])('docs/%s.md: every block for Node compiles by itself', (name) => {
  const markdown = readFileSync(join(root, `docs/${name}.md`), 'utf8')
  const blocks = [...markdown.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text]) => text!)
  expect(blocks.length).toBeGreaterThanOrEqual(6)
  mkdirSync(join(root, '.hinoban'), { recursive: true })
  const folder = mkdtempSync(join(root, '.hinoban', 'docs-'))
  try {
    for (const [i, text] of blocks.entries()) writeFileSync(join(folder, `${i}.ts`), `${text}export {}\n`)
    const compilerOptions = { rootDir: '../..', noEmit: true, types: ['node'] }
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../../test/tsconfig.json', compilerOptions, include: ['.'], exclude: [] }),
    )
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    throw new Error(String((error as { stdout?: string }).stdout ?? error))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
