import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { parseAst } from 'rolldown/parseAst'

/** A source tree: path from the top of the repository, with `/`, to the file's text. */
export type SourceTree = ReadonlyMap<string, string>

/** What the rules look at in one file. */
export interface SourceFile {
  readonly path: string
  readonly lines: number
  readonly imports: readonly SourceImport[]
  /** Impure names and constructions, for example `Date`, `Math.random`, `await`. */
  readonly impurities: readonly string[]
}

export interface SourceImport {
  /** As written. */
  readonly specifier: string
  /** Path in the tree where the specifier is relative; undefined for packages. */
  readonly target: string | undefined
}

/** Reads the TypeScript files of these folders; a folder that does not exist has none. */
export function readTree(top: string, folders: readonly string[]): SourceTree {
  const tree = new Map<string, string>()
  const visit = (folder: string): void => {
    for (const entry of listing(`${top}/${folder}`)) {
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) visit(path)
      else if (entry.name.endsWith('.ts')) tree.set(path, readFileSync(`${top}/${path}`, 'utf8'))
    }
  }
  for (const folder of folders) visit(folder)
  return tree
}

function listing(folder: string): { name: string; isDirectory(): boolean }[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  } catch {
    return []
  }
}

interface AstNode {
  readonly type: string
  readonly [key: string]: unknown
}

/** Globals that make a decision depend on something else than its inputs. Types may name them. */
const impureNames = new Set([
  'Date',
  'Promise',
  'performance',
  'process',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'Buffer',
  'fetch',
  'globalThis',
])

/** Parses one file. Throws what the parser throws: a file that cannot be parsed must not pass as clean. */
export function parseSource(path: string, text: string): SourceFile {
  const imports: SourceImport[] = []
  const impurities = new Set<string>()

  const addImport = (source: unknown): void => {
    const specifier = isNode(source) ? source['value'] : undefined
    if (typeof specifier !== 'string') return
    const target = specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined
    imports.push({ specifier, target })
  }
  const visit = (value: unknown, key: string, parent: AstNode | undefined): void => {
    if (Array.isArray(value)) for (const item of value) visit(item, key, parent)
    if (!isNode(value)) return
    switch (value.type) {
      case 'ImportDeclaration':
      case 'ExportNamedDeclaration':
      case 'ExportAllDeclaration':
      case 'ImportExpression':
      case 'TSImportType':
        addImport(value['source'] ?? value['argument'])
        break
      case 'Identifier':
        if (impureNames.has(String(value['name'])) && !isMereName(key, parent))
          impurities.add(String(value['name']))
        break
      case 'MemberExpression':
        if (nameOf(value['object']) === 'Math' && nameOf(value['property']) === 'random')
          impurities.add('Math.random')
        break
      case 'AwaitExpression':
        impurities.add('await')
        break
      default:
        if (value['async'] === true) impurities.add('async')
    }
    // Types are erased: what they name is not used. Assertions hold an expression, which is.
    const children = isErased(value.type) ? [] : Object.entries(value)
    for (const [name, child] of children) visit(child, name, value)
    if (isErased(value.type)) findTypeImports(value, addImport)
  }
  visit(parseAst(text, { lang: 'ts' }, path), '', undefined)
  return {
    path,
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    imports,
    impurities: [...impurities],
  }
}

function isErased(type: string): boolean {
  const expressions = [
    'TSAsExpression',
    'TSNonNullExpression',
    'TSSatisfiesExpression',
    'TSTypeAssertion',
    'TSInstantiationExpression',
  ]
  return type.startsWith('TS') && !expressions.includes(type)
}

function findTypeImports(node: AstNode, found: (source: unknown) => void): void {
  for (const child of Object.values(node).flat()) {
    if (!isNode(child)) continue
    if (child.type === 'TSImportType') found(child['source'] ?? child['argument'])
    findTypeImports(child, found)
  }
}

/** `x.process`, `{ process: 1 }` and a parameter's property name no global. */
function isMereName(key: string, parent: AstNode | undefined): boolean {
  if (parent === undefined || parent['computed'] === true) return false
  if (parent.type === 'MemberExpression') return key === 'property'
  return key === 'key' && ['Property', 'PropertyDefinition', 'MethodDefinition'].includes(parent.type)
}

function nameOf(node: unknown): unknown {
  return isNode(node) ? node['name'] : undefined
}

function isNode(value: unknown): value is AstNode {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
}
