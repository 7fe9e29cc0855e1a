import type { Resource, ResourceList } from '../agent/api/resources.ts'
import { type Column, formatTable } from '../table.ts'
import type { Invocation, Terminal } from './command.ts'

/** Ways to print. `table` and `wide` are for people; `json` and `yaml` are the versioned contract. */
export type OutputFormat = 'table' | 'wide' | 'json' | 'yaml'

/** The format that `-o` asks for. */
export function formatOf(invocation: Invocation): OutputFormat {
  const format = invocation.flags.text('output')
  return format === 'wide' || format === 'json' || format === 'yaml' ? format : 'table'
}

/** Prints a resource as data, or with the text that `human` makes of it. */
export async function printResource(
  terminal: Terminal,
  format: OutputFormat,
  resource: Resource<string>,
  human: (wide: boolean) => string,
): Promise<void> {
  if (format === 'json') terminal.stdout.write(`${JSON.stringify(resource, undefined, 2)}\n`)
  else if (format === 'yaml') terminal.stdout.write(await yamlText(resource))
  else terminal.stdout.write(human(format === 'wide'))
}

/** Prints a list of one kind with that kind's columns. */
export function printList<Item>(
  terminal: Terminal,
  format: OutputFormat,
  list: ResourceList<string, Item>,
  columns: readonly Column<Item>[],
): Promise<void> {
  return printResource(terminal, format, list, (wide) =>
    formatTable(
      columns.filter((column) => wide || column.wide !== true),
      list.items,
    ),
  )
}

/** YAML without anchors and folded lines, so that `grep` and other tools read it. */
async function yamlText(value: object): Promise<string> {
  const { stringify } = await import('yaml')
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 })
}
