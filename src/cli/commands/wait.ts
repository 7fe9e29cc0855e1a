import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusResource } from '../../agent/api/resources.ts'
import { type ExitCode, MusterError } from '../../errors.ts'
import { ask } from '../agent-access.ts'
import { durationMs, usage } from '../arguments.ts'
import { agentFlags, type Command, type Invocation } from '../command.ts'
import { waitingLine } from '../resources.ts'

/** How often the agent is asked. */
const askIntervalMs = 500

const planPhases = ['chartered', 'granted', 'active'] as const
const phases = ['discovery', 'membership', 'plan', 'overlay', 'install', 'k3s'] as const

export const waitCommand: Command = {
  path: ['wait'],
  summary: 'Wait until this node has come so far',
  description: `GOAL is a state of the plan (chartered, granted, active), a phase of this node
(${phases.join(', ')}), \`ready\`, \`plan=N\` for a generation,
or a condition that should hold, for example OverlayReady.
What is awaited meanwhile is said on stderr. Exit code 3 when the time is over.`,
  positionals: [{ name: 'GOAL' }],
  flags: {
    timeout: { type: 'string', value: 'TIME', default: '300', summary: 'give up after, in seconds or as 5m' },
    ...agentFlags,
  },
  examples: ['muster wait active', 'muster wait OverlayReady --timeout 30s', 'muster wait plan=4'],
  run: (invocation) => awaitGoal(invocation, invocation.words[0] ?? ''),
}

/** Reads a goal. Throws ERR_USAGE. */
export function parseGoal(text: string): (status: StatusResource) => boolean {
  const planRank = planPhases.findIndex((phase) => phase === text)
  if (planRank >= 0) {
    return ({ plan }) => plan !== null && planPhases.findIndex((phase) => phase === plan.phase) >= planRank
  }
  const phaseRank = phases.findIndex((phase) => phase === text)
  if (phaseRank >= 0) return ({ phase }) => phases.findIndex((each) => each === phase) >= phaseRank
  if (text === 'ready') return (status) => status.plan?.phase === 'active' && holds(status, 'K3sReady')
  const generation = /^plan=(\d{1,9})$/.exec(text)?.[1]
  if (generation !== undefined) return ({ plan }) => plan !== null && plan.generation >= Number(generation)
  if (/^[A-Z][A-Za-z0-9]+$/.test(text)) return (status) => holds(status, text)
  throw usage(`'${text}' is no goal: see \`muster wait --help\``)
}

/** Waits for a goal, within `--timeout`. Throws ERR_TIMEOUT with what is still awaited. */
export async function awaitGoal(invocation: Invocation, goal: string): Promise<ExitCode> {
  const { flags, terminal, signal } = invocation
  const isReached = parseGoal(goal)
  const timeoutMs = durationMs('timeout', flags.text('timeout') ?? '')
  const giveUpAt = performance.now() + timeoutMs
  let said = ''
  let line = 'the agent does not answer'
  for (;;) {
    try {
      const status = await ask<StatusResource>(invocation, '/v1/status')
      if (isReached(status)) return 0
      const waiting = status.waiting[0]
      line = waiting === undefined ? `phase ${status.phase}` : waitingLine(waiting, status.now)
      // The age and the next try change with every look; the rest is news.
      const news =
        waiting === undefined ? line : `${waiting.for} ${waiting.have}/${waiting.need} ${waiting.message}`
      if (news !== said) terminal.stderr.write(`waiting for ${line}\n`)
      said = news
    } catch (error) {
      // The agent may be on its way up: that is waited for as well.
      if (!(error instanceof MusterError) || error.code !== 'ERR_AGENT_UNREACHABLE') throw error
      line = error.message
    }
    if (signal.aborted) return 1
    if (performance.now() >= giveUpAt) {
      throw new MusterError('ERR_TIMEOUT', {
        seconds: Math.round(timeoutMs / 1_000),
        detail: `not ${goal}; still waiting for ${line.replace(/\.$/, '')}`,
      })
    }
    await sleep(askIntervalMs, undefined, { signal }).catch(() => undefined)
  }
}

function holds(status: StatusResource, type: string): boolean {
  return status.conditions.some((condition) => condition.type === type && condition.status === 'true')
}
