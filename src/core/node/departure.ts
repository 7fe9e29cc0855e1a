import type { LocalAnswer } from '../effect.ts'
import type { NodeId } from '../model/ids.ts'
import type { MembershipView } from '../model/member.ts'
import type { ClusterPlan } from '../model/plan.ts'
import { assignmentOf } from '../model/plan.ts'
import { isPresent } from '../planner/context.ts'
import { serversOf } from '../planner/evidence.ts'
import { largestOdd, serverObstacle } from '../planner/fitness.ts'

/**
 * Whether a node may say goodbye now. The goodbye makes everybody count it as gone, so it is refused where the
 * cluster could not go on without it: the voters would wait for ever, with one machine fewer.
 */
export function mayLeave(self: NodeId, plan: ClusterPlan | undefined, view: MembershipView): LocalAnswer {
  const no = (reason: string, message: string): LocalAnswer => ({ accepted: false, reason, message })
  const own = plan && assignmentOf(plan.body, self)
  if (plan === undefined || own === undefined) {
    return no('NotAMember', 'this node has no place in a cluster: there is nothing to leave')
  }
  const { header, body } = plan
  const present = new Set(view.members.filter(isPresent).map(({ record }) => record.nodeId))
  const others = header.voters.filter((voter) => voter !== self && present.has(voter)).length
  if (body.assignments.length === 1) return no('LastNode', 'this is the only node of its cluster')
  if (header.voters.includes(self) && 2 * (others + 1) <= header.voters.length) {
    return no('NoMajority', 'no majority of the voters is heard: nobody could certify that this node left')
  }
  if (own.role === 'control-plane') {
    if (header.phase !== 'active')
      return no('NotActive', 'this node is making the cluster: wait until it is active')
    const servers = serversOf(body.assignments).length
    if (servers === 1) return no('OnlyServer', 'this is the only server: its data exist nowhere else')
    const spare = view.members.some(
      (member) =>
        isPresent(member) &&
        serverObstacle(member.record.facts) === undefined &&
        assignmentOf(body, member.record.nodeId)?.role === 'worker',
    )
    if (!spare && servers <= largestOdd(body.spec.controlPlane)) {
      return no(
        'NoSpare',
        `this is one of ${servers} servers and no other machine can take its place: add one, or lower controlPlane first`,
      )
    }
  }
  const message =
    own.role === 'control-plane'
      ? 'this node hands its place in the control plane over, then it is retired'
      : 'the voters retire this node; its address becomes free when that is certified'
  return { accepted: true, reason: 'Leaving', message }
}
