import type { Crypto } from '../model/crypto.ts'
import type { Hash } from '../model/ids.ts'
import { sortedIds } from '../model/ids.ts'
import { evidenceMax, votersMax } from '../model/limits.ts'
import type { ClusterPlan } from '../model/plan.ts'
import { bodyHash } from '../model/plan-hash.ts'
import {
  provenDeaths,
  readyProof,
  serversOf,
  sortedEvidence,
  stalledProof,
  statementsOf,
} from './evidence.ts'
import { judgeControlPlane } from './judge-control-plane.ts'
import { judgeRoster } from './judge-roster.ts'
import type { Flaw } from './judge-rule.ts'
import { flaw, same } from './judge-rule.ts'
import { checkSpecChange, specDigest } from './spec-change.ts'

/** Whether a voter may accept a plan on top of its parent. */
export type PlanVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly message: string }

/**
 * Judges a plan by its parent and by the signed evidence in it alone, never by a clock or a view: what one
 * voter accepts every voter accepts, now and later.
 * @param parentHash hash of the parent's header; empty for the charter
 */
export function judge(
  parent: ClusterPlan | undefined,
  parentHash: Hash | '',
  plan: ClusterPlan,
  crypto: Crypto,
): PlanVerdict {
  const { digest, verify, verifyOperator } = crypto
  const from = [parent, parentHash, digest, verify, verifyOperator]
  const before = judged.get(plan)
  if (before?.from.every((value, index) => value === from[index]) === true) return before.verdict
  const verdict = judgeAnew(parent, parentHash, plan, crypto)
  judged.set(plan, { from, verdict })
  return verdict
}

/** Plans never change, and are judged again and again: by each who asks, and in a simulator by each of its machines. */
const judged = new WeakMap<
  ClusterPlan,
  { readonly from: readonly unknown[]; readonly verdict: PlanVerdict }
>()

function judgeAnew(
  parent: ClusterPlan | undefined,
  parentHash: Hash | '',
  plan: ClusterPlan,
  crypto: Crypto,
): PlanVerdict {
  const found =
    judgeShape(plan, crypto) ??
    judgeEvidence(plan, crypto) ??
    (parent === undefined ? judgeCharter(plan) : judgeDescent(parent, parentHash, plan)) ??
    judgeRoster(parent, plan, crypto) ??
    (parent === undefined
      ? undefined
      : (judgeSpec(parent, plan, crypto) ??
        judgePhase(parent, plan) ??
        judgeVoters(parent, plan) ??
        judgeControlPlane(parent, plan)))
  return found === undefined ? { ok: true } : { ok: false, ...found }
}

/** What can be said of a plan without its parent. */
function judgeShape(plan: ClusterPlan, crypto: Crypto): Flaw | undefined {
  const { header, body } = plan
  const { voters, grant, phase } = header
  if (header.bodyHash !== bodyHash(body, crypto))
    return flaw('BodyHash', 'the body is not the one that the header names')
  if (!same(voters, sortedIds(voters)))
    return flaw('VotersNotSorted', 'voters are not sorted, or one is named twice')
  const odd = voters.length % 2 === 1 && voters.length <= votersMax
  if (!odd && voters.length !== 2)
    return flaw('VoterCount', `${voters.length} voters: an odd number up to ${votersMax}, or 2`)
  const assigned = new Set(body.assignments.map((one) => one.nodeId))
  const stranger = voters.find((id) => !assigned.has(id))
  if (stranger !== undefined) return flaw('VoterNotAssigned', `voter ${stranger} has no assignment`)
  if ((grant === null) !== (phase === 'chartered'))
    return flaw('GrantPhase', `phase ${phase} with the wrong grant`)
  if ((body.caHash !== '') !== (phase === 'active'))
    return flaw('CaHashPhase', 'the CA is pinned from `active` on, and not before')
  if (header.openChange !== null && phase !== 'active')
    return flaw('ChangePhase', 'the control plane changes only once active')
  return undefined
}

/** Every statement is genuine, about this chain, and named once. */
function judgeEvidence(plan: ClusterPlan, crypto: Crypto): Flaw | undefined {
  const { evidence, operatorKey } = plan.body
  const { networkId, epoch, clusterId } = plan.header
  if (evidence.length > evidenceMax) return flaw('EvidenceCount', `more than ${evidenceMax} statements`)
  if (!same(evidence, sortedEvidence(evidence, crypto)))
    return flaw('EvidenceOrder', 'evidence is not sorted, or repeated')
  for (const signed of evidence) {
    const { statement, signer, signature } = signed
    if (statement.kind === 'without')
      return flaw('EvidenceKind', 'an order about the birth is no evidence for a plan')
    if (statement.kind === 'moved' || statement.kind === 'silent' || statement.kind === 'keep')
      return flaw(
        'EvidenceKind',
        `a ${statement.kind} statement is about one machine, and no evidence for a plan`,
      )
    if (statement.networkId !== networkId || statement.epoch !== epoch || statement.clusterId !== clusterId) {
      return flaw('EvidenceForeign', `a ${statement.kind} statement of another cluster or epoch`)
    }
    const genuine =
      statement.kind === 'spec'
        ? operatorKey !== 'none' &&
          signer === operatorKey &&
          crypto.verifyOperator(operatorKey, 'muster/order/1', statement, signature)
        : crypto.verify(signer, 'muster/statement/1', statement, signature)
    if (!genuine) return flaw('EvidenceForged', `a ${statement.kind} statement that ${signer} did not sign`)
  }
  return undefined
}

function judgeCharter(plan: ClusterPlan): Flaw | undefined {
  const { header, body } = plan
  if (header.generation !== 0 || header.parentHash !== '' || header.epoch !== 0) {
    return flaw('NotACharter', 'a charter is generation 0 of epoch 0 and has no parent')
  }
  if (header.phase !== 'chartered') return flaw('PhaseOrder', `a charter is chartered, not ${header.phase}`)
  if (header.clusterId === '') return flaw('ClusterId', 'a charter names its cluster')
  if (body.retired.length > 0 || body.evidence.length > 0 || body.operatorSerial !== 0) {
    return flaw('NotACharter', 'nothing has happened before a charter')
  }
  return judgeEarlyRoles(plan)
}

function judgeDescent(parent: ClusterPlan, parentHash: Hash | '', plan: ClusterPlan): Flaw | undefined {
  const { header, body } = plan
  const from = parent.header
  if (header.generation !== from.generation + 1) {
    return flaw('Generation', `generation ${header.generation} cannot follow ${from.generation}`)
  }
  if (header.parentHash !== parentHash) return flaw('ParentHash', 'the plan names another parent')
  if (
    header.networkId !== from.networkId ||
    header.clusterId !== from.clusterId ||
    header.epoch !== from.epoch
  ) {
    return flaw('Identity', 'network, cluster and epoch are carried unchanged')
  }
  if (body.operatorKey !== parent.body.operatorKey || body.prefix6 !== parent.body.prefix6) {
    return flaw('Frozen', 'the operator key and the IPv6 prefix are fixed by the charter')
  }
  return undefined
}

/** A changed spec is the operator's order, newer than all that were carried out. */
function judgeSpec(parent: ClusterPlan, plan: ClusterPlan, crypto: Crypto): Flaw | undefined {
  const { spec, operatorSerial, evidence } = plan.body
  const changed = specDigest(spec, crypto) !== specDigest(parent.body.spec, crypto)
  if (operatorSerial === parent.body.operatorSerial) {
    return changed ? flaw('SpecUnordered', 'the spec changed without an order of the operator') : undefined
  }
  if (operatorSerial < parent.body.operatorSerial) return flaw('SerialUsed', 'the operator serial went back')
  const order = statementsOf(evidence, 'spec', plan.header).find(
    ({ statement }) =>
      statement.serial === operatorSerial && specDigest(statement.spec, crypto) === specDigest(spec, crypto),
  )
  if (order === undefined) return flaw('SpecUnordered', 'no order of the operator with this serial and spec')
  const verdict = checkSpecChange(parent.body.spec, spec)
  return verdict.allowed ? undefined : flaw('SpecFrozen', verdict.message)
}

/** chartered ─▶ granted ─▶ granted (other team) │ active ─▶ active */
function judgePhase(parent: ClusterPlan, plan: ClusterPlan): Flaw | undefined {
  const from = parent.header
  const to = plan.header
  const step = `${from.phase}>${to.phase}`
  const steps = [
    'chartered>chartered',
    'chartered>granted',
    'granted>granted',
    'granted>active',
    'active>active',
  ]
  if (!steps.includes(step)) return flaw('PhaseOrder', `no plan goes from ${from.phase} to ${to.phase}`)
  if (step === 'granted>active') return judgeActivation(parent, plan)
  if (step === 'active>active') {
    if (plan.body.caHash !== parent.body.caHash)
      return flaw('CaHashChanged', 'the CA of an active cluster is fixed')
    return same(to.grant, from.grant)
      ? undefined
      : flaw('GrantChanged', 'the grant of an active cluster is fixed')
  }
  if (to.grant !== null && !same(to.grant, from.grant)) {
    if (to.grant.number !== to.generation)
      return flaw('GrantNumber', 'a grant has the number of the generation that made it')
    const [initialiser] = to.grant.team
    if (initialiser === undefined || !to.voters.includes(initialiser)) {
      return flaw('InitialiserNotVoter', 'the initialiser is a voter')
    }
    if (new Set(to.grant.team).size !== to.grant.team.length || ![1, 3].includes(to.grant.team.length)) {
      return flaw('TeamSize', 'a team is the initialiser alone or three servers')
    }
    if (from.grant !== null && stalledProof(plan.body.evidence, from) === undefined) {
      return flaw('GrantNotStalled', 'a grant is revoked only on the word of a majority of the voters')
    }
  }
  return judgeEarlyRoles(plan)
}

/** Before `active` the control plane is the team; in the charter it is a forecast of it. */
function judgeEarlyRoles(plan: ClusterPlan): Flaw | undefined {
  const servers = serversOf(plan.body.assignments).map((one) => one.nodeId)
  const { grant } = plan.header
  if (grant === null) {
    return servers.length === 0 || servers.length % 2 === 1
      ? undefined
      : flaw('EvenControlPlane', `${servers.length} servers are an even number`)
  }
  return same(sortedIds(servers), sortedIds(grant.team))
    ? undefined
    : flaw('TeamRoles', 'before `active` the control plane is the team')
}

function judgeActivation(parent: ClusterPlan, plan: ClusterPlan): Flaw | undefined {
  const { header, body } = plan
  if (!same(header.grant, parent.header.grant))
    return flaw('GrantChanged', 'activation carries the grant unchanged')
  const unchanged =
    same(header.voters, parent.header.voters) &&
    same(body.assignments, parent.body.assignments) &&
    same(body.retired, parent.body.retired) &&
    body.operatorSerial === parent.body.operatorSerial &&
    header.openChange === null
  if (!unchanged) return flaw('ActivationOnly', 'activation changes nothing but the phase and the CA')
  const ready = readyProof(body.evidence, parent.header, body.assignments)
  if (ready === undefined)
    return flaw('NotReady', 'the whole team has not signed that it is ready with one CA and one etcd')
  return ready[0]?.statement.caHash === body.caHash
    ? undefined
    : flaw('CaHash', 'the plan pins another CA than the team made')
}

/** Voters leave on proof; one living voter may make room, so that their number stays odd. */
function judgeVoters(parent: ClusterPlan, plan: ClusterPlan): Flaw | undefined {
  const proven = provenDeaths(plan.body.evidence, parent.header)
  const unproven = parent.header.voters.filter((id) => !plan.header.voters.includes(id) && !proven.has(id))
  return unproven.length <= 1
    ? undefined
    : flaw('VotersDropped', `${unproven.length} voters are dropped without proof that they are dead`)
}
