import type { NodeId } from '../model/ids.ts'
import type { ClusterPlan, NodeAssignment, OpenChange } from '../model/plan.ts'
import { assignmentOf } from '../model/plan.ts'
import type { SignedOf } from './evidence.ts'
import {
  isDoneButForLeftovers,
  isExactly,
  isMemberOf,
  lostMembers,
  memberLists,
  provenDeaths,
  serversOf,
} from './evidence.ts'
import { largestOdd } from './fitness.ts'
import type { Flaw } from './judge-rule.ts'
import { flaw, same } from './judge-rule.ts'

type Lists = readonly SignedOf<'members'>[]

/**
 * The control plane of an active cluster changes by one node at a time; a change is opened and closed on
 * etcd's own member list, read under the parent plan (S6, S7).
 */
export function judgeControlPlane(parent: ClusterPlan, plan: ClusterPlan): Flaw | undefined {
  if (parent.header.phase !== 'active') return undefined
  const before = serversOf(parent.body.assignments)
  const after = serversOf(plan.body.assignments)
  const promoted = after.filter((one) => !before.some((other) => other.nodeId === one.nodeId))
  const demoted = before.filter((one) => !after.some((other) => other.nodeId === one.nodeId))
  const was = parent.header.openChange
  const is = plan.header.openChange
  const lists = memberLists(plan.body.evidence, parent.header, parent.body)

  if (same(was, is)) {
    if (promoted.length + demoted.length > 0)
      return flaw('RoleWithoutChange', 'a role changed without a change being opened')
    return was !== null || after.length % 2 === 1 || before.length === after.length
      ? undefined
      : flaw('EvenControlPlane', `${after.length} servers are an even number`)
  }
  const givenUp =
    was?.kind === 'add' && is === null && demoted.length === 1 && demoted[0]?.nodeId === was.node
  if (givenUp) {
    if (promoted.length > 0) return flaw('OneChange', 'an addition is given up in a plan of its own')
    return before.some(({ nodeId }) => isOver(parent, plan, nodeId))
      ? undefined
      : flaw(
          'GivenUpUnproven',
          'an addition is given up only when its node or another server is dead or lost its data',
        )
  }
  if (was !== null && !isDone(parent, was, is, lists) && !isOvertaken(parent, plan, was, is)) {
    return flaw('ChangeNotDone', 'a change closes only on a member list that equals the control plane')
  }
  if (is === null) {
    if (promoted.length + demoted.length > 0)
      return flaw('RoleWithoutChange', 'a role changed without a change being opened')
    return after.length % 2 === 1
      ? undefined
      : flaw('EvenControlPlane', `${after.length} servers: the change stays open until the next one opens`)
  }
  return is.kind === 'add'
    ? judgeAddition(parent, plan, is, promoted, demoted, lists)
    : judgeRemoval(parent, plan, is, promoted, demoted, lists)
}

/** Whether etcd has carried out the change that was open. Members that nobody planned keep only their own removal from waiting. */
function isDone({ body }: ClusterPlan, was: OpenChange, is: OpenChange | null, lists: Lists): boolean {
  const servers = serversOf(body.assignments)
  const removesLeftover = is?.kind === 'remove' && assignmentOf(body, is.node)?.role === 'worker'
  return lists.some(
    ({ statement: { members } }) =>
      isExactly(members, servers) ||
      (removesLeftover && isDoneButForLeftovers(members, was, body.assignments)),
  )
}

/** Whether a majority of the voters attests that a node is dead, or the node itself that its etcd member is. */
function isOver({ header }: ClusterPlan, { body }: ClusterPlan, node: NodeId, memberId?: string): boolean {
  if (provenDeaths(body.evidence, header).has(node)) return true
  const lost = lostMembers(body.evidence, header).get(node)
  return lost !== undefined && (memberId === undefined || lost.statement.memberId === memberId)
}

/** Whether a removal gives way to that of a server that died: etcd may be unable to carry out the first before the second. */
function isOvertaken(
  parent: ClusterPlan,
  plan: ClusterPlan,
  was: OpenChange,
  is: OpenChange | null,
): boolean {
  return (
    was.kind === 'remove' &&
    is?.kind === 'remove' &&
    assignmentOf(parent.body, is.node)?.role === 'control-plane' &&
    isOver(parent, plan, is.node)
  )
}

function judgeAddition(
  parent: ClusterPlan,
  plan: ClusterPlan,
  change: OpenChange,
  promoted: readonly NodeAssignment[],
  demoted: readonly NodeAssignment[],
  lists: Lists,
): Flaw | undefined {
  if (change.etcdMemberId !== '') return flaw('ChangeMember', 'an addition has no etcd member yet')
  if (promoted.length !== 1 || promoted[0]?.nodeId !== change.node) {
    return flaw('OneChange', 'an addition makes exactly its node a server')
  }
  if (assignmentOf(parent.body, change.node)?.role !== 'worker')
    return flaw('NotAWorker', 'only a worker of the parent plan is promoted')
  const kept = serversOf(plan.body.assignments).filter((one) => one.nodeId !== change.node)
  if (demoted.length > 1) return flaw('OneChange', 'more than one server is demoted')
  const [gone] = demoted
  if (gone !== undefined && !provenDeaths(plan.body.evidence, parent.header).has(gone.nodeId)) {
    return flaw('DemotedUnproven', `no majority of the voters attests that ${gone.name} is dead`)
  }
  if (!lists.some(({ statement }) => isExactly(statement.members, kept))) {
    return flaw('EtcdUnknown', 'an addition opens only on a member list that equals the control plane')
  }
  return kept.length + 1 <= largestOdd(plan.body.spec.controlPlane)
    ? undefined
    : flaw('TooManyServers', `the spec wants ${plan.body.spec.controlPlane} servers`)
}

function judgeRemoval(
  parent: ClusterPlan,
  plan: ClusterPlan,
  change: OpenChange,
  promoted: readonly NodeAssignment[],
  demoted: readonly NodeAssignment[],
  lists: Lists,
): Flaw | undefined {
  const target = assignmentOf(parent.body, change.node)
  const named = lists.some(({ statement }) =>
    statement.members.some(
      (member) => member.id === change.etcdMemberId && target !== undefined && isMemberOf(member, target),
    ),
  )
  if (change.etcdMemberId === '' || !named)
    return flaw('ChangeMember', "a removal names the node's member as etcd lists it")
  if (promoted.length > 0 || demoted.some((one) => one.nodeId !== change.node)) {
    return flaw('OneChange', 'a removal demotes its node and nobody else')
  }
  if (assignmentOf(plan.body, change.node)?.role !== 'worker')
    return flaw('OneChange', 'a removal makes its node a worker')
  return mayRemove(parent, plan, change)
    ? undefined
    : flaw(
        'RemovedUnproven',
        'a server is removed when it is dead or lost its data, when the spec wants fewer, or when it is none',
      )
}

function mayRemove(parent: ClusterPlan, plan: ClusterPlan, { node, etcdMemberId }: OpenChange): boolean {
  const leftover = assignmentOf(parent.body, node)?.role === 'worker'
  const surplus = serversOf(parent.body.assignments).length > largestOdd(plan.body.spec.controlPlane)
  return leftover || surplus || isOver(parent, plan, node, etcdMemberId)
}
