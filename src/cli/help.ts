import { flagsOf } from './arguments.ts'
import type { Command, Flag, Positional } from './command.ts'

/** The overview: every command in one line, in the table's order. */
export function overview(commands: readonly Command[], group: readonly string[] = []): string {
  const shown = commands.filter((command) => group.every((word, index) => command.path[index] === word))
  const rows = shown.map((command) => [callOf(command), command.summary] as const)
  const width = Math.min(44, Math.max(...rows.map(([call]) => call.length)))
  const lines = rows.map(([call, summary]) =>
    call.length > width
      ? `  ${call}\n  ${' '.repeat(width)}  ${summary}`
      : `  ${call.padEnd(width)}  ${summary}`,
  )
  const intro =
    group.length > 0 ? '' : 'muster makes one k3s cluster of identical machines that share one token.\n\n'
  return `${intro}Usage: muster COMMAND [FLAGS]

Commands:
${lines.join('\n')}

\`muster COMMAND --help\` explains a command, with examples.
Exit codes: 0 ok, 1 failed, 2 usage, 3 not ready or timed out, 4 invalid configuration.
`
}

/** The help of one command. */
export function commandHelp(command: Command): string {
  const flags = Object.entries(flagsOf(command)).map(
    ([name, flag]) => [spell(name, flag), describe(flag)] as const,
  )
  const width = Math.max(...flags.map(([spelling]) => spelling.length))
  const aliases = (command.aliases ?? []).map((path) => `muster ${path.join(' ')}`)
  return [
    `${command.summary}.`,
    ...(command.description === undefined ? [] : ['', command.description]),
    '',
    `Usage: muster ${callOf(command)} [FLAGS]`,
    ...(aliases.length === 0 ? [] : [`Also:  ${aliases.join(', ')}`]),
    '',
    'Flags:',
    ...flags.map(([spelling, summary]) => `  ${spelling.padEnd(width)}  ${summary}`),
    '',
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
    '',
  ].join('\n')
}

function callOf(command: Command): string {
  return [...command.path, ...(command.positionals ?? []).map(placeholder)].join(' ')
}

function placeholder(positional: Positional): string {
  const name = positional.choices?.join('|') ?? positional.name
  const repeated = positional.rest === true ? `${name}…` : name
  return positional.optional === true ? `[${repeated}]` : repeated
}

function spell(name: string, flag: Flag): string {
  const short = flag.short === undefined ? '    ' : `-${flag.short}, `
  return `${short}--${name}${flag.type === 'string' ? ` ${flag.value ?? 'TEXT'}` : ''}`
}

function describe(flag: Flag): string {
  const choices = flag.choices === undefined ? '' : `: ${flag.choices.join(', ')}`
  const fallback = flag.default === undefined ? '' : ` (default ${flag.default})`
  return `${flag.summary}${choices}${fallback}${flag.multiple === true ? '; may be repeated' : ''}`
}
