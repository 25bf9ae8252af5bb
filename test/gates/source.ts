import { parseSync } from 'oxc-parser'

/** Files by their path from the repository's root, with `/`. */
export type Sources = Readonly<Record<string, string>>

/** One breach of a rule. */
export interface Fault {
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  readonly fault: string
}

/** A node of the syntax tree (ESTree with TypeScript). */
export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

/** One thing a file takes from another module, in whatever form it is written. */
export interface Import {
  readonly specifier: string
  readonly line: number
  /** `import type` or `export type`: gone after the build. `import { type A }` is not, it leaves `import {}` behind. */
  readonly typeOnly: boolean
  /** `import()`: not reached by loading the file. */
  readonly dynamic: boolean
}

/** A file, parsed. */
export interface Parsed {
  readonly path: string
  readonly body: readonly SyntaxNode[]
  readonly imports: readonly Import[]
  lineOf(node: SyntaxNode): number
}

const cache = new Map<string, Parsed>()

/** Parses a file. @throws {SyntaxError} naming the file. */
export function parse(path: string, text: string): Parsed {
  const id = `${path}\n${text}`
  let parsed = cache.get(id)
  if (!parsed) {
    const { program, errors } = parseSync(path, text, { preserveParens: false })
    if (errors.length > 0) throw new SyntaxError(`${path}: ${errors[0]?.message}`)
    const lineOf = (node: SyntaxNode): number => text.slice(0, node.start).split('\n').length
    const body = program.body as unknown as readonly SyntaxNode[]
    parsed = { path, body, imports: importsOf(body, lineOf), lineOf }
    cache.set(id, parsed)
  }
  return parsed
}

/** The parsed files whose path a test accepts. */
export function parseAll(sources: Sources, accepts: (path: string) => boolean): readonly Parsed[] {
  return Object.entries(sources)
    .filter(([path]) => path.endsWith('.ts') && accepts(path))
    .map(([path, text]) => parse(path, text))
}

/** Calls `visit` on a node and everything below; what it answers with `false` is not entered. */
export function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, parent: SyntaxNode | null, field: string) => unknown,
  parent: SyntaxNode | null = null,
  field = '',
): void {
  if (visit(node, parent, field) === false) return
  for (const [name, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit, node, name)
  }
}

/** Whether a value is a node. */
export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string'
}

/** The path that a relative specifier names, from the root; null for a package. */
export function resolve(from: string, specifier: string): string | null {
  if (!/^\.\.?\//.test(specifier)) return null
  const parts = from.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '..') {
      if (parts.length === 0) return specifier
      parts.pop()
    } else if (part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** The text of a literal or a template without substitutions. */
export function textOf(node: unknown): string | null {
  if (!isNode(node)) return null
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value
  const quasis = node.quasis as readonly { value: { cooked: string } }[] | undefined
  return node.type === 'TemplateLiteral' && quasis?.length === 1 ? (quasis[0]?.value.cooked ?? null) : null
}

function importsOf(body: readonly SyntaxNode[], lineOf: (node: SyntaxNode) => number): readonly Import[] {
  const imports: Import[] = []
  for (const statement of body) {
    walk(statement, (node) => {
      const add = (source: unknown, typeOnly: boolean, dynamic: boolean): void => {
        imports.push({ specifier: textOf(source) ?? '(computed)', line: lineOf(node), typeOnly, dynamic })
      }
      if (node.type === 'ImportDeclaration') add(node.source, node.importKind === 'type', false)
      else if (node.type === 'ExportAllDeclaration') add(node.source, node.exportKind === 'type', false)
      else if (node.type === 'ExportNamedDeclaration' && node.source)
        add(node.source, node.exportKind === 'type', false)
      else if (node.type === 'ImportExpression') add(node.source, false, true)
      else if (node.type === 'TSImportType') add(node.source ?? node.argument, true, false)
      else if (node.type === 'TSExternalModuleReference') add(node.expression, false, false)
    })
  }
  return imports
}
