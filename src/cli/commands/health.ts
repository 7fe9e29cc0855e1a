import { apiVersion } from '../../agent/api/resources.ts'
import type { HealthVerdict, TierVerdict } from '../../core/install/health.ts'
import type { ExitCode } from '../../errors.ts'
import { formatTable } from '../../table.ts'
import { socketOf } from '../agent-access.ts'
import { durationMs, usage } from '../arguments.ts'
import { agentFlags, type Command, type Invocation, outputFlag } from '../command.ts'
import { formatOf, printResource } from '../render.ts'

export const healthCommand: Command = {
  path: ['health'],
  summary: 'Say whether this boot is a good one, measured by what the machine could do before the upgrade',
  description: `Three tiers: the machine itself, the network, k3s. Exit code 0 when all is well, 3 while something is awaited.
With --wait it waits until all has been well for a while, and exits with 1 when the time is over. With --bless it
then tells the loader that the running image is good, or writes down why not; an image that is known to be good is
not judged again. docs/machine.md says what each tier needs.`,
  flags: {
    wait: { type: 'boolean', summary: 'until it is well, within --timeout' },
    bless: { type: 'boolean', summary: 'tell the loader; with --wait only' },
    timeout: {
      type: 'string',
      value: 'TIME',
      default: '600',
      summary: 'give up after, in seconds or as 10m',
    },
    ...outputFlag,
    ...agentFlags,
  },
  examples: ['muster health', 'muster health --wait --timeout 5m', 'muster health -o json'],
  run: health,
}

async function health(invocation: Invocation): Promise<ExitCode> {
  const { flags, terminal, signal } = invocation
  const { awaitHealth, checkHealth, concludeTrial } = await import('../../machine/health.ts')
  const say = (line: string): void => void terminal.stderr.write(`muster health: ${line}\n`)
  const root = flags.text('root') ?? terminal.environment['MUSTER_ROOT'] ?? ''
  const request = { root, socketPath: socketOf(invocation), say }
  const bless = flags.isSet('bless')
  if (!flags.isSet('wait')) {
    if (bless) throw usage('--bless goes with --wait: one look proves little')
    const verdict = await checkHealth(request)
    await print(invocation, verdict)
    return verdict.verdict === 'good' ? 0 : 3
  }
  const timeoutMs = durationMs('timeout', flags.text('timeout') ?? '')
  const outcome = await awaitHealth(request, { timeoutMs, onlyOnTrial: bless, signal })
  if (outcome === undefined) {
    say('this image is known to be good')
    return 0
  }
  await print(invocation, outcome)
  // Told to end is no verdict: the machine goes down for another reason.
  if (signal.aborted && !outcome.passed) return 3
  if (bless) await concludeTrial(root, outcome)
  say(
    outcome.passed
      ? `this boot is good${bless ? ', and so is its image' : ''}`
      : `this boot is not good: ${outcome.awaited}`,
  )
  return outcome.passed ? 0 : 1
}

async function print(invocation: Invocation, { verdict, tiers, awaited }: HealthVerdict): Promise<void> {
  const resource = { apiVersion, kind: 'MachineHealth', verdict, tiers, awaited } as const
  await printResource(invocation.terminal, formatOf(invocation), resource, () =>
    formatTable<TierVerdict>(
      [
        { title: 'TIER', of: ({ tier }) => tier },
        { title: 'STATE', of: ({ state }) => state },
        { title: 'WHY', of: ({ reasons }) => reasons.join('; ') },
      ],
      tiers,
    ),
  )
}
