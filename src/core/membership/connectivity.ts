import type { NodeId } from '../model/ids.ts'
import { compareIds, sortedIds } from '../model/ids.ts'
import type { MembershipView } from '../model/member.ts'

/** What a node may say of its own place in the network. Never evidence for an irrevocable decision. */
export interface Connectivity {
  /** How many of those asked about are alive, this node included if it is one of them. */
  readonly alive: number
  readonly total: number
  /** This node sees no majority: it is alone or in a minority. */
  readonly isolated: boolean
  /** Those not seen alive, sorted. */
  readonly missing: readonly NodeId[]
}

/**
 * Whether a node sees a majority of the voters; without voters (no plan yet), of all members that have not left.
 * Only `alive` counts: a suspect may be behind the cut. Without voters a node that sees nobody is isolated.
 */
export function connectivity(view: MembershipView, voters: readonly NodeId[]): Connectivity {
  const living = new Set(
    view.members.filter((member) => member.liveness === 'alive').map((member) => member.record.nodeId),
  )
  const wanted =
    voters.length > 0
      ? sortedIds(voters)
      : view.members
          .filter((member) => member.liveness !== 'left')
          .map((member) => member.record.nodeId)
          .toSorted(compareIds)
  const missing = wanted.filter((id) => !living.has(id))
  const alive = wanted.length - missing.length
  const alone = voters.length === 0 && ![...living].some((id) => id !== view.self)
  return { alive, total: wanted.length, isolated: alone || 2 * alive <= wanted.length, missing }
}
