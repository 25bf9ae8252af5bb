import { type Fault, type Import, type Parsed, parse, parseAll, resolve, type Sources } from './source.ts'

const SUBJECTS = ['auth', 'access', 'limit', 'validate', 'http', 'credentials', 'audit', 'agent']
const GROUND = ['crypto', 'redact', 'store']
const COMPOSERS = ['src/index.ts', 'src/security.ts']

const inSrc = (path: string): boolean => path.startsWith('src/')
const inAdapters = (path: string): boolean => path.startsWith('adapters/')
const inExamples = (path: string): boolean => path.startsWith('examples/')
const isIndex = (path: string): boolean => path.endsWith('/index.ts')
const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))
const isRootNoun = (path: string): boolean => /^src\/[^/]+\.ts$/.test(path) && !COMPOSERS.includes(path)
/** The folder of `src` that a file lies in, null for files at its root. */
const subjectOf = (path: string): string | null => /^src\/([^/]+)\//.exec(path)?.[1] ?? null

/** Rule 1: arrows run one way. Names each import that goes up or sideways. */
export function arrows(sources: Sources): readonly Fault[] {
  const exported = exportedNames(sources)
  return eachImport(
    sources,
    (path) => inSrc(path) || inAdapters(path) || inExamples(path),
    (path, { specifier }) => {
      const target = resolve(path, specifier)
      if (inExamples(path)) return exampleFault(path, specifier, target, exported)
      if (target === null) return null
      if (inAdapters(path)) return adapterMayImport(path, target) ? null : `an adapter must not import ${target}`
      const subject = subjectOf(path)
      if (path === 'src/index.ts') return inSrc(target) ? null : `src must not import ${target}`
      if (isRootNoun(path))
        return isRootNoun(target) || target === 'src/store/contract.ts' ? null : `a root noun must not import ${target}`
      if (subject === null || subject === 'posture')
        return inSrc(target) && target !== 'src/index.ts' ? null : `a composer must not import ${target}`
      if (!GROUND.includes(subject) && !SUBJECTS.includes(subject))
        return `src/${subject} is neither a subject nor the ground floor`
      return subjectMayImport(subject, target) ? null : `${subject} must not import ${target}`
    },
  )
}

function exampleFault(
  path: string,
  specifier: string,
  target: string | null,
  exported: ReadonlySet<string>,
): string | null {
  const folder = path.split('/').slice(0, 2).join('/')
  if (target !== null)
    return target.startsWith(`${folder}/`) ? null : `an example must not import ${target}, outside its folder`
  if (specifier !== 'hinoban' && !specifier.startsWith('hinoban/')) return null
  return exported.has(specifier) ? null : `${specifier} is no export of the package`
}

function adapterMayImport(path: string, target: string): boolean {
  if (inAdapters(target)) return folderOf(target) === 'adapters' || folderOf(target) === folderOf(path)
  return isRootNoun(target) || target.startsWith('src/store/') || target.startsWith('src/crypto/')
}

function subjectMayImport(subject: string, target: string): boolean {
  const own = subjectOf(target) === subject
  switch (subject) {
    case 'crypto':
    case 'redact':
      return own || target === 'src/bytes.ts'
    case 'store':
      return own || subjectOf(target) === 'crypto' || target === 'src/bytes.ts' || target === 'src/clock.ts'
    default:
      return own || isRootNoun(target) || GROUND.includes(subjectOf(target) ?? '')
  }
}

/** Rule 1: no cycles, type imports included. Names each cycle once. */
export function cycles(sources: Sources): readonly Fault[] {
  const faults: Fault[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    if (done.has(path) || sources[path] === undefined) return
    for (const { specifier, line } of parse(path, sources[path]).imports) {
      const target = resolve(path, specifier)
      const from = target === null ? -1 : [...trail, path].indexOf(target)
      if (from >= 0)
        faults.push({ file: path, line, fault: `cycle: ${[...trail, path, target].slice(from).join(' > ')}` })
      else if (target !== null) visit(target, [...trail, path])
    }
    done.add(path)
  }
  for (const path of Object.keys(sources)) if (path.endsWith('.ts')) visit(path, [])
  return faults
}

/** Rule 1: no file imports the index of a folder that it lies in. */
export function ownIndex(sources: Sources): readonly Fault[] {
  return eachImport(
    sources,
    (path) => inSrc(path) || inAdapters(path),
    (path, { specifier }) => {
      const target = resolve(path, specifier)
      if (target === null || !isIndex(target) || !path.startsWith(`${folderOf(target)}/`)) return null
      return `imports ${target}, the index of its own folder`
    },
  )
}

/** Where a dependency may enter `src`: one door each, type imports included. */
const DOORS: readonly { readonly module: RegExp; readonly values: RegExp; readonly types?: RegExp }[] = [
  { module: /^hono\/route$/, values: /^src\/limit\/route\.ts$/ },
  // The class of Hono's own refusals: Problem extends it, and validate() tells it from faults. Those two and no others.
  { module: /^hono\/http-exception$/, values: /^src\/(problem|validate\/middleware)\.ts$/ },
  {
    module: /^hono(\/.*)?$/,
    // What meets Hono in a subject is its middleware.ts, or a file of one layer whose name ends so.
    values: new RegExp(`^src/(security|problem|(${SUBJECTS.join('|')})/([a-z-]+-)?middleware)\\.ts$`),
    types: /^src\/(guard|kit|layer|platform)\.ts$/,
  },
  { module: /^(zod(\/.*)?|@hono\/zod-validator)$/, values: /^src\/validate\// },
  { module: /^@noble\//, values: /^src\/crypto\// },
]

/** The same for adapters: files by folder. `bun:` and `cloudflare:` are at home in one folder each. */
const ADAPTER_DOORS: typeof DOORS = [
  { module: /^(hono(\/.*)?|@hono\/node-server(\/.*)?)$/, values: /^adapters\// },
  { module: /^node:/, values: /^adapters\/(?!cloudflare\/)/ },
  { module: /^cloudflare:/, values: /^adapters\/cloudflare\// },
  { module: /^bun(:|$)/, values: /^adapters\/bun\// },
]

/** Rule 2: one door per dependency; what has none may not enter. `cloudflare` reaches `node:` through no other file either. */
export function doors(sources: Sources): readonly Fault[] {
  const direct = eachImport(
    sources,
    (path) => inSrc(path) || inAdapters(path),
    (path, { specifier, typeOnly }) => {
      if (resolve(path, specifier) !== null) return null
      const door = (inSrc(path) ? DOORS : ADAPTER_DOORS).find(({ module }) => module.test(specifier))
      if (!door) return `${specifier} has no door in ${inSrc(path) ? 'src' : 'adapters'}`
      if (door.values.test(path)) return null
      if (!door.types?.test(path)) return `${specifier} must not enter here`
      return typeOnly ? null : `${specifier} may enter here as types alone (import type)`
    },
  )
  const cloudflare = Object.keys(sources).filter((path) => /^adapters\/cloudflare\/.*\.ts$/.test(path))
  const indirect = reaches(sources, cloudflare, ({ specifier }) => specifier.startsWith('node:'))
  return [...direct, ...indirect.filter(({ file }) => !file.startsWith('adapters/cloudflare/'))]
}

/** Rule: an index only re-exports. */
export function indexes(sources: Sources): readonly Fault[] {
  return parseAll(sources, (path) => (inSrc(path) || inAdapters(path)) && isIndex(path)).flatMap((parsed) =>
    parsed.body
      .filter(
        (node) => node.type !== 'ExportAllDeclaration' && !(node.type === 'ExportNamedDeclaration' && node.source),
      )
      .map((node) => ({ file: parsed.path, line: parsed.lineOf(node), fault: 'an index only re-exports' })),
  )
}

/** Rule: importing `hinoban` loads no schema, JWT or cipher library. Hashes are none. */
export function frontDoor(sources: Sources): readonly Fault[] {
  const heavy = /^(zod|jose|@hono\/zod-validator|@noble\/(?!hashes))(\/|$)|^@noble\/(?!hashes)/
  return reaches(sources, ['src/index.ts'], ({ specifier }) => heavy.test(specifier))
}

/** Rule: `import { z }` and `import z` drag in the whole of zod. */
export function zodImports(sources: Sources): readonly Fault[] {
  return parseAll(sources, () => true).flatMap((parsed) =>
    parsed.body.flatMap((node) => {
      const source = node.source as { value: string } | null | undefined
      if (!source || !/^zod(\/|$)/.test(source.value)) return []
      const specifiers = (node.specifiers ?? []) as readonly Specifier[]
      const whole =
        node.type === 'ExportAllDeclaration' ||
        specifiers.some(({ type, imported, local }) =>
          node.type === 'ImportDeclaration'
            ? type === 'ImportDefaultSpecifier' || imported?.name === 'z'
            : local?.name === 'z' || local?.name === 'default',
        )
      return whole
        ? [
            {
              file: parsed.path,
              line: parsed.lineOf(node),
              fault: "import { z } drags in all of zod: write import * as z from 'zod/mini'",
            },
          ]
        : []
    }),
  )
}

interface Specifier {
  readonly type: string
  readonly imported?: { readonly name?: string }
  readonly local?: { readonly name?: string }
  readonly exported?: { readonly name?: string }
}

/** Rule: files and folders are kebab-case (`name.kind.ts` for a kind of file, such as `memory.cases.ts`). */
export function fileNames(sources: Sources): readonly Fault[] {
  const kebab = /^[a-z0-9]+(-[a-z0-9]+)*$/
  return Object.keys(sources)
    .filter((path) => /^(src|adapters|examples|test|bench|bin)\/.*\.(ts|js|mjs|json)$/.test(path))
    .filter((path) => !path.split('/').every((part) => part.split('.').every((word) => kebab.test(word))))
    .map((file) => ({ file, line: 1, fault: 'a file name is kebab-case' }))
    .concat(
      Object.keys(sources)
        .filter((path) => /^(src|adapters)\/.*\.(?:[cm]?js|[cm]ts|[jt]sx)$/.test(path))
        .map((file) => ({ file, line: 1, fault: 'code here is .ts, which the other rules read' })),
    )
}

/** Rule: no default export in `src`. */
export function defaultExports(sources: Sources): readonly Fault[] {
  return parseAll(sources, inSrc).flatMap((parsed) =>
    parsed.body
      .filter((node) => {
        const specifiers = node.type === 'ExportNamedDeclaration' ? (node.specifiers as readonly Specifier[]) : []
        return (
          node.type === 'ExportDefaultDeclaration' || specifiers.some(({ exported }) => exported?.name === 'default')
        )
      })
      .map((node) => ({ file: parsed.path, line: parsed.lineOf(node), fault: 'no default export in src' })),
  )
}

const HOME_PATH = /(?<![\w.:/}~-])\/(?:home|Users|root|work|tmp|private|mnt)\/[\w.-]/
const WINDOWS_PATH = /(?<!\w)[A-Za-z]:\\(?:Users|Windows|work|temp)\\/i
const REGISTRY_HOST =
  /\bregistry\.(?:npmjs|yarnpkg|npmmirror)\b|\/\/[\w.@:-]*\bregistry[\w-]*\.[\w-]+|\bregistry\.(?:[\w-]+\.)+(?:org|com|net|io|dev|cloud|internal|local|corp)\b/i

/**
 * Rule: nothing of one machine in what is shared: no absolute path, no registry's host, no `resolved` address in the lock.
 *
 * @param root the path of this checkout, which must not appear either
 */
export function machineTraces(sources: Sources, root: string): readonly Fault[] {
  return Object.entries(sources).flatMap(([file, text]) =>
    text.split('\n').flatMap((content, index): Fault[] => {
      const found = (fault: string): Fault => ({ file, line: index + 1, fault })
      const faults: Fault[] = []
      if (HOME_PATH.test(content) || WINDOWS_PATH.test(content) || content.includes(root))
        faults.push(found('an absolute path'))
      if (REGISTRY_HOST.test(content)) faults.push(found('the host of a package registry'))
      if (file.endsWith('package-lock.json') && /"resolved":\s*"[^"]*:\/\//.test(content))
        faults.push(found('a resolved address in the lock'))
      return faults
    }),
  )
}

function eachImport(
  sources: Sources,
  accepts: (path: string) => boolean,
  fault: (path: string, entry: Import) => string | null,
): readonly Fault[] {
  return parseAll(sources, accepts).flatMap(({ path, imports }: Parsed) =>
    imports.flatMap((entry) => {
      const found = fault(path, entry)
      return found === null ? [] : [{ file: path, line: entry.line, fault: found }]
    }),
  )
}

/** Each import of a kind that loading the given files reaches: over values, never over `import type` or `import()`. */
function reaches(sources: Sources, entries: readonly string[], matches: (entry: Import) => boolean): readonly Fault[] {
  const faults: Fault[] = []
  const from = new Map<string, string>(entries.map((path) => [path, path]))
  for (const [path, trail] of from) {
    const text = sources[path]
    if (text === undefined) continue
    for (const entry of parse(path, text).imports) {
      if (entry.typeOnly || entry.dynamic) continue
      if (matches(entry)) faults.push({ file: path, line: entry.line, fault: `${trail} reaches ${entry.specifier}` })
      const target = resolve(path, entry.specifier)
      if (target !== null && !from.has(target)) from.set(target, `${trail} > ${target}`)
    }
  }
  return faults
}

function exportedNames(sources: Sources): ReadonlySet<string> {
  const { exports = {} } = JSON.parse(sources['package.json'] ?? '{}') as { exports?: Record<string, unknown> }
  return new Set(Object.keys(exports).map((name) => name.replace(/^\./, 'hinoban')))
}
