import { callAgent } from '../agent/api/client.ts'
import type { StatusResource } from '../agent/api/resources.ts'
import type { Waiting } from '../core/model/condition.ts'
import { type AgentState, agentState, socketOf } from './hosts.ts'
import type { LabState } from './state.ts'

/** What can be seen of one host from outside: its processes, and what its agent says. */
export interface HostObservation {
  readonly name: string
  readonly agent: AgentState
  /** Undefined while the agent does not answer. */
  readonly status: StatusResource | undefined
}

/** How far a lab should come. */
export type LabGoal = 'chartered' | 'active' | 'ready'

/** Whether a goal is reached, or what is lacking, host by host. */
export interface GoalReport {
  readonly reached: boolean
  /** Set when it can never be reached: for example two clusters. */
  readonly failure: string
  readonly lacking: readonly string[]
}

/** Looks at every host at once. A silent agent costs at most `timeoutMs`. */
export function observeHosts(state: LabState, timeoutMs = 3_000): Promise<HostObservation[]> {
  return Promise.all(
    state.hosts.map(async (host) => {
      const agent = agentState(state, host)
      const status =
        agent === 'running'
          ? await callAgent<StatusResource>(socketOf(host), 'GET', '/v1/status', undefined, {
              timeoutMs,
            }).catch(() => undefined)
          : undefined
      return { name: host.name, agent, status }
    }),
  )
}

/** Judges a lab by its agents' own words. (Tests judge by etcd and by pings instead.) */
export function judgeGoal(goal: LabGoal, hosts: readonly HostObservation[]): GoalReport {
  const report = judgeStatuses(
    goal,
    hosts.map(({ name, status, ...host }) => ({
      name,
      status,
      situation: situationOf({ name, status, ...host }),
    })),
  )
  if (report.failure === '' && hosts.length > 0 && hosts.every((host) => host.agent === 'stopped')) {
    return { reached: false, failure: 'every agent has ended', lacking: hosts.map(({ name }) => name) }
  }
  return report
}

/** Judges what agents say, whatever they run on; `situation` is what one that has not come so far is doing. */
export function judgeStatuses(
  goal: LabGoal,
  nodes: readonly {
    readonly name: string
    readonly status: StatusResource | undefined
    readonly situation: string
  }[],
): GoalReport {
  const clusters = [...new Set(nodes.map((node) => node.status?.plan?.clusterId).filter(Boolean))]
  if (clusters.length > 1) {
    return { reached: false, failure: `there are ${clusters.length} clusters`, lacking: [] }
  }
  const lacking = nodes
    .filter((node) => !hasReached(goal, node.status))
    .map((node) => `${node.name}: ${node.situation}`)
  return { reached: nodes.length > 0 && lacking.length === 0, failure: '', lacking }
}

/** What one host is waiting for, or else doing, in one line. */
export function situationOf(host: HostObservation): string {
  if (host.agent === 'off') return 'switched off'
  if (host.agent !== 'running') return `agent ${host.agent}`
  return host.status === undefined ? 'agent does not answer yet' : situationOfStatus(host.status)
}

/** What an agent says it is waiting for, or else doing. */
export function situationOfStatus(status: StatusResource): string {
  const waiting = status.waiting[0]
  return waiting === undefined ? status.note : `waiting for ${describeWaiting(waiting)}`
}

/** `votes 1/3 (missing h2, h4)`. */
function describeWaiting(waiting: Waiting): string {
  const missing = waiting.missing.length === 0 ? '' : ` (missing ${waiting.missing.join(', ')})`
  return `${waiting.for} ${waiting.have}/${waiting.need}${missing}`
}

function hasReached(goal: LabGoal, status: StatusResource | undefined): boolean {
  const plan = status?.plan
  if (status === undefined || plan === undefined || plan === null || status.assignment === null) return false
  const k3s = status.conditions.find(({ type }) => type === 'K3sReady')?.status
  switch (goal) {
    case 'chartered':
      return true
    case 'active':
      return plan.phase === 'active'
    case 'ready':
      return plan.phase === 'active' && k3s === 'true'
  }
}
