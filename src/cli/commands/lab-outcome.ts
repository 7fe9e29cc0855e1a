import { type ExitCode, MusterError } from '../../errors.ts'
import type { GoalReport } from '../../lab/observe.ts'
import type { Invocation } from '../command.ts'

/** What came of waiting for the hosts or machines of a lab, and what to say about it. */
export interface Outcome extends GoalReport {
  readonly goal: string
  readonly elapsedMs: number
  readonly timeoutMs: number
  /** `lab` or `vm`. */
  readonly group: string
  /** How to look at what is there now: what, and the command for it. */
  readonly hints: () => readonly (readonly [what: string, command: string])[]
  /** The last words of a host. */
  readonly logTail: (name: string) => string
}

/** Says how to go on, or why it did not come so far. Throws ERR_NOT_READY and ERR_TIMEOUT. */
export function tellOutcome({ terminal, signal }: Invocation, outcome: Outcome): ExitCode {
  const seconds = (outcome.elapsedMs / 1_000).toFixed(1)
  if (outcome.reached) {
    const lines = outcome.hints().map(([what, command]) => `  ${what.padEnd(36)} ${command}\n`)
    terminal.stderr.write(`\n${outcome.goal} after ${seconds} s\n\nHow to look at it:\n${lines.join('')}`)
    return 0
  }
  if (signal.aborted) {
    const muster = `muster ${outcome.group}`
    terminal.stderr.write(`\nThe lab goes on. \`${muster} status\` shows it, \`${muster} down\` ends it.\n`)
    return 1
  }
  const names = new Set(outcome.lacking.map((line) => line.split(':')[0] ?? ''))
  const tails = [...names].map((name) => `--- last words of ${name}\n${outcome.logTail(name)}\n`)
  terminal.stderr.write(`\n${tails.join('')}`)
  const why = outcome.failure === '' ? outcome.lacking.join('; ') : outcome.failure
  if (outcome.failure !== '') throw new MusterError('ERR_NOT_READY', { detail: why })
  throw new MusterError('ERR_TIMEOUT', { seconds: Math.round(outcome.timeoutMs / 1_000), detail: why })
}

/** How the reader starts muster: in the repository there is no `muster` on the path, and what is shown must work when it is pasted. */
export function spelledCommand(group: string, labName: string): (verb: string, rest?: string) => string {
  const suffix = labName === 'default' ? '' : ` --name ${labName}`
  const muster = process.env['npm_lifecycle_event'] === undefined ? 'muster' : 'npm run -s muster --'
  return (verb, rest = '') => `${muster} ${group} ${verb}${suffix}${rest}`
}
