import { parseAddress } from '../addresses/ip.ts'
import { address6, contains, parsePrefix } from '../addresses/prefix.ts'
import { Conclusion } from '../model/conclusion.ts'
import type { Crypto } from '../model/crypto.ts'
import { sortedIds } from '../model/ids.ts'
import { assignmentsMax, retiredMax } from '../model/limits.ts'
import type { ClusterPlan, NodeAssignment } from '../model/plan.ts'
import { provenDeaths } from './evidence.ts'
import type { Flaw } from './judge-rule.ts'
import { flaw, same } from './judge-rule.ts'
import { addressDigest } from './newcomers.ts'

/** Names and addresses: unique, inside the prefixes, and for life (S8). */
export function judgeRoster(
  parent: ClusterPlan | undefined,
  plan: ClusterPlan,
  crypto: Crypto,
): Flaw | undefined {
  const { assignments, retired } = plan.body
  const ids = assignments.map((one) => one.nodeId)
  if (!same(ids, sortedIds(ids)))
    return flaw('AssignmentsNotSorted', 'assignments are not sorted, or a node has two')
  if (assignments.length > assignmentsMax || retired.length > retiredMax)
    return flaw('RosterSize', 'too many nodes')
  if (new Set(assignments.map((one) => one.address4)).size !== assignments.length) {
    return flaw('AddressTwice', 'two nodes have one IPv4 address')
  }
  const names = [...assignments, ...retired].map((one) => one.name)
  if (new Set(names).size !== names.length) return flaw('NameTwice', 'two nodes have one name')
  const both = retired.find((one) => ids.includes(one.nodeId))
  if (both !== undefined) return flaw('RetiredAndAssigned', `${both.nodeId} is retired and assigned`)
  for (const one of assignments) {
    const found = judgeAssignment(one, plan, crypto)
    if (found !== undefined) return found
  }
  return parent === undefined ? undefined : judgeSticky(parent, plan)
}

/** Assignments are carried from plan to plan: each is judged once under the prefixes of its cluster. */
const judged = new WeakMap<NodeAssignment, Conclusion<Flaw | undefined>>()

function judgeAssignment(one: NodeAssignment, plan: ClusterPlan, crypto: Crypto): Flaw | undefined {
  let last = judged.get(one)
  if (last === undefined) judged.set(one, (last = new Conclusion()))
  const from = [plan.body.spec.addresses.ipv4, plan.body.prefix6, crypto.digest]
  return last.of(0, from, () => findFlaw(one, plan, crypto))
}

function findFlaw(one: NodeAssignment, plan: ClusterPlan, crypto: Crypto): Flaw | undefined {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(one.name))
    return flaw('NameForm', `${one.name} is no RFC 1123 label`)
  const prefix = parsePrefix(plan.body.spec.addresses.ipv4)
  const address = parseAddress(one.address4)
  if (prefix === undefined || address === undefined || !contains(prefix, address)) {
    return flaw('AddressOutside', `${one.address4} is not in ${plan.body.spec.addresses.ipv4}`)
  }
  return one.address6 === address6(plan.body.prefix6, addressDigest(one.nodeId, crypto))
    ? undefined
    : flaw('Address6', `${one.address6} does not belong to ${one.nodeId}`)
}

function judgeSticky(parent: ClusterPlan, plan: ClusterPlan): Flaw | undefined {
  const after = new Map(plan.body.assignments.map((one) => [one.nodeId, one]))
  const retired = new Map(plan.body.retired.map((one) => [one.nodeId, one]))
  const holder = new Map(plan.body.assignments.map((one) => [one.address4, one.nodeId]))
  const proven = provenDeaths(plan.body.evidence, parent.header)
  for (const before of parent.body.assignments) {
    const now = after.get(before.nodeId)
    if (now !== undefined) {
      const kept = now.name === before.name && now.address4 === before.address4
      if (!kept) return flaw('NotSticky', `${before.name} keeps its name and its address for life`)
      continue
    }
    const grave = retired.get(before.nodeId)
    if (grave === undefined || grave.name !== before.name || grave.address4 !== before.address4) {
      return flaw('NodeLost', `${before.name} is neither assigned nor retired`)
    }
    if (before.role !== 'worker')
      return flaw('RetiredServer', `${before.name} is a server: it leaves the control plane first`)
    if (!proven.has(before.nodeId))
      return flaw('RetiredUnproven', `no majority of the voters attests that ${before.name} is gone`)
    const heir = holder.get(before.address4)
    if (heir !== undefined)
      return flaw('AddressReused', `${before.address4} is free only once its retirement is certified`)
  }
  const known = new Set([...parent.body.assignments, ...parent.body.retired].map((one) => one.nodeId))
  const invented = plan.body.retired.find((one) => !known.has(one.nodeId))
  return invented === undefined ? undefined : flaw('RetiredUnknown', `${invented.nodeId} was never in a plan`)
}
