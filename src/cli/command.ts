import type { ExitCode } from '../errors.ts'

// What a command is, as data: parsing, help, completion and the reference are all made from it.

/** One flag of a command. */
export interface Flag {
  readonly type: 'string' | 'boolean'
  /** What it does, in one phrase. */
  readonly summary: string
  /** Name of the value in the help, for example `N`; strings only. */
  readonly value?: string
  readonly short?: string
  readonly choices?: readonly string[]
  readonly default?: string
  readonly multiple?: boolean
}

/** One word after the command. */
export interface Positional {
  readonly name: string
  readonly optional?: boolean
  /** Takes all words that follow, `--` or not. */
  readonly rest?: boolean
  readonly choices?: readonly string[]
}

/** A command of the table. */
export interface Command {
  /** The words that name it, for example `['token', 'new']`. */
  readonly path: readonly string[]
  /** One sentence, without a full stop. */
  readonly summary: string
  /** More, as paragraphs of at most 100 columns. */
  readonly description?: string
  readonly positionals?: readonly Positional[]
  readonly flags?: Readonly<Record<string, Flag>>
  readonly examples: readonly string[]
  /** Other spellings, for example Kairos' verbs. */
  readonly aliases?: readonly (readonly string[])[]
  /** Does the work. Heavy modules are imported here, so that `--help` is quick. */
  readonly run: (invocation: Invocation) => Promise<ExitCode | void>
}

/** Where a command reads and writes. stdout is data, stderr is talk. */
export interface Terminal {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** A command as it was called. */
export interface Invocation {
  readonly command: Command
  readonly words: readonly string[]
  readonly flags: FlagValues
  readonly terminal: Terminal
  /** Aborted by ^C and SIGTERM. */
  readonly signal: AbortSignal
  /** The whole table, for `help` and `completion`. */
  readonly commands: readonly Command[]
}

/** Values of flags as they were given, or their defaults. */
export class FlagValues {
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values
  }

  /** The last value given. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1)
  }

  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }

  isSet(name: string): boolean {
    return this.#values.has(name)
  }
}

/** Flag of every command that prints data. */
export const outputFlag: Readonly<Record<'output', Flag>> = {
  output: {
    type: 'string',
    short: 'o',
    value: 'FORMAT',
    choices: ['table', 'wide', 'json', 'yaml'],
    default: 'table',
    summary: 'how to print',
  },
}

/** Flags of every command that talks to an agent. */
export const agentFlags: Readonly<Record<'root' | 'socket', Flag>> = {
  root: { type: 'string', value: 'DIR', summary: 'the directory that the agent runs below ($MUSTER_ROOT)' },
  socket: { type: 'string', value: 'PATH', summary: "the agent's API socket ($MUSTER_SOCKET)" },
}
