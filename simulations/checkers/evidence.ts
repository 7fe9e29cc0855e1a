import type { Crypto } from '../../src/core/model/crypto.ts'
import type { CertifiedHeader, CertifiedPlan, ClusterPlan, PlanHeader } from '../../src/core/model/plan.ts'
import type { Write } from '../../src/core/ports.ts'
import type { World } from '../world/world.ts'
import type { Watcher } from '../world/watcher.ts'
import type { Invariant } from '../run/result.ts'
import type { Violations } from './violations.ts'

/**
 * S6, S7, S8: what a certified plan may change, counted anew and not by the production code. Nobody loses a role, a vote
 * or an address for silence alone: a majority of the voters signed that it is dead. A server may also lose its role by
 * its own word that its data are gone. A removal names a member of etcd, and a control plane at rest is odd.
 */
export function evidenceChecker(world: () => World, violations: Violations): Watcher {
  const seen = new Set<string>()
  return {
    persisting: (machine, writes) => {
      for (const write of writes) {
        if (write.op === 'append' || write.key !== 'plan') continue
        const { plan } = write.value as CertifiedPlan
        if (!isOnDisk(plan.header, machine.disk.document?.chain ?? [], writes)) {
          const text = `holds generation ${plan.header.generation}, and its header is not on the disk`
          violations.add('S11', world().timeline.now, machine.index, text)
        }
        const before = (machine.disk.document?.values.plan as CertifiedPlan | undefined)?.plan
        const { clusterId, generation, parentHash, bodyHash } = plan.header
        if (before?.header.clusterId !== clusterId || before.header.generation !== generation - 1) continue
        const key = `${parentHash} ${bodyHash}`
        if (seen.has(key)) continue
        seen.add(key)
        const flaws = [...flawsOf(before, plan), ...forgeries(plan, machine.identity?.crypto)]
        for (const [invariant, text] of flaws) {
          violations.add(invariant, world().timeline.now, machine.index, `generation ${generation}: ${text}`)
        }
      }
    },
  }
}

/** Evidence that nobody signed. */
function forgeries(
  { body }: ClusterPlan,
  crypto: Crypto | undefined,
): readonly (readonly [Invariant, string])[] {
  return body.evidence.flatMap(
    ({ statement, signer, signature }): readonly (readonly [Invariant, string])[] => {
      const isOrder = statement.kind === 'spec' || statement.kind === 'without' || statement.kind === 'keep'
      if (isOrder || crypto?.verify(signer, 'muster/statement/1', statement, signature) !== false) return []
      return [['S9', `its evidence has a statement (${statement.kind}) that its signer never signed`]]
    },
  )
}

function isOnDisk(header: PlanHeader, chain: readonly unknown[], writes: readonly Write[]): boolean {
  const appended = writes.flatMap((write) => (write.op === 'append' ? [write.value] : []))
  const last = [...chain, ...appended].at(-1) as CertifiedHeader | undefined
  return last?.header.generation === header.generation && last.header.bodyHash === header.bodyHash
}

function flawsOf(before: ClusterPlan, after: ClusterPlan): readonly (readonly [Invariant, string])[] {
  const flaws: [Invariant, string][] = []
  const name = (id: string): string => before.body.assignments.find((one) => one.nodeId === id)?.name ?? id
  const isDead = (id: string): boolean => attests(before, after, id)
  const assigned = new Set(after.body.assignments.map((one) => one.nodeId))
  for (const { nodeId } of before.body.assignments) {
    if (!assigned.has(nodeId) && !isDead(nodeId))
      flaws.push(['S8', `${name(nodeId)} is retired on the word of no majority`])
  }
  if (before.header.phase !== 'active') return flaws
  const isGone = (id: string): boolean => isDead(id) || confesses(before, after, id)
  const [was, is] = [serversOf(before), serversOf(after)]
  const wanted = after.body.spec.controlPlane
  const surplus = was.length > wanted - ((wanted + 1) % 2)
  for (const id of was) {
    const isOver = id === before.header.openChange?.node && isGivenUp(before, after)
    if (!is.includes(id) && !surplus && !isGone(id) && !isOver)
      flaws.push(['S6', `${name(id)} loses its role on the word of no majority`])
  }
  const { openChange } = after.header
  if (openChange?.kind === 'remove' && openChange.etcdMemberId === '')
    flaws.push(['S6', `the removal of ${name(openChange.node)} names no member of etcd`])
  const open = before.header.openChange
  const goesOn = openChange?.node === open?.node && openChange?.kind === open?.kind
  const isCarriedOut = listsServers(before, after) || listsServersAndLeftover(before, after)
  const isOvertaken =
    open?.kind === 'remove' &&
    openChange?.kind === 'remove' &&
    was.includes(openChange.node) &&
    isGone(openChange.node)
  if (open !== null && !goesOn && !isGivenUp(before, after) && !isCarriedOut && !isOvertaken)
    flaws.push(['S6', `the change of ${name(open.node)} ends before etcd has carried it out`])
  const gaveUp = before.header.openChange?.kind === 'add' && is.length < was.length
  const stayed = before.header.openChange === null && is.length === was.length
  if (openChange === null && is.length % 2 === 0 && !gaveUp && !stayed)
    flaws.push(['S7', `${is.length} servers, and no change is open`])
  return flaws
}

function serversOf(plan: ClusterPlan): readonly string[] {
  return plan.body.assignments.flatMap((one) => (one.role === 'control-plane' ? one.nodeId : []))
}

/** Whether an addition ends because its node, or another server that etcd would need for it, is dead. */
function isGivenUp(before: ClusterPlan, after: ClusterPlan): boolean {
  const isOver = before.header.openChange?.kind === 'add' && after.header.openChange === null
  return isOver && serversOf(before).some((id) => attests(before, after, id) || confesses(before, after, id))
}

/** Whether the evidence of `after` shows that etcd's voters are the servers of `before`, and nobody else. */
function listsServers(before: ClusterPlan, { body }: ClusterPlan): boolean {
  const wanted = before.body.assignments
    .flatMap((one) => (one.role === 'control-plane' ? one.address4 : []))
    .toSorted()
    .join()
  return body.evidence.some(({ statement }) => {
    if (statement.kind !== 'members' || statement.generation !== before.header.generation) return false
    if (statement.members.some((member) => member.learner)) return false
    const listed = statement.members.map((member) => member.address).toSorted()
    return listed.join() === wanted
  })
}

/**
 * Whether a removal of a worker's member follows at once: the list holds every server of `before` as a voter, that member, and
 * no longer the one that was to be removed.
 */
function listsServersAndLeftover(before: ClusterPlan, { header, body }: ClusterPlan): boolean {
  const [open, next] = [before.header.openChange, header.openChange]
  if (next?.kind !== 'remove' || serversOf(before).includes(next.node)) return false
  const addresses = before.body.assignments.flatMap((one) =>
    one.role === 'control-plane' ? one.address4 : [],
  )
  return body.evidence.some(({ statement }) => {
    if (statement.kind !== 'members' || statement.generation !== before.header.generation) return false
    const voters = statement.members.filter((member) => !member.learner)
    return (
      addresses.every((address) => voters.some((member) => member.address === address)) &&
      statement.members.some((member) => member.id === next.etcdMemberId) &&
      !(open?.kind === 'remove' && statement.members.some((member) => member.id === open.etcdMemberId))
    )
  })
}

/** Whether a server says itself in `after` that the data of its member of etcd are gone. */
function confesses({ header }: ClusterPlan, { body }: ClusterPlan, subject: string): boolean {
  return body.evidence.some(
    ({ statement, signer }) =>
      statement.kind === 'lost' && signer === subject && statement.generation === header.generation,
  )
}

/** Whether a majority of the voters of `before` signed in `after` that this node is dead. */
function attests({ header }: ClusterPlan, { body }: ClusterPlan, subject: string): boolean {
  const signers = body.evidence.flatMap(({ statement, signer }) =>
    statement.kind === 'dead' && statement.subject === subject ? signer : [],
  )
  const voters = header.voters.filter((voter) => signers.includes(voter))
  return 2 * voters.length > header.voters.length
}
