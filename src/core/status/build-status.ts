import { sortedIds } from '../model/ids.ts'
import { assignmentOf } from '../model/plan.ts'
import { machinesNeeded, machinesPresent } from './birth-waits.ts'
import type { ConditionLog } from './condition-log.ts'
import { conditionsOf } from './conditions.ts'
import type { MemberRow, NodeStatus, StatusInput, StatusPhase } from './types.ts'
import { waitsOf } from './waiting.ts'

/** The status of a node at one moment; `log` gives conditions and waits their beginning. */
export function buildStatus(input: StatusInput, log: ConditionLog): NodeStatus {
  const { plan, self, k3s } = input
  const assignment = plan && assignmentOf(plan.plan.body, self)
  const record = input.view.members.find((member) => member.record.nodeId === self)?.record
  const phase = phaseOf(input)
  return {
    node: self,
    name: assignment?.name ?? record?.facts.hostname ?? '',
    networkName: input.networkName,
    networkId: input.networkId,
    phase,
    ready: phase === 'k3s' && k3s?.ready === true && plan?.plan.header.phase === 'active',
    bootstrap: input.bootstrap,
    leader: input.consensus.leader,
    plan: plan && {
      clusterId: plan.plan.header.clusterId,
      generation: plan.plan.header.generation,
      hash: input.planHash,
      phase: plan.plan.header.phase,
      voters: plan.plan.header.voters,
    },
    assignment,
    conditions: log.stamp(conditionsOf(input), input.now),
    waiting: log.stampWaits(waitsOf(input), input.now),
    members: membersOf(input),
    refused: input.refused,
  }
}

/** The first stage of the way that is not behind this node. */
export function phaseOf(input: StatusInput): StatusPhase {
  const { plan, self, overlay, k3s } = input
  if (plan === undefined) {
    if (machinesPresent(input) >= machinesNeeded(input)) return 'plan'
    return input.connected.length === 0 ? 'discovery' : 'membership'
  }
  const { header, body } = plan.plan
  if (assignmentOf(body, self) === undefined) return 'plan'
  if (overlay?.up !== true) return 'overlay'
  const mayStart = header.phase === 'active' || header.grant?.team.includes(self) === true
  if (!mayStart) return 'plan'
  return k3s?.installed === true ? 'k3s' : 'install'
}

/** Everybody in the plan or in the view, one row each. */
function membersOf(input: StatusInput): readonly MemberRow[] {
  const header = input.plan?.plan.header
  const assignments = new Map(input.plan?.plan.body.assignments.map((one) => [one.nodeId, one]))
  const members = new Map(input.view.members.map((member) => [member.record.nodeId, member]))
  return sortedIds([...assignments.keys(), ...members.keys()]).map((id) => {
    const assignment = assignments.get(id)
    const member = members.get(id)
    return {
      id,
      name: assignment?.name ?? member?.record.facts.hostname ?? '',
      role: assignment?.role ?? '',
      address4: assignment?.address4 ?? '',
      liveness: id === input.self ? 'alive' : (member?.liveness ?? 'unknown'),
      phase: member?.record.phase ?? '',
      voter: header?.voters.includes(id) ?? false,
      leader: input.consensus.leader === id,
      generation: member?.record.plan.generation ?? -1,
      note: member?.record.note ?? '',
    }
  })
}
