/** The files that a new app needs, as README.md shows them: `ts file=<name>` at the head of a fenced block. */
const REQUIRED_FILES = ['app.ts', 'node.ts', 'bun.ts', 'deno.ts', 'worker.ts'] as const

/**
 * The files in a README by name.
 *
 * @throws {Error} naming each block that is missing, empty or there twice.
 */
export function readmeFiles(markdown: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const [, name = '', text = ''] of markdown.matchAll(/^```ts file=(\S+)[ \t]*\r?\n([\s\S]*?)^```[ \t]*$/gm)) {
    if (!/^[a-z0-9.-]+\.ts$/.test(name)) throw new Error(`README.md: "${name}" is no file name for a block.`)
    if (files.has(name)) throw new Error(`README.md: there are two blocks named ${name}.`)
    files.set(name, text)
  }
  const missing = REQUIRED_FILES.filter((name) => (files.get(name) ?? '').trim() === '')
  if (missing.length > 0) {
    throw new Error(missing.map((name) => `README.md has no block that begins with \`\`\`ts file=${name}`).join('\n'))
  }
  return files
}
