import { parseArgs } from 'node:util'
import { closest } from '../config/suggest.ts'
import { MusterError } from '../errors.ts'
import { type Command, type Flag, FlagValues } from './command.ts'

/** A command with the words and flags it was given. */
export interface ParsedCommand {
  readonly command: Command
  readonly words: readonly string[]
  readonly flags: FlagValues
}

/** `-h` and `--help` belong to every command. */
const helpFlag: Flag = { type: 'boolean', short: 'h', summary: 'show this help' }

/** All flags of a command, `--help` included. */
export function flagsOf(command: Command): Readonly<Record<string, Flag>> {
  return { ...command.flags, help: helpFlag }
}

/**
 * Finds the command that the first words name, the longest name first, and what follows it. Throws
 * ERR_USAGE with a suggestion. Groups (`muster get`) are answered with undefined: their help is wanted.
 */
export function findCommand(
  commands: readonly Command[],
  argv: readonly string[],
): { command: Command; rest: readonly string[] } | undefined {
  const names = commands.flatMap((command) =>
    [command.path, ...(command.aliases ?? [])].map((path) => ({ path, command })),
  )
  const longestFirst = names.toSorted((a, b) => b.path.length - a.path.length)
  const found = longestFirst.find(({ path }) => path.every((word, index) => argv[index] === word))
  if (found !== undefined) {
    const rest = argv.slice(found.path.length)
    refuseUnknownVerb(
      names.map(({ path }) => path),
      found.path,
      rest,
    )
    return { command: found.command, rest }
  }
  const words = argv.filter((word) => !word.startsWith('-'))
  if (words.length === 0) return undefined
  const group = names.filter(({ path }) => path[0] === words[0])
  if (group.length > 0 && words.length === 1) return undefined
  const [typed, candidates] =
    group.length > 0
      ? [words.slice(0, 2).join(' '), group.map(({ path }) => path.slice(0, 2).join(' '))]
      : [words[0] ?? '', names.map(({ path }) => path[0] ?? '')]
  throw usage(`'${typed}' is no command${didYouMean(typed, candidates)}`)
}

/** Reads what follows a command's name. Throws ERR_USAGE for anything that the table does not allow. */
export function parseCommand(command: Command, argv: readonly string[]): ParsedCommand {
  const flags = flagsOf(command)
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      name,
      { type: flag.type, multiple: true, ...(flag.short === undefined ? {} : { short: flag.short }) },
    ]),
  )
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values = new Map<string, string[]>()
  const words: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    if (token.kind !== 'option') continue
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined
    if (flag === undefined) {
      const candidates = Object.keys(flags).map((name) => `--${name}`)
      throw usage(
        `${token.rawName} is no flag of \`muster ${command.path.join(' ')}\`${didYouMean(token.rawName, candidates)}`,
      )
    }
    const value = flag.type === 'boolean' ? 'true' : token.value
    if (value === undefined) throw usage(`${token.rawName} needs a value (${flag.value ?? 'TEXT'})`)
    if (flag.type === 'boolean' && token.value !== undefined) throw usage(`${token.rawName} takes no value`)
    checkChoice(token.rawName, value, flag.choices)
    const given = values.get(token.name) ?? []
    if (given.length > 0 && flag.type === 'string' && flag.multiple !== true) {
      throw usage(`${token.rawName} is given twice`)
    }
    values.set(token.name, [...given, value])
  }
  for (const [name, flag] of Object.entries(flags)) {
    if (flag.default !== undefined && !values.has(name)) values.set(name, [flag.default])
  }
  if (!values.has('help')) checkWords(command, words)
  return { command, words, flags: new FlagValues(values) }
}

/** A whole number from a flag. Throws ERR_USAGE outside its bounds. */
export function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw usage(`--${name} is a whole number from ${min} to ${max}, not '${text}'`)
  }
  return value
}

/** A span of time in seconds (`180`) or with a unit (`500ms`, `3m`), in milliseconds. */
export function durationMs(name: string, text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h)?$/.exec(text)
  if (match === null) throw usage(`--${name} is a time such as 180, 30s or 3m, not '${text}'`)
  const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] ?? 's'] ?? 1_000
  return Number(match[1]) * unitMs
}

/** An error about how the program was called. */
export function usage(detail: string): MusterError {
  return new MusterError('ERR_USAGE', { detail })
}

function checkWords(command: Command, words: readonly string[]): void {
  const expected = command.positionals ?? []
  const name = `muster ${command.path.join(' ')}`
  const lacking = expected.find((each, index) => each.optional !== true && words[index] === undefined)
  if (lacking !== undefined) throw usage(`\`${name}\` needs ${lacking.name}`)
  if (words.length > expected.length && expected.at(-1)?.rest !== true) {
    throw usage(`\`${name}\` does not take '${words[expected.length]}'`)
  }
  for (const [index, word] of words.entries())
    checkChoice(expected[index]?.name ?? '', word, expected[index]?.choices)
}

function checkChoice(name: string, value: string, choices: readonly string[] | undefined): void {
  if (choices === undefined || choices.includes(value)) return
  throw usage(`${name} is one of ${choices.join(', ')}, not '${value}'${didYouMean(value, choices)}`)
}

/** `lab` alone is a command, but `lab upp` is a typing error, not a word for `lab`. */
function refuseUnknownVerb(
  paths: readonly (readonly string[])[],
  found: readonly string[],
  rest: readonly string[],
): void {
  const word = rest[0]
  if (word === undefined || word.startsWith('-')) return
  const verbs = paths
    .filter((path) => path.length > found.length && found.every((each, index) => path[index] === each))
    .map((path) => path[found.length] ?? '')
  if (verbs.length > 0) throw usage(`'${[...found, word].join(' ')}' is no command${didYouMean(word, verbs)}`)
}

function didYouMean(typed: string, candidates: readonly string[]): string {
  const nearest = closest(typed, new Set(candidates))
  return nearest === undefined ? '' : `; did you mean '${nearest}'?`
}
