import { type ExitCode, MusterError } from '../errors.ts'
import { findCommand, parseCommand } from './arguments.ts'
import type { Terminal } from './command.ts'
import { commands } from './commands.ts'
import { commandHelp, overview } from './help.ts'

/** Runs one command line to its end and returns its exit code. Never throws: what goes wrong is said on stderr. */
export async function runCommandLine(
  argv: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<ExitCode> {
  try {
    const spelled = argv[0] === '--version' || argv[0] === '-V' ? ['version', ...argv.slice(1)] : argv
    const words = spelled[0] === 'help' ? [...spelled.slice(1), '--help'] : spelled
    const found = findCommand(commands, words)
    if (found === undefined) {
      const group = words.filter((word) => !word.startsWith('-'))
      refuseStrayFlags(words)
      const wantsHelp = words.includes('--help') || words.includes('-h')
      // Nothing was asked for: the overview is talk, and a usage error.
      const stream = wantsHelp ? terminal.stdout : terminal.stderr
      stream.write(overview(commands, group))
      return wantsHelp ? 0 : 2
    }
    const { words: given, flags } = parseCommand(found.command, found.rest)
    if (flags.isSet('help')) {
      terminal.stdout.write(commandHelp(found.command))
      return 0
    }
    const code = await found.command.run({
      command: found.command,
      words: given,
      flags,
      terminal,
      signal,
      commands,
    })
    return code ?? 0
  } catch (error) {
    return report(error, terminal)
  }
}

/** Says what went wrong and what to do about it, and returns the exit code. */
export function report(error: unknown, terminal: Terminal): ExitCode {
  if (isCoded(error)) {
    terminal.stderr.write(`muster: ${error.message}\n`)
    // A usage error explains itself; every other code has a page in docs/errors.md.
    const code = error.code === 'ERR_USAGE' ? '' : ` (${error.code})`
    if (error.hint !== '') terminal.stderr.write(`        ${error.hint}${code}\n`)
    return error.exitCode
  }
  // A broken assumption of the program itself: the stack is what the report needs.
  terminal.stderr.write(
    `muster: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  )
  return 1
}

/** `MusterError` and the agent's own errors look alike. */
function isCoded(
  error: unknown,
): error is Error & { readonly code: string; readonly hint: string; readonly exitCode: ExitCode } {
  return error instanceof Error && 'code' in error && 'hint' in error && 'exitCode' in error
}

function refuseStrayFlags(words: readonly string[]): void {
  const stray = words.find((word) => word.startsWith('-') && word !== '--help' && word !== '-h')
  if (stray !== undefined)
    throw new MusterError('ERR_USAGE', { detail: `${stray} stands before any command` })
}
