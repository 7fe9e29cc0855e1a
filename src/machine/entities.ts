import { parse as parseYaml } from 'yaml'
import { format, parse } from './accounts.ts'
import type { AccountFiles } from './accounts.ts'

/** Fields of each kind, in the order of the file; Kairos' names. */
const kinds: Readonly<
  Record<string, { readonly file: keyof AccountFiles; readonly fields: readonly string[] }>
> = {
  user: { file: 'passwd', fields: ['username', 'password', 'uid', 'gid', 'info', 'homedir', 'shell'] },
  group: { file: 'group', fields: ['group_name', 'password', 'gid', 'users'] },
  shadow: {
    file: 'shadow',
    fields: [
      'username',
      'password',
      'last_changed',
      'minimum_changed',
      'maximum_changed',
      'warn',
      'inactive',
      'expire',
      'reserved',
    ],
  },
}

const defaults: Readonly<Record<string, string>> = { password: 'x' }

/**
 * Puts one line into a file of accounts, or takes it out (`ensure_entities`, `delete_entities`): the text is YAML with
 * `kind` and the fields. The problem is a text where the entity cannot be read.
 */
export function changeEntity(
  files: AccountFiles,
  text: string,
  change: 'ensure' | 'delete',
): { readonly files: AccountFiles } | { readonly problem: string } {
  let entity: unknown
  try {
    entity = parseYaml(text)
  } catch (error) {
    return { problem: `is no YAML: ${error instanceof Error ? error.message : String(error)}` }
  }
  if (typeof entity !== 'object' || entity === null) return { problem: 'is no map of fields' }
  const values = entity as Readonly<Record<string, unknown>>
  const kind = kinds[String(values['kind'])]
  if (kind === undefined)
    return { problem: `kind ${JSON.stringify(values['kind'])} is none of ${Object.keys(kinds).join(', ')}` }
  const name = textOf(values[kind.fields[0]!])
  if (name === '') return { problem: `${kind.fields[0]} is missing` }
  const table = parse(files[kind.file])
  if (change === 'delete') table.delete(name)
  else {
    const held = table.get(name)
    const line = kind.fields.map((field, index) =>
      values[field] === undefined ? (held?.[index] ?? defaults[field] ?? '') : textOf(values[field]),
    )
    if (line.some((field) => /[:\n\0]/.test(field))) return { problem: 'a field has a colon or a line break' }
    table.set(name, line)
  }
  return { files: { ...files, [kind.file]: format(table) } }
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(',')
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
