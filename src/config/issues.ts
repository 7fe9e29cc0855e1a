import type { z } from 'zod'
import type { Report } from './diagnostics.ts'
import type { JsonSchema } from './json-schema.ts'
import { configSchema, declaredKeys, schemaAt } from './json-schema.ts'
import type { LocatedMap } from './positions.ts'
import { positionOf } from './positions.ts'
import { closest } from './suggest.ts'

type Issue = z.core.$ZodIssue

/**
 * Reports what the schema found, in words and at the place where it stands. `schema` knows the keys that an unknown
 * one may have been meant to be.
 */
export function reportIssues(
  issues: readonly Issue[],
  root: LocatedMap,
  plain: unknown,
  report: Report,
  schema: JsonSchema = configSchema(),
): void {
  for (const issue of issues) {
    const path = issue.path.join('.')
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) reportUnknownKey(key, issue.path, root, report, schema)
      continue
    }
    const value = valueAt(plain, issue.path)
    const missing = value === undefined && issue.code === 'invalid_type'
    const message = missing ? 'is required and not there' : messageOf(issue, value)
    report.error(positionOf(root, issue.path), path, message, suggestionFor(issue, value))
  }
}

function reportUnknownKey(
  key: string,
  parent: readonly PropertyKey[],
  root: LocatedMap,
  report: Report,
  schema: JsonSchema,
): void {
  const path = [...parent, key]
  const siblings = Object.keys(schemaAt(parent, schema)?.properties ?? {})
  const near = closest(key, siblings)
  const elsewhere = near === undefined ? placeOf(key, schema) : undefined
  const suggestion =
    near !== undefined
      ? `Did you mean \`${near}\`?`
      : elsewhere !== undefined
        ? `Did you mean \`${elsewhere}\`?`
        : siblings.length <= 12 && siblings.length > 0
          ? `Known here: ${siblings.toSorted().join(', ')}.`
          : undefined
  report.error(positionOf(root, path, 'key'), path.join('.'), `unknown key \`${key}\``, suggestion)
}

/** Where a key of this name belongs: own keys come first. */
function placeOf(key: string, schema: JsonSchema): string | undefined {
  const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_]/g, '')
  return declaredKeys(schema).find((each) => plain(each.key.split('.').at(-1) ?? '') === plain(key))?.key
}

function messageOf(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${typeName(issue.expected)}, found ${describe(value)}`
    case 'too_small':
      return typeof value === 'number'
        ? `must be at least ${issue.minimum}, is ${value}`
        : typeof value === 'string'
          ? 'must not be empty'
          : `needs at least ${issue.minimum} item(s)`
    case 'too_big':
      return typeof value === 'number'
        ? `must be at most ${issue.maximum}, is ${value}`
        : `holds more than ${issue.maximum} item(s)`
    case 'invalid_value':
      return `expected ${listOf(issue.values.map(String))}, found ${describe(value)}`
    case 'invalid_format':
    case 'invalid_union':
      return `${issue.message}, found ${describe(value)}`
    case 'unrecognized_keys':
    case 'not_multiple_of':
    case 'invalid_key':
    case 'invalid_element':
    case 'custom':
      return issue.message
  }
}

function suggestionFor(issue: Issue, value: unknown): string | undefined {
  if (issue.code === 'invalid_value' && typeof value === 'string') {
    const near = closest(value, issue.values.map(String))
    return near === undefined ? undefined : `Did you mean \`${near}\`?`
  }
  if (issue.code !== 'invalid_type' || typeof value !== 'string') {
    return issue.code === 'invalid_type' &&
      issue.expected === 'array' &&
      !Array.isArray(value) &&
      typeof value !== 'object'
      ? 'Write it as a list: a line with `- ` for each item.'
      : undefined
  }
  if (issue.expected === 'boolean' && /^(yes|on|y|true|1)$/i.test(value)) return 'Write `true`.'
  if (issue.expected === 'boolean' && /^(no|off|n|false|0)$/i.test(value)) return 'Write `false`.'
  if ((issue.expected === 'number' || issue.expected === 'int') && /^-?\d+$/.test(value)) {
    return `Write it without quotes: \`${value}\`.`
  }
  return issue.expected === 'array' ? 'Write it as a list: a line with `- ` for each item.' : undefined
}

function typeName(expected: string): string {
  const names: Readonly<Record<string, string>> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a map of keys',
    record: 'a map of keys',
  }
  return names[expected] ?? expected
}

/** Never shows a text: it may be a secret. The excerpt shows the line, with secrets blotted out. */
function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value === 'string') return value === '' ? 'an empty text' : 'text'
  if (typeof value === 'number') return `the number ${value}`
  if (typeof value === 'boolean') return String(value)
  return Array.isArray(value) ? 'a list' : 'a map of keys'
}

function listOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

function valueAt(plain: unknown, path: readonly PropertyKey[]): unknown {
  let current = plain
  for (const step of path) {
    if (typeof current !== 'object' || current === null) return undefined
    current = (current as Record<PropertyKey, unknown>)[step]
  }
  return current
}

/** The plain value without what the schema refused, so that the meaning of the rest can be checked as well. */
export function withoutRefused(plain: unknown, issues: readonly Issue[]): unknown {
  const copy: unknown = structuredClone(plain)
  for (const issue of issues) {
    const targets =
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
    for (const target of targets) {
      const parent = valueAt(copy, target.slice(0, -1))
      const last = target.at(-1)
      if (last === undefined || typeof parent !== 'object' || parent === null) continue
      // A list keeps its length until the end, so that the paths of other issues still hold.
      if (Array.isArray(parent)) parent[Number(last)] = undefined
      else Reflect.deleteProperty(parent, last)
    }
  }
  return dropHoles(copy)
}

function dropHoles(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== undefined).map(dropHoles)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, dropHoles(item)]))
}
