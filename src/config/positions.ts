import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, Node, Pair, YAMLMap } from 'yaml'
import type { Position, Report } from './diagnostics.ts'

/** A value of a configuration file that remembers where it was written. */
export type Located = LocatedMap | LocatedList | LocatedScalar

export interface LocatedMap {
  readonly kind: 'map'
  readonly at: Position
  readonly entries: ReadonlyMap<string, LocatedEntry>
}

export interface LocatedEntry {
  /** Where the key stands. */
  readonly at: Position
  readonly value: Located
}

export interface LocatedList {
  readonly kind: 'list'
  readonly at: Position
  readonly items: readonly Located[]
}

export interface LocatedScalar {
  readonly kind: 'scalar'
  readonly at: Position
  readonly value: string | number | boolean | null
}

/** One file: where it came from and what stands in it. */
export interface ConfigSource {
  readonly path: string
  readonly text: string
}

/** Largest file that is read. Cloud-config travels in user-data, which providers limit to 16 to 64 KiB. */
export const fileCharactersMax = 1_048_576

/** Deepest nesting that is read. The deepest documented key has eight levels. */
export const depthMax = 48

/** Values in one file, counted after aliases are expanded: what bounds an alias bomb. */
export const valuesMax = 50_000

/** Syntax errors that are told of one file. */
const syntaxErrorsMax = 3

/** Thrown inside this file alone when a bound is met: the rest of the file is not looked at. */
class BoundReached extends Error {}

interface Walk {
  readonly position: (offset: number | undefined) => Position
  readonly document: Document
  readonly report: Report
  values: number
}

/**
 * Reads one YAML file into located values. Syntax errors, duplicate keys, several documents and input beyond the
 * bounds are reported with their position; undefined comes back when nothing can be used, or the file is empty.
 */
export function locate({ path: file, text }: ConfigSource, report: Report): LocatedMap | undefined {
  const start: Position = { file, line: 1, column: 1 }
  if (text.length > fileCharactersMax) {
    report.error(start, '', `the file is too large: more than ${fileCharactersMax} characters`)
    return undefined
  }
  const lines = new LineCounter()
  const position = (offset: number | undefined): Position => {
    const { line, col } = lines.linePos(offset ?? 0)
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  let document: Document
  try {
    // Duplicate keys are found in the walk: the parser's own search is quadratic.
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
  } catch (error) {
    // The parser recurses: absurdly deep input ends in a RangeError, never in a crash of the agent.
    report.error(
      start,
      '',
      error instanceof RangeError ? tooDeep : `cannot be read as YAML: ${String(error)}`,
    )
    return undefined
  }
  // One mistake makes many errors in what follows: the first ones are the ones to mend.
  const deep = document.errors.find(({ message }) => message.includes('call stack'))
  for (const problem of deep === undefined ? document.errors.slice(0, syntaxErrorsMax) : [deep]) {
    report.error(position(problem.pos[0]), '', deep === undefined ? syntaxMessage(problem.message) : tooDeep)
  }
  for (const problem of document.warnings.slice(0, syntaxErrorsMax))
    report.warning(position(problem.pos[0]), '', problem.message)
  if (document.errors.length > 0 || document.contents === null) return undefined
  try {
    const walk: Walk = { position, document, report, values: 0 }
    const root = locateNode(document.contents, walk, '', 0)
    if (root.kind === 'map') return root
    if (root.kind === 'scalar' && root.value === null) return undefined
    report.error(
      root.at,
      '',
      'a configuration is a map of keys to values',
      'Begin with a key such as `muster:`.',
    )
  } catch (error) {
    if (!(error instanceof BoundReached)) throw error
  }
  return undefined
}

const tooDeep = `the values are nested too deep: more than ${depthMax} levels`

function syntaxMessage(message: string): string {
  return message.includes('multiple documents')
    ? 'the file holds several YAML documents (`---`); put them into files of their own'
    : `not valid YAML: ${message}`
}

function locateNode(node: Node | null, walk: Walk, path: string, depth: number): Located {
  const at = walk.position(node?.range?.[0])
  walk.values++
  if (depth > depthMax) return stop(walk, at, path, tooDeep)
  if (walk.values > valuesMax)
    return stop(walk, at, path, `there are too many values: more than ${valuesMax}`)
  if (isAlias(node)) {
    const target = node.resolve(walk.document)
    if (target === undefined) return stop(walk, at, path, `the alias *${node.source} names no anchor`)
    return locateNode(target, walk, path, depth + 1)
  }
  if (isMap(node)) return { kind: 'map', at, entries: locateEntries(node, walk, path, depth) }
  if (isSeq(node)) {
    const items = node.items.map((item, index) =>
      locateNode(item as Node | null, walk, join(path, String(index)), depth + 1),
    )
    return { kind: 'list', at, items }
  }
  return { kind: 'scalar', at, value: isScalar(node) ? scalarValue(node.value, node.source) : null }
}

function stop(walk: Walk, at: Position, path: string, message: string): never {
  walk.report.error(at, path, message)
  throw new BoundReached(message)
}

function locateEntries(map: YAMLMap, walk: Walk, path: string, depth: number): Map<string, LocatedEntry> {
  const entries = new Map<string, LocatedEntry>()
  const inherited = new Map<string, LocatedEntry>()
  for (const pair of map.items as Pair<Node, Node | null>[]) {
    const at = walk.position(pair.key.range?.[0])
    const key = isScalar(pair.key) ? String(pair.key.value ?? '') : undefined
    if (key === undefined || key === '__proto__') {
      walk.report.error(at, path, 'a key must be plain text')
      continue
    }
    if (key === '<<') {
      const merged = locateNode(pair.value, walk, path, depth + 1)
      for (const base of merged.kind === 'list' ? merged.items : [merged]) {
        if (base.kind !== 'map') walk.report.error(at, path, '`<<` takes a map, or a list of maps')
        else for (const [name, entry] of base.entries) if (!inherited.has(name)) inherited.set(name, entry)
      }
      continue
    }
    const first = entries.get(key)
    if (first !== undefined) {
      walk.report.error(at, join(path, key), `the key stands twice; first in line ${first.at.line}`)
      continue
    }
    entries.set(key, { at, value: locateNode(pair.value, walk, join(path, key), depth + 1) })
  }
  for (const [name, entry] of inherited) if (!entries.has(name)) entries.set(name, entry)
  return entries
}

/** YAML 1.2 reads `0644` as 644; file modes are meant as they are written. */
function scalarValue(value: unknown, source: string | undefined): LocatedScalar['value'] {
  if (typeof value === 'number') return source !== undefined && /^0\d+$/.test(source) ? source : value
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  return String(value)
}

/** Joins dotted keys. */
export function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

/** The plain value, as a schema wants it. A key without a value counts as not set, but stays visible. */
export function toPlain(located: Located): unknown {
  if (located.kind === 'scalar') return located.value ?? undefined
  if (located.kind === 'list') return located.items.map(toPlain)
  return Object.fromEntries([...located.entries].map(([key, { value }]) => [key, toPlain(value)]))
}

/**
 * Where the value at a path stands, or its nearest ancestor that exists. With `key` the place is that of the last
 * key instead of its value.
 */
export function positionOf(
  root: Located,
  path: readonly PropertyKey[],
  part: 'key' | 'value' = 'value',
): Position {
  let current = root
  let at = root.at
  for (const [index, step] of path.entries()) {
    if (current.kind === 'scalar') return at
    const entry = current.kind === 'map' ? current.entries.get(String(step)) : itemOf(current, Number(step))
    if (entry === undefined) return at
    at = part === 'key' && index === path.length - 1 ? entry.at : entry.value.at
    // An empty value has no place of its own worth pointing at.
    if (entry.value.kind === 'scalar' && entry.value.value === null) at = entry.at
    current = entry.value
  }
  return at
}

function itemOf(list: LocatedList, index: number): LocatedEntry | undefined {
  const value = list.items[index]
  return value === undefined ? undefined : { at: value.at, value }
}

/** The value at a path of keys, if there is one. */
export function locatedAt(root: Located, path: readonly string[]): Located | undefined {
  let current: Located | undefined = root
  for (const step of path) current = current?.kind === 'map' ? current.entries.get(step)?.value : undefined
  return current
}
