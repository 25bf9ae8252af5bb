/** Checks the built package as users get it. Its last line is `N passed, N failed`. Run by `npm run test:package`. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runChecks } from './checks.ts'
import { bin, root, run } from './commands.ts'
import { consumerChecks } from './consumer.ts'

const folder = mkdtempSync(join(tmpdir(), 'hinoban-package-'))
let tarball = ''

const passed = await runChecks([
  {
    name: 'packs what was built and nothing else',
    async run() {
      assert.ok(existsSync(join(root, 'dist/src/index.js')), 'Not built: run npm run build.')
      const packed = await run(root, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder)
      // npm 11 lists the one package in an array, later ones under its name.
      const [listed] = Object.values(JSON.parse(packed)) as { filename: string; files: { path: string }[] }[]
      assert.ok(listed, 'npm pack listed nothing.')
      const { filename, files } = listed
      assert.ok(files.length > 50, `only ${files.length} files`)
      const strange = files.filter(
        ({ path }) =>
          !/^(dist\/(src|adapters)\/.*\.(js|d\.ts)|package\.json|(README|CHANGELOG)\.md|LICENSE)$/.test(path),
      )
      assert.deepEqual(strange, [])
      tarball = join(folder, filename)
    },
  },
  { name: 'publint --strict', run: async () => void (await run(root, bin('publint'), 'run', tarball, '--strict')) },
  {
    name: 'attw --profile esm-only',
    run: async () => void (await run(root, bin('attw'), tarball, '--profile', 'esm-only')),
  },
  { name: 'knip: nothing is unused or undeclared', run: async () => void (await run(root, bin('knip'))) },
  ...consumerChecks(join(folder, 'consumer'), () => tarball),
])
rmSync(folder, { recursive: true, force: true })
process.exitCode = passed ? 0 : 1
