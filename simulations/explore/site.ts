import { certify } from '../../src/core/consensus/certificate.ts'
import type { Chain } from '../../src/core/consensus/chain.ts'
import { emptyChain, extendChain, nextElectorate } from '../../src/core/consensus/chain.ts'
import { voteClaim } from '../../src/core/consensus/electorate.ts'
import { charterTerms } from '../../src/core/consensus/terms.ts'
import type { NodeId } from '../../src/core/model/ids.ts'
import { invariant } from '../../src/core/model/invariant.ts'
import type { MemberView } from '../../src/core/model/member.ts'
import type { ClusterPlan, PlanBody } from '../../src/core/model/plan.ts'
import { planHash } from '../../src/core/model/plan-hash.ts'
import type { BootstrapSetting } from '../../src/core/model/spec.ts'
import { defaultSpec } from '../../src/core/model/spec.ts'
import type { EtcdMember, SignedStatement, Statement } from '../../src/core/model/statement.ts'
import { planCharter } from '../../src/core/planner/charter.ts'
import type { HeaderChange } from '../../src/core/planner/draft.ts'
import { childPlan, withTeam } from '../../src/core/planner/draft.ts'
import { sortedEvidence } from '../../src/core/planner/evidence.ts'
import { taggedCrypto } from './tagged-crypto.ts'

// Plans, statements and chains of a small site, made by the production planner's own parts, so that the production
// judge finds them good unless a scenario wants them bad. Machines are called a, b, c, …

export const networkId = 'f'.repeat(64)
export const specHash = 'e'.repeat(64)
const crypto = taggedCrypto('')

/** What a machine knows of another one that is well. */
export function memberOf(nodeId: NodeId, bootstrap: BootstrapSetting): MemberView {
  return {
    liveness: 'alive',
    since: 0,
    record: {
      nodeId,
      networkId,
      incarnation: 1,
      sequence: 1,
      bootNonce: '',
      birth: '',
      facts: {
        hostname: `host-${nodeId}`,
        machineId: '',
        arch: 'x64',
        cpus: 4,
        memoryMiB: 8_192,
        zone: '',
        roles: ['control-plane', 'worker'],
        durable: true,
        version: '',
        k3sVersion: 'v1',
        localNetworks: [],
      },
      phase: 'waiting',
      note: '',
      left: false,
      endpoints: [],
      overlayPort: 0,
      overlayKey: '',
      bootstrap,
      specHash,
      specKeys: {},
      plan: { clusterId: '', generation: -1, hash: '' },
      etcd: [],
    },
  }
}

/** A charter of these machines; another `clusterId` makes another plan. */
export function charterOf(ids: readonly NodeId[], clusterId: string): ClusterPlan {
  const result = planCharter({
    self: ids[0] ?? '',
    networkId,
    crypto,
    view: { self: ids[0] ?? '', members: ids.map((id) => memberOf(id, { mode: 'auto' })) },
    now: 0,
    graceUntil: 0,
    spec: defaultSpec,
    operatorKey: 'none',
    prefix6: 'fd12:3456:789a:1::/64',
    clusterId,
    promisers: ids,
  })
  invariant(result.kind === 'plan', 'these machines can make a charter')
  return result.plan
}

/** A plan on top of another, with what is different in it. */
export function nextPlan(parent: ClusterPlan, header: HeaderChange, change: Partial<PlanBody>): ClusterPlan {
  const body = { ...parent.body, ...change }
  return childPlan(parent, header, { ...body, evidence: sortedEvidence(body.evidence, crypto) }, crypto)
}

/** The plan that gives the right to make the cluster to this team; the voters saw the former one stall. */
export function grantTo(
  parent: ClusterPlan,
  team: readonly NodeId[],
  evidence: readonly SignedStatement[] = stalled(parent),
): ClusterPlan {
  const grant = { number: parent.header.generation + 1, team }
  const assignments = withTeam(parent.body.assignments, team)
  return nextPlan(parent, { phase: 'granted', grant }, { assignments, evidence })
}

/** The plan that makes the granted cluster the one of this network, on the team's word. */
export function activate(
  parent: ClusterPlan,
  evidence: readonly SignedStatement[] = ready(parent),
): ClusterPlan {
  const caHash = caOf(parent.header.grant?.number ?? 0)
  return nextPlan(parent, { phase: 'active' }, { caHash, evidence })
}

/** The CA of a grant. */
export function caOf(grant: number): string {
  return `ca${grant}`.padStart(64, '0')
}

/** What the voters say of a grant of which they see no progress; nothing where there is none. */
export function stalled(parent: ClusterPlan): readonly SignedStatement[] {
  const { grant, voters } = parent.header
  if (grant === null) return []
  return voters.map((voter) => signed(voter, { kind: 'stalled', ...aboutOf(parent), grant: grant.number }))
}

/** What the whole team says once etcd runs on all of it. */
export function ready(parent: ClusterPlan): readonly SignedStatement[] {
  const { grant } = parent.header
  const team = grant?.team ?? []
  const number = grant?.number ?? 0
  const members = team.map((node) => etcdMember(parent, node, `${number}${node}`))
  return team.map((node) =>
    signed(node, { kind: 'ready', ...aboutOf(parent), grant: number, caHash: caOf(number), members }),
  )
}

/** A member of etcd at this machine's address. */
export function etcdMember(plan: ClusterPlan, node: NodeId, id: string): EtcdMember {
  const address = plan.body.assignments.find((one) => one.nodeId === node)?.address4 ?? ''
  return { id, name: node, address, learner: false }
}

/** The chain that a statement is about. */
export function aboutOf({ header }: ClusterPlan): { networkId: string; epoch: number; clusterId: string } {
  return { networkId: header.networkId, epoch: header.epoch, clusterId: header.clusterId }
}

export function signed(signer: NodeId, statement: Statement): SignedStatement {
  return { statement, signer, signature: taggedCrypto(signer).sign('muster/statement/1', statement) }
}

/** The chain of these plans, each certified by all who may vote, as a node holds it. */
export function chainOf(plans: readonly ClusterPlan[]): Chain {
  let chain = emptyChain
  for (const plan of plans) {
    const electorate = nextElectorate(chain, networkId)
    const charter = electorate.generation === 0
    const voters = charter ? plan.header.voters : electorate.voters
    const terms = charter ? charterTerms({ mode: 'expect', expect: voters.length }, [], []) : null
    const ballot = { number: 0, proposer: voters[0] as NodeId }
    const claim = voteClaim(electorate, planHash(plan.header, crypto), ballot, terms)
    const votes = voters.map((voter) => {
      return [voter, { voter, signature: taggedCrypto(voter).sign('muster/vote/1', claim) }] as const
    })
    const certificate = certify(electorate, ballot, terms, new Map(votes))
    invariant(certificate !== undefined, 'all voters are a quorum')
    const link = { header: plan.header, certificate }
    const extension = extendChain(chain, networkId, [link], { plan, certificate }, crypto)
    invariant(extension.kind === 'extended', 'a certified plan extends the chain')
    chain = extension.chain
  }
  return chain
}
