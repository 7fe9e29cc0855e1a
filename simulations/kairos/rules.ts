import type { Random } from '../../src/core/model/random.ts'

/** Roles that provider-kairos gives. The first one founds the cluster (`k3s server --cluster-init`). */
export type KairosRole = 'master/clusterinit' | 'master/ha' | 'worker'

/** 32-bit FNV-1a over the characters of a node's name. */
export function fnv1a32(text: string): number {
  let state = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193)
  }
  return state >>> 0
}

/** The node with the greatest hash; of equal ones the first. Undefined for nobody. */
export function leaderOf(nodes: readonly string[]): string | undefined {
  let leader: string | undefined
  for (const node of nodes) if (leader === undefined || fnv1a32(node) > fnv1a32(leader)) leader = node
  return leader
}

/** What a node does about the leadership in one round. */
export type LeaderStep = 'wait' | 'claim' | 'schedule'

/**
 * The `auto` role: nobody leads while fewer than `minimumNodes` are seen. The node with the greatest hash writes
 * itself down where no seen node is written down, backs off for a round, and schedules as long as its name stands
 * there. A recorded leader stays as long as it is seen, whatever its hash: a dead one for the whole window.
 */
export function leaderStep(view: {
  readonly self: string
  readonly seen: readonly string[]
  readonly recorded: string | undefined
  readonly minimumNodes: number
}): LeaderStep {
  const { self, seen, recorded, minimumNodes } = view
  if (seen.length < minimumNodes) return 'wait'
  const first = leaderOf(seen) === self
  if (!first && recorded !== self) return 'wait'
  if (first && (recorded === undefined || !seen.includes(recorded))) return 'claim'
  return recorded === self ? 'schedule' : 'wait'
}

/** Role that is to be written down for a node. */
export interface RoleWrite {
  readonly node: string
  readonly role: KairosRole
}

/**
 * One round of the scheduler. It knows the nodes that are seen now and nothing of the others: where no founder is
 * seen, a node without a role is drawn to be one. Further servers come one a round; too few nodes for them is an
 * error that ends the round, and a count above what was asked for as well. All others become workers, and their roles
 * are written again in every round.
 *
 * @param serversBeside servers beside the founder (`p2p.auto.ha.master_nodes`)
 */
export function scheduleRoles(
  seen: readonly string[],
  roleOf: (node: string) => string | undefined,
  serversBeside: number,
  random: Random,
): readonly RoleWrite[] {
  const free = seen.filter((node) => roleOf(node) === undefined)
  const count = (role: KairosRole): number => seen.filter((node) => roleOf(node) === role).length
  if (count('master/clusterinit') === 0 && free.length > 0) {
    return [{ node: free[random.below(free.length)] as string, role: 'master/clusterinit' }]
  }
  if (count('master/ha') !== serversBeside) {
    return free.length === 0 ? [] : [{ node: free[0] as string, role: 'master/ha' }]
  }
  return seen
    .filter((node) => free.includes(node) || roleOf(node) === 'worker')
    .map((node) => ({ node, role: 'worker' as const }))
}
