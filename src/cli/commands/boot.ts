import { apiVersion } from '../../agent/api/resources.ts'
import type { ExitCode } from '../../errors.ts'
import { MusterError } from '../../errors.ts'
import type { Machine } from '../../machine/machine.ts'
import type { StageProblem } from '../../machine/stage-report.ts'
import { formatAge, formatTable } from '../../table.ts'
import { usage } from '../arguments.ts'
import { socketOf } from '../agent-access.ts'
import { agentFlags, type Command, type Flag, type Invocation, outputFlag } from '../command.ts'
import { formatOf, printResource } from '../render.ts'

const rootFlag: Readonly<Record<'root', Flag>> = {
  root: { type: 'string', value: 'DIR', summary: 'a directory that is taken for the machine ($MUSTER_ROOT)' },
}

/** What runs on a machine with muster's image, and what it left behind. */
export const bootCommands: readonly Command[] = [
  {
    path: ['machine', 'apply'],
    summary: 'Carry out what the configuration says about this machine',
    description: `Normally called by systemd at boot. \`--early\` gathers the configuration from all its sources, then does what
the boot needs: host name, users, keys, files, the stages initramfs, fs and boot. \`--stage\` runs one stage of
\`stages:\`. A failure is told and noted, and the next action is done; exit code 1 says that there was one.`,
    flags: {
      early: { type: 'boolean', summary: 'the first part of a boot' },
      stage: { type: 'string', value: 'NAME', summary: 'one stage, for example network' },
      ...rootFlag,
    },
    examples: ['muster machine apply --early', 'muster machine apply --stage reconcile'],
    run: apply,
  },
  {
    path: ['machine', 'status'],
    summary: 'Show this machine: its image, how it was started, and what of its configuration failed',
    flags: { ...outputFlag, ...rootFlag },
    examples: ['muster machine status', 'muster machine status -o json'],
    run: status,
  },
  {
    path: ['console'],
    summary: 'Show the state of this machine on its screen, and each change as a line on its serial line',
    description: 'Normally run by systemd on tty1. Nothing is read from the keyboard.',
    flags: {
      tty: { type: 'string', value: 'PATH', summary: 'a terminal that is drawn whole' },
      log: { type: 'string', value: 'PATH', summary: 'where each change is written as one line' },
      ...agentFlags,
    },
    examples: ['muster console --tty /dev/tty1 --log /dev/ttyS0', 'muster console --tty /dev/stdout'],
    run: showConsole,
  },
]

/** How often the console looks. */
const consoleIntervalMs = 2_000

async function showConsole(invocation: Invocation): Promise<void> {
  const { flags, terminal, signal } = invocation
  const { runConsole } = await import('../../machine/console.ts')
  await runConsole(
    {
      root: flags.text('root') ?? terminal.environment['MUSTER_ROOT'] ?? '',
      socketPath: socketOf(invocation),
      tty: flags.text('tty'),
      log: flags.text('log'),
      intervalMs: consoleIntervalMs,
    },
    signal,
  )
}

/** The machine that a command works on: a real one, or a directory. */
async function machineOf({ flags, terminal }: Invocation): Promise<Machine> {
  const { openMachine } = await import('../../machine/open.ts')
  const root = flags.text('root') ?? terminal.environment['MUSTER_ROOT'] ?? ''
  return openMachine(root, (line) => void terminal.stderr.write(`muster: ${line}\n`))
}

async function apply(invocation: Invocation): Promise<ExitCode> {
  const stage = invocation.flags.text('stage')
  if (invocation.flags.isSet('early') === (stage !== undefined)) throw usage('say --early, or --stage NAME')
  const machine = await machineOf(invocation)
  if (machine.root === '') refuseForeign((await import('../../machine/machine.ts')).readFacts('').mode)
  const { applyEarly, applyStage } = await import('../../machine/apply.ts')
  if (stage === undefined && (await restartsAtOnce(machine))) return 1
  const result = stage === undefined ? await applyEarly(machine) : await applyStage(machine, stage)
  const failed = result.problems.filter(({ severity }) => severity === 'error').length
  machine.say(
    `${result.stage}: ${result.done} done, ${failed} failed, ${formatAge(result.durationMs)}${failed > 0 ? '; see `muster machine status`' : ''}`,
  )
  return failed === 0 ? 0 : 1
}

/**
 * Ends what the last boot left half done: a reset that was asked for, a name on the ESP. True: the machine restarts, and
 * nothing else is done. A failure is told, and the boot goes on.
 */
async function restartsAtOnce(machine: Machine): Promise<boolean> {
  const { errorText } = await import('../../errors.ts')
  const { beginBoot } = await import('../../install/running.ts')
  try {
    const { restart, notes } = await beginBoot(machine.root)
    for (const note of notes) machine.say(note)
    if (restart) await machine.run(['systemctl', '--no-block', 'reboot'])
    return restart
  } catch (error) {
    machine.say(`the beginning of the boot: ${errorText(error)}`)
    return false
  }
}

/** On a system that is not of muster's image, users and files are somebody else's. */
function refuseForeign(mode: string): void {
  if (mode === 'none') throw new MusterError('ERR_NOT_A_MACHINE')
}

async function status(invocation: Invocation): Promise<void> {
  const { readFacts } = await import('../../machine/machine.ts')
  const { readReport } = await import('../../machine/stage-report.ts')
  const { missingPartitions } = await import('../../install/mounted.ts')
  const root = invocation.flags.text('root') ?? invocation.terminal.environment['MUSTER_ROOT'] ?? ''
  const facts = readFacts(root)
  const { stages } = readReport(root)
  const missing = facts.mode === 'installed' ? await missingPartitions(root) : []
  const resource = { apiVersion, kind: 'Machine', ...facts, missing, stages } as const
  await printResource(invocation.terminal, formatOf(invocation), resource, () => {
    const lines: readonly (readonly [string, string])[] = [
      ['hostname', facts.hostname],
      ['machine id', facts.machineId],
      ['system', facts.mode === 'none' ? 'not of an image of muster' : facts.mode],
      ['image', [facts.imageVersion, facts.imageId.slice(0, 12)].filter(Boolean).join('  ')],
      ...missing.map((sentence) => ['disk', sentence] as const),
    ]
    const head = lines.map(([name, value]) => `${name.padEnd(12)}${value === '' ? '-' : value}\n`).join('')
    const table = formatTable(
      [
        { title: 'STAGE', of: ({ stage }) => stage },
        { title: 'DONE', of: ({ done }) => String(done) },
        { title: 'ERRORS', of: ({ problems }) => String(count(problems, 'error')) },
        { title: 'WARNINGS', of: ({ problems }) => String(count(problems, 'warning')) },
        { title: 'TOOK', of: ({ durationMs }) => formatAge(durationMs) },
      ],
      stages,
    )
    const problems = stages.flatMap((stage) =>
      stage.problems.map(({ severity, where, message }) => `${severity}: ${where}: ${message}\n`),
    )
    return `${head}\n${table}${problems.length === 0 ? '' : `\n${problems.join('')}`}`
  })
}

function count(problems: readonly StageProblem[], severity: StageProblem['severity']): number {
  return problems.filter((each) => each.severity === severity).length
}
