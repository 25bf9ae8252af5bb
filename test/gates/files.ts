import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sources } from './source.ts'

/** The root of this checkout. */
export const root: string = join(import.meta.dirname, '../..')

/** Every text file that is tracked, or would be with `git add .`. */
export function trackedFiles(): Sources {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  const paths = listed.split('\0').filter((path) => path !== '' && existsSync(join(root, path)))
  const texts = [...new Set(paths)].map((path) => [path, readFileSync(join(root, path), 'utf8')] as const)
  return Object.fromEntries(texts.filter(([, text]) => !text.includes('\0')))
}
