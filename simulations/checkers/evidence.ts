import type { CertifiedPlan, ClusterPlan } from '../../src/core/model/plan.ts'
import type { Watcher, World } from '../world/world.ts'
import type { Invariant } from '../run/result.ts'
import type { Violations } from './violations.ts'

/**
 * S6, S7, S8: what a certified plan may change, counted anew and not by the production code. Nobody loses a role, a vote
 * or an address for silence alone: a majority of the voters signed that it is dead. A removal names a member of etcd, and
 * a control plane at rest is odd.
 */
export function evidenceChecker(world: () => World, violations: Violations): Watcher {
  const seen = new Set<string>()
  return {
    persisting: (machine, writes) => {
      for (const write of writes) {
        if (write.op === 'append' || write.key !== 'plan') continue
        const { plan } = write.value as CertifiedPlan
        const before = (machine.disk.document?.values.plan as CertifiedPlan | undefined)?.plan
        const { clusterId, generation, parentHash, bodyHash } = plan.header
        if (before?.header.clusterId !== clusterId || before.header.generation !== generation - 1) continue
        const key = `${parentHash} ${bodyHash}`
        if (seen.has(key)) continue
        seen.add(key)
        for (const [invariant, text] of flawsOf(before, plan)) {
          violations.add(invariant, world().timeline.now, machine.index, `generation ${generation}: ${text}`)
        }
      }
    },
  }
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
  const [was, is] = [serversOf(before), serversOf(after)]
  const wanted = after.body.spec.controlPlane
  const surplus = was.length > wanted - ((wanted + 1) % 2)
  for (const id of was) {
    if (!is.includes(id) && !surplus && !isDead(id))
      flaws.push(['S6', `${name(id)} loses its role on the word of no majority`])
  }
  const { openChange } = after.header
  if (openChange?.kind === 'remove' && openChange.etcdMemberId === '')
    flaws.push(['S6', `the removal of ${name(openChange.node)} names no member of etcd`])
  const gaveUp = before.header.openChange?.kind === 'add' && is.length < was.length
  const stayed = before.header.openChange === null && is.length === was.length
  if (openChange === null && is.length % 2 === 0 && !gaveUp && !stayed)
    flaws.push(['S7', `${is.length} servers, and no change is open`])
  return flaws
}

function serversOf(plan: ClusterPlan): readonly string[] {
  return plan.body.assignments.flatMap((one) => (one.role === 'control-plane' ? one.nodeId : []))
}

/** Whether a majority of the voters of `before` signed in `after` that this node is dead. */
function attests({ header }: ClusterPlan, { body }: ClusterPlan, subject: string): boolean {
  const signers = body.evidence.flatMap(({ statement, signer }) =>
    statement.kind === 'dead' && statement.subject === subject ? signer : [],
  )
  const voters = header.voters.filter((voter) => signers.includes(voter))
  return 2 * voters.length > header.voters.length
}
