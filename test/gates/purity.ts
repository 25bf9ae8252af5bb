import {
  type Fault,
  isNode,
  type Parsed,
  parse,
  parseAll,
  resolve,
  type Sources,
  type SyntaxNode,
  textOf,
  walk,
} from './source.ts'

// What only some runtimes have, and what reaches it. No name of ours may be spelled like one, so that the rule needs no scopes.
const RUNTIME_GLOBALS = new Set([
  'process',
  'Deno',
  'Bun',
  'Buffer',
  'require',
  '__dirname',
  '__filename',
  'global',
  'globalThis',
  'self',
  'window',
  'document',
  'navigator',
  'console',
  'setInterval',
  'setImmediate',
  'eval',
  'Function',
  'WebSocketPair',
  'HTMLRewriter',
  'caches',
  'localStorage',
  'sessionStorage',
])

/** Rule 3: `src` knows no runtime: no runtime's module, no global that one of the four lacks or that prints or outlives a request. */
export function runtimeFree(sources: Sources): readonly Fault[] {
  return parseAll(sources, inSrc).flatMap((parsed) => [
    ...parsed.imports
      .filter(({ specifier }) => /^(node|bun|deno|cloudflare|workerd|npm|jsr|https?):|^(bun|deno)$/.test(specifier))
      .map(({ specifier, line }) => ({ file: parsed.path, line, fault: `${specifier} is a runtime's module` })),
    ...findNodes(parsed, (node, parent, field) => {
      if (node.type === 'MetaProperty' && (node.meta as { name?: string }).name === 'import')
        return 'import.meta differs by runtime'
      const called = parent?.type === 'CallExpression' && field === 'callee'
      if (called && node.type === 'MemberExpression' && memberName(node) === 'constructor')
        return 'constructor reaches Function'
      const name = nameOf(node, parent, field)
      return name !== null && RUNTIME_GLOBALS.has(name) ? `${name} belongs to a runtime` : null
    }),
  ])
}

/** Rules 3 and 4: the clock is read in `clock.ts` alone, and nothing is drawn by `Math.random`. */
export function clockAndChance(sources: Sources): readonly Fault[] {
  return parseAll(sources, inSrc).flatMap((parsed) =>
    findNodes(parsed, (node, parent, field) => {
      const name = nameOf(node, parent, field)
      if (name === 'Math')
        return isMember(parent, field) && memberName(parent) !== 'random' ? null : 'Math.random is no source of secrets'
      if (parsed.path === 'src/clock.ts') return null
      if (name === 'performance' || name === 'Temporal') return `${name} reads the clock`
      if (name === 'systemClock' && isMember(parent, field)) return 'reads the clock: use the one that was passed in'
      return name === 'Date' && !isPureDate(parent, field) ? 'reads the clock: pure functions take now' : null
    }),
  )
}

/** `new Date(at)`, `Date.UTC()`, `Date.parse()`, a type, `instanceof`: no clock in them. */
function isPureDate(parent: SyntaxNode | null, field: string): boolean {
  if (parent === null) return false
  if (parent.type === 'NewExpression' && field === 'callee') return (parent.arguments as readonly unknown[]).length > 0
  if (isMember(parent, field)) return ['UTC', 'parse', 'prototype'].includes(memberName(parent) ?? '')
  return parent.type.startsWith('TS') || (parent.type === 'BinaryExpression' && parent.operator === 'instanceof')
}

// Globals that only compute. At import, no other may be used.
const PURE_GLOBALS = new Set(
  `undefined NaN Infinity Object Array Map Set WeakMap WeakSet Symbol String Number Boolean BigInt RegExp JSON Math Error TypeError
  RangeError SyntaxError EvalError URIError AggregateError ArrayBuffer DataView Uint8Array Uint8ClampedArray Uint16Array Uint32Array
  Int8Array Int16Array Int32Array Float32Array Float64Array BigInt64Array BigUint64Array TextEncoder TextDecoder URL URLSearchParams
  Headers Intl parseInt parseFloat isNaN isFinite encodeURIComponent decodeURIComponent encodeURI decodeURI atob btoa`.split(
    /\s+/,
  ),
)
// Packages whose functions only build values.
const PURE_PACKAGES = /^zod(\/|$)/
const DEFINITIONS =
  /^(Import|ExportAll|ExportNamed|ExportDefault|Function|Class|TSInterface|TSTypeAlias|TSDeclareFunction|TSModule)/

/**
 * Rule 3: importing a file of `src` only defines things. Module level holds imports, exports, functions, classes, types and
 * `const`, and what their initialisers run (through our own functions too) uses nothing but globals that compute.
 */
export function quietImport(sources: Sources): readonly Fault[] {
  return parseAll(sources, inSrc).flatMap((parsed) => {
    const faults: Fault[] = []
    const add = (node: SyntaxNode, fault: string): void =>
      void faults.push({ file: parsed.path, line: parsed.lineOf(node), fault })
    for (const statement of parsed.body) {
      const definition = isNode(statement.declaration) ? statement.declaration : statement
      if (definition.type === 'VariableDeclaration') {
        if (definition.kind !== 'const') add(definition, `${definition.kind} at module level is shared by all requests`)
      } else if (!DEFINITIONS.test(definition.type)) {
        add(definition, 'a statement at module level')
        if (containsAwait(definition)) add(definition, 'top-level await')
        continue
      }
      if (isFunction(definition)) continue
      for (const { node, fault } of effects(sources, parsed, definition, new Set())) add(node, fault)
    }
    return faults
  })
}

interface Effect {
  readonly node: SyntaxNode
  readonly fault: string
}

/** What goes on when code of a file runs: the effects in it and in the functions of ours that it calls. */
function effects(sources: Sources, parsed: Parsed, code: SyntaxNode, entered: Set<SyntaxNode>): readonly Effect[] {
  const found: Effect[] = []
  const scope = scopeOf(parsed)
  const made = entered.has(code) && code.type.startsWith('Class')
  walk(code, (node, parent, field) => {
    if (node.type.startsWith('TS') && !/^TS(As|Satisfies|NonNull|TypeAssertion|Instantiation)/.test(node.type))
      return false
    if (isFunction(node)) return node === code || runsNow(sources, parsed, parent, field, made)
    if (node.type === 'PropertyDefinition') return made || node.static === true
    if (/^(Import|Export\w*)Declaration$/.test(node.type) && isNode(node.source)) return false
    if (node.type === 'AwaitExpression') found.push({ node, fault: 'top-level await' })
    if (node.type === 'ImportExpression') found.push({ node, fault: 'import() at import' })
    const name = nameOf(node, parent, field)
    if (name === null) return
    if (!scope.names.has(name)) {
      const random = name === 'Math' && isMember(parent, field) && memberName(parent) === 'random'
      if (random || !PURE_GLOBALS.has(name))
        found.push({ node, fault: `${random ? 'Math.random' : name} is used at import` })
      return
    }
    if (!isCallee(parent, field)) return
    const source = scope.packages.get(name)
    if (source !== undefined && !PURE_PACKAGES.test(source))
      found.push({ node, fault: `${name} of ${source} is called at import` })
    const called = findFunction(sources, parsed, name)
    if (!called || entered.has(called.code)) return
    entered.add(called.code)
    const inner = effects(sources, called.parsed, called.code, entered)
    found.push(...inner.map(({ fault }) => ({ node, fault: `${name}(): ${fault}` })))
  })
  return found
}

/** A function that is called where it stands, or handed to what may call it; the constructor of what is made. */
function runsNow(sources: Sources, parsed: Parsed, parent: SyntaxNode | null, field: string, made: boolean): boolean {
  if (parent?.type === 'MethodDefinition') return made && parent.kind === 'constructor'
  if (parent?.type !== 'CallExpression' && parent?.type !== 'NewExpression') return false
  if (field === 'callee') return true
  const callee = parent.callee as { readonly type: string; readonly name: string }
  const called = callee.type === 'Identifier' ? findFunction(sources, parsed, callee.name) : null
  return called === null || usesParameters(called.code)
}

/** Whether a function of ours calls one of its parameters, or hands it on, before it returns. */
function usesParameters(code: SyntaxNode): boolean {
  const names = list(code.params).filter(isNode).flatMap(patternNames)
  let uses = !isFunction(code)
  walk(code, (node, parent, field) => {
    if (isFunction(node) && node !== code) return false
    if (node.type !== 'Identifier' || !names.includes(node.name as string)) return
    if (/^(Call|New)Expression$/.test(parent?.type ?? '') || isCallee(parent, field)) uses = true
    return
  })
  return uses
}

interface Scope {
  /** Every name that the file declares or imports, at any depth. */
  readonly names: ReadonlySet<string>
  /** Imported names by package. */
  readonly packages: ReadonlyMap<string, string>
  /** Imported names by file and by the name there. */
  readonly files: ReadonlyMap<string, { readonly path: string; readonly name: string }>
}

const scopes = new WeakMap<Parsed, Scope>()

function scopeOf(parsed: Parsed): Scope {
  const known = scopes.get(parsed)
  if (known) return known
  const names = new Set<string>()
  const packages = new Map<string, string>()
  const files = new Map<string, { path: string; name: string }>()
  for (const statement of parsed.body) {
    walk(statement, (node, parent, field) => {
      if (node.type === 'Identifier' && isBinding(parent, field)) names.add(node.name as string)
      if (node.type === 'VariableDeclarator' || isFunction(node) || node.type === 'CatchClause') {
        for (const pattern of [node.id, node.param, ...((node.params as readonly unknown[] | undefined) ?? [])]) {
          if (isNode(pattern)) for (const name of patternNames(pattern)) names.add(name)
        }
      }
    })
    if (statement.type !== 'ImportDeclaration') continue
    const source = textOf(statement.source) ?? ''
    for (const specifier of statement.specifiers as readonly SyntaxNode[]) {
      const local = (specifier.local as { name: string }).name
      const imported = (specifier.imported as { name?: string } | undefined)?.name ?? local
      const path = resolve(parsed.path, source)
      names.add(local)
      if (path === null) packages.set(local, source)
      else files.set(local, { path, name: imported })
    }
  }
  const scope = { names, packages, files }
  scopes.set(parsed, scope)
  return scope
}

function isBinding(parent: SyntaxNode | null, field: string): boolean {
  return field === 'id' && /^(Function|Class|TSEnum|TSModule)/.test(parent?.type ?? '')
}

function patternNames(pattern: SyntaxNode): readonly string[] {
  if (pattern.type === 'Identifier') return [pattern.name as string]
  const parts = [
    pattern.left,
    pattern.argument,
    pattern.parameter,
    ...list(pattern.elements),
    ...list(pattern.properties),
  ]
  if (pattern.type === 'Property') return isNode(pattern.value) ? patternNames(pattern.value) : []
  return parts.filter(isNode).flatMap(patternNames)
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The function or class of ours behind a name, followed over imports and re-exports. */
function findFunction(sources: Sources, parsed: Parsed, name: string): { parsed: Parsed; code: SyntaxNode } | null {
  const imported = scopeOf(parsed).files.get(name)
  if (imported) {
    const text = sources[imported.path]
    return text === undefined ? null : findFunction(sources, parse(imported.path, text), imported.name)
  }
  for (const statement of parsed.body) {
    const definition = isNode(statement.declaration) ? statement.declaration : statement
    const declarators =
      definition.type === 'VariableDeclaration' ? (definition.declarations as readonly SyntaxNode[]) : [definition]
    for (const { id, init } of declarators as readonly { id?: { name?: string }; init?: unknown }[]) {
      if (id?.name !== name) continue
      if (isNode(init)) return isFunction(init) ? { parsed, code: init } : null
      return { parsed, code: definition }
    }
    if (statement.type !== 'ExportNamedDeclaration' || !statement.source) continue
    for (const specifier of list(statement.specifiers)) {
      const { local, exported } = specifier as { local: { name: string }; exported: { name: string } }
      const path = exported.name === name ? resolve(parsed.path, textOf(statement.source) ?? '') : null
      if (path !== null && sources[path] !== undefined)
        return findFunction(sources, parse(path, sources[path]), local.name)
    }
  }
  return null
}

function findNodes(
  parsed: Parsed,
  fault: (node: SyntaxNode, parent: SyntaxNode | null, field: string) => string | null,
): readonly Fault[] {
  const faults: Fault[] = []
  for (const statement of parsed.body) {
    walk(statement, (node, parent, field) => {
      const found = fault(node, parent, field)
      if (found !== null) faults.push({ file: parsed.path, line: parsed.lineOf(node), fault: found })
    })
  }
  return faults
}

/** The name of an identifier that stands for a variable or type, null for keys, members and what is no identifier. */
function nameOf(node: SyntaxNode, parent: SyntaxNode | null, field: string): string | null {
  if (node.type !== 'Identifier' || parent === null) return null
  const name = node.name as string
  if (parent.type === 'MemberExpression' && field === 'property' && !parent.computed) return null
  if (parent.type === 'TSQualifiedName' && field === 'right') return null
  if (field === 'key' && !parent.computed) return null
  if (/^(Import|Export)Specifier$/.test(parent.type)) return field === 'local' ? name : null
  if (/^(MetaProperty|LabeledStatement|BreakStatement|ContinueStatement)$/.test(parent.type)) return null
  return name
}

function isMember(parent: SyntaxNode | null, field: string): boolean {
  return parent?.type === 'MemberExpression' && field === 'object'
}

function memberName(member: SyntaxNode | null): string | null {
  // What is only known at run time may be anything: take it for the worst.
  if (member?.computed) return textOf(member.property) ?? 'random'
  return (member?.property as { name?: string } | undefined)?.name ?? null
}

function isCallee(parent: SyntaxNode | null, field: string): boolean {
  const calls =
    parent?.type === 'CallExpression' || parent?.type === 'NewExpression' || parent?.type === 'TaggedTemplateExpression'
  return (calls && (field === 'callee' || field === 'tag')) || isMember(parent, field)
}

function isFunction(node: SyntaxNode): boolean {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)
}

function containsAwait(node: SyntaxNode): boolean {
  let found = false
  walk(node, (inner) => {
    if (isFunction(inner)) return false
    if (inner.type === 'AwaitExpression' || (inner.type === 'ForOfStatement' && inner.await === true)) found = true
    return
  })
  return found
}

function inSrc(path: string): boolean {
  return path.startsWith('src/')
}
