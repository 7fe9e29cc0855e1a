import type { Instant, NodeId } from '../model/ids.ts'
import type { ViewOf } from '../model/member.ts'
import { membersById } from '../model/member.ts'
import type { ClusterPlan } from '../model/plan.ts'
import type { DeadStatement } from '../model/statement.ts'

/**
 * The deaths that this voter attests: nodes of the plan that said goodbye, and nodes that have been silent
 * for T_dead. Nothing in the grace time after a boot, and nothing while this node does not hear a majority
 * of the voters: then it is probably the one that is cut off.
 */
export function deathsToAttest(
  plan: ClusterPlan,
  view: ViewOf<'nodeId' | 'left' | 'incarnation'>,
  self: NodeId,
  now: Instant,
  graceUntil: Instant,
): readonly DeadStatement[] {
  const { header, body } = plan
  if (!header.voters.includes(self) || !hearsMajority(plan, view, self)) return []
  const planned = new Set(body.assignments.map((assignment) => assignment.nodeId))
  const { networkId, epoch, clusterId } = header
  return view.members
    .filter(({ record, liveness, since }) => {
      if (!planned.has(record.nodeId)) return false
      // A leaver attests its own goodbye: of two voters, one alone is no majority.
      if (record.left) return true
      if (record.nodeId === self) return false
      return liveness === 'dead' && now >= graceUntil && now >= since + body.spec.timers.deadAfterMs
    })
    .map(({ record }) => ({
      kind: 'dead',
      networkId,
      epoch,
      clusterId,
      subject: record.nodeId,
      incarnation: record.incarnation,
    }))
}

/** Whether this node hears a majority of the voters, itself counted if it is one. */
export function hearsMajority({ header }: ClusterPlan, view: ViewOf<'nodeId'>, self: NodeId): boolean {
  const members = membersById(view)
  const heard = header.voters.filter((voter) => voter === self || members.get(voter)?.liveness === 'alive')
  return 2 * heard.length > header.voters.length
}
