import type { Goal } from '../goals.ts'
import type { Part } from '../part.ts'
import { certain, type Estimate, estimate, fixed, median, shown } from '../statistics.ts'
import { importTimes } from './imports.ts'
import { bundle, doors, type Size, sizeOf } from './sizes.ts'
import { bare, ours, peers, peersWithHash, ZOD } from './sources.ts'

interface Results {
  readonly doors: readonly Size[]
  readonly apps: readonly Size[]
  /** Milliseconds, by runtime and module. */
  readonly imports: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>
}

const APPS: Record<string, string> = {
  'bare Hono': bare(),
  'core guard, Workers': ours('cloudflare', false),
  'core guard, Node': ours('node', false),
  'core peers': peers(null),
  'core peers, SHA-256 of @noble/hashes': peersWithHash(),
  'whole app, Workers': ours('cloudflare', true),
  'whole app, Node': ours('node', true),
  'whole peers, zod/mini': peers(ZOD.mini),
  'whole peers, * as z from zod': peers(ZOD.all),
  'whole peers, { z } from zod': peers(ZOD.named),
}
const CORE = 'core guard, Workers'
const WHOLE = 'whole app, Workers'
/** What is imported: as one file, or as it is installed. */
const IMPORTED = ['bare Hono', 'core guard, Node', 'core peers', 'whole app, Node', 'whole peers, zod/mini']
const BUNDLED = ', one file'

/** What a user's app weighs with this package, and what it takes to start. */
export const bundlePart: Part<Results> = {
  name: 'bundle',
  leftOutOfQuick: null,
  async measure(quick) {
    const apps: Size[] = []
    const modules: Record<string, string | Uint8Array> = { 'an empty module': '' }
    for (const [name, source] of Object.entries(APPS)) {
      const bytes = await bundle(source)
      apps.push(sizeOf(name, bytes))
      if (IMPORTED.includes(name)) Object.assign(modules, { [`${name}${BUNDLED}`]: bytes, [name]: source })
    }
    const imports: Record<string, Record<string, number[]>> = {}
    for (const runtime of quick ? (['node'] as const) : (['node', 'bun'] as const)) {
      console.error(`bench: imports on ${runtime}`)
      imports[runtime] = importTimes(runtime, modules, quick ? 7 : 15)
    }
    return { doors: await doors(), apps, imports }
  },
  report(results) {
    return { section: sectionOf(results), goals: goalsOf(results) }
  },
}

/** Milliseconds more than bare Hono takes the same way, in each round. */
function added(times: Results['imports'][string], name: string): Estimate {
  const base = times[name.endsWith(BUNDLED) ? `bare Hono${BUNDLED}` : 'bare Hono']!
  return estimate(times[name]!.map((ms, round) => ms - base[round]!))
}

function goalsOf({ apps, imports }: Results): readonly Goal[] {
  const gzip = (name: string): number => apps.find((app) => app.name === name)!.gzip
  const bytes = (what: string, seen: number, least: number, wished: number): Goal => {
    return { what, on: 'Workers', wants: 'at most', least, wished, seen: certain(seen) }
  }
  return [
    bytes('core guard: bytes over bare Hono, gzip', gzip(CORE) - gzip('bare Hono'), 6500, 4400),
    bytes('whole app with validation: bytes, gzip', gzip(WHOLE), 20_000, 13_500),
    {
      what: 'core guard: import over bare Hono, one file, ms',
      on: 'node',
      wants: 'at most',
      least: 1.5,
      wished: 0.7,
      seen: added(imports.node!, `core guard, Node${BUNDLED}`),
    },
  ]
}

function sectionOf({ doors, apps, imports }: Results): string {
  const base = apps.find(({ name }) => name === 'bare Hono')!
  const row = ({ name, min, gzip, brotli }: Size): string =>
    [name, ...[min, gzip, brotli].map((bytes) => bytes.toLocaleString('en'))].join(' | ')
  const runtimes = Object.keys(imports)
  const starts = Object.keys(imports.node!).map((name) => {
    const cells = runtimes.map((runtime) => {
      const times = imports[runtime]!
      const more = name.startsWith('bare') || name.startsWith('an empty') ? '' : `, +${shown(added(times, name))}`
      return `${fixed(median(times[name]!))}${more}`
    })
    return `| ${name} | ${cells.join(' | ')} |`
  })
  return `## Bundles and imports

esbuild --bundle --minify of the built package; gzip -9, brotli. Apps hold Hono and whatever else they import; a whole app is the core guard
with a body checked by one schema, of zod/mini where nothing else is said. None of the peers brings a hash for keys that does not wait, as ours is
for Workers: one row tells what they weigh with it.

| app | bytes | gzip | brotli | gzip over bare Hono |
|---|---|---|---|---|
${apps.map((app) => `| ${row(app)} | ${(app.gzip - base.gzip).toLocaleString('en')} |`).join('\n')}

Each door with all that it exports, without Hono and Zod, which are the user's own:

| door | bytes | gzip | brotli |
|---|---|---|---|
${doors.map((size) => `| ${row(size)} |`).join('\n')}

Imports: \`await import()\` in a fresh process, ${imports.node!['bare Hono']!.length} times each in turns, as one minified file or as it is installed; ms, and what is added to
bare Hono the same way (95%).

| import, ms | ${runtimes.join(' | ')} |
|---|${'---|'.repeat(runtimes.length)}
${starts.join('\n')}
`
}
