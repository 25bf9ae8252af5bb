import { build } from 'esbuild'

/** A Worker's entry and all that it imports as one module, as Miniflare takes it. */
export async function bundleWorker(entry: string): Promise<{ type: 'ESModule'; path: string; contents: string }[]> {
  const bundle = await build({
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    write: false,
  })
  return [{ type: 'ESModule', path: 'worker.mjs', contents: bundle.outputFiles[0]!.text }]
}
