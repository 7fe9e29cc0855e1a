import { allocate4 } from '../addresses/allocate.ts'
import { address6 } from '../addresses/prefix.ts'
import type { Crypto } from '../model/crypto.ts'
import { compareIds } from '../model/ids.ts'
import type { Hash, NodeId } from '../model/ids.ts'
import { assignmentsMax } from '../model/limits.ts'
import type { ViewOf } from '../model/member.ts'
import type { NodeAssignment, Retired } from '../model/plan.ts'
import { contestedSlugs, nodeName } from './names.ts'

/** What has been handed out, and by which rules. */
export interface Roster {
  readonly assignments: readonly NodeAssignment[]
  readonly retired: readonly Retired[]
  /** Addresses of nodes whose retirement is not certified yet: nobody may have them. */
  readonly held: readonly string[]
  readonly prefix4: string
  readonly prefix6: string
}

/** The digest that places a node in the overlay, the same before and after it belongs to a cluster. */
export function addressDigest(nodeId: NodeId, crypto: Crypto): Hash {
  return crypto.digest('muster/overlay-address/1', { nodeId })
}

/** The roster with the newcomers in it as workers. */
export interface Enrolment {
  /** Sorted by node id. */
  readonly assignments: readonly NodeAssignment[]
  readonly retired: readonly Retired[]
  readonly added: readonly NodeId[]
  /** Nodes for which no address is left. */
  readonly unserved: readonly NodeId[]
}

/**
 * Gives every newcomer a name and addresses, all in one go, in the order of their ids. What a node had
 * before it retired it gets again, if nobody else has it by now.
 */
export function enrol(
  roster: Roster,
  newcomers: readonly NodeId[],
  view: ViewOf<'nodeId' | 'facts'>,
  crypto: Crypto,
): Enrolment {
  const hostnameOf = new Map(view.members.map(({ record }) => [record.nodeId, record.facts.hostname]))
  const contested = contestedSlugs([...hostnameOf.values()])
  const names = new Set([...roster.assignments, ...roster.retired].map((entry) => entry.name))
  const formerly = new Map(roster.retired.map((entry) => [entry.nodeId, entry]))
  const room = assignmentsMax - roster.assignments.length
  const wanted = newcomers.toSorted(compareIds)
  const addresses = addressesFor(roster, wanted.slice(0, room), crypto)
  const added: NodeAssignment[] = []
  for (const [nodeId, address4] of addresses) {
    const former = formerly.get(nodeId)
    const name = former?.name ?? nodeName(nodeId, hostnameOf.get(nodeId) ?? '', contested, names)
    names.add(name)
    added.push({
      nodeId,
      role: 'worker',
      name,
      address4,
      address6: address6(roster.prefix6, addressDigest(nodeId, crypto)),
      reason: former === undefined ? 'joined as a worker' : 'came back as a worker',
    })
  }
  const served = new Set(added.map((assignment) => assignment.nodeId))
  return {
    assignments: [...roster.assignments, ...added].toSorted((a, b) => compareIds(a.nodeId, b.nodeId)),
    retired: roster.retired.filter((entry) => !served.has(entry.nodeId)),
    added: [...served],
    unserved: wanted.filter((nodeId) => !served.has(nodeId)),
  }
}

/** As many addresses as there are, for the first of `wanted`, in their order. */
function addressesFor(
  roster: Roster,
  wanted: readonly NodeId[],
  crypto: Crypto,
): readonly (readonly [NodeId, string])[] {
  const used = new Set([...roster.assignments.map((assignment) => assignment.address4), ...roster.held])
  const kept = roster.retired
    .filter((entry) => wanted.includes(entry.nodeId) && !used.has(entry.address4))
    .map((entry) => ({ nodeId: entry.nodeId, address: entry.address4 }))
  const result = allocate4({
    prefix: roster.prefix4,
    taken: [...roster.assignments.map(({ nodeId, address4 }) => ({ nodeId, address: address4 })), ...kept],
    held: roster.held,
    wanted,
    hash: (nodeId) => addressDigest(nodeId, crypto),
  })
  if (result.kind === 'exhausted')
    return addressesFor(roster, wanted.slice(0, result.wanted - result.missing), crypto)
  return result.assignments.map(({ nodeId, address }) => [nodeId, address])
}
