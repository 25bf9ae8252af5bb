import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** Bytes of a minified bundle. */
export interface Size {
  readonly name: string
  readonly min: number
  readonly gzip: number
  readonly brotli: number
}

const ROOT = join(import.meta.dirname, '../..')
/** Peers of the package: the user's own copies. */
const PEERS = ['hono', 'hono/*', 'zod', 'zod/*']

/** A source and all that it imports, minified, as one module. */
export async function bundle(source: string, external: readonly string[] = []): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: ROOT, loader: 'js' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['node:*', 'cloudflare:*', 'bun:*', ...external],
    write: false,
  })
  return outputFiles[0]!.contents
}

export function sizeOf(name: string, bytes: Uint8Array): Size {
  return {
    name,
    min: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes).length,
  }
}

/** Each door of the package, all of it, without its peers. */
export async function doors(): Promise<Size[]> {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, unknown>
  }
  const sizes: Size[] = []
  for (const path of Object.keys(exports)) {
    if (path.endsWith('.json')) continue
    const name = `hinoban${path.slice(1)}`
    sizes.push(sizeOf(name, await bundle(`export * from '${name}'`, PEERS)))
  }
  return sizes
}
