import type { Crypto } from '../model/crypto.ts'
import type { NodeId } from '../model/ids.ts'
import type { ClusterPlan, NodeAssignment, NodeRole, PlanBody, PlanHeader } from '../model/plan.ts'
import { bodyHash, planHash } from '../model/plan-hash.ts'

/** What a step of the planner changes of the parent's header. */
export type HeaderChange = Partial<Pick<PlanHeader, 'phase' | 'voters' | 'grant' | 'openChange'>>

/** The child of a plan with these changes: generation, parent hash and body hash are filled in here alone. */
export function childPlan(
  parent: ClusterPlan,
  header: HeaderChange,
  body: PlanBody,
  crypto: Crypto,
): ClusterPlan {
  return {
    header: {
      ...parent.header,
      ...header,
      generation: parent.header.generation + 1,
      parentHash: planHash(parent.header, crypto),
      bodyHash: bodyHash(body, crypto),
    },
    body,
  }
}

/** The assignments with one node in another role, for a reason. */
export function withRole(
  assignments: readonly NodeAssignment[],
  nodeId: NodeId,
  role: NodeRole,
  reason: string,
): readonly NodeAssignment[] {
  return assignments.map((assignment) =>
    assignment.nodeId === nodeId ? { ...assignment, role, reason } : assignment,
  )
}

/** The assignments with exactly the team as control plane. */
export function withTeam(
  assignments: readonly NodeAssignment[],
  team: readonly NodeId[],
): readonly NodeAssignment[] {
  return assignments.map((assignment) => {
    if (team.includes(assignment.nodeId)) {
      const reason =
        assignment.nodeId === team[0]
          ? 'initialiser: makes the cluster'
          : 'joins the initialiser before the cluster opens'
      return { ...assignment, role: 'control-plane', reason }
    }
    if (assignment.role === 'worker') return assignment
    return { ...assignment, role: 'worker', reason: 'not in the present team' }
  })
}
