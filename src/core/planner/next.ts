import { shortId } from '../model/ids.ts'
import type { NodeId } from '../model/ids.ts'
import { membersById } from '../model/member.ts'
import { retiredMax, votersMax } from '../model/limits.ts'
import type { ClusterPlan, NodeAssignment, OpenChange, PlanBody, Retired } from '../model/plan.ts'
import type { ClusterSpec } from '../model/spec.ts'
import type { SignedStatement } from '../model/statement.ts'
import type { NextInput, Planned } from './context.ts'
import { hasHalted, isPresent, isStable } from './context.ts'
import type { HeaderChange } from './draft.ts'
import { childPlan, withTeam } from './draft.ts'
import type { DeathProof, SignedOf } from './evidence.ts'
import {
  evidenceFits,
  isMemberOf,
  listReaders,
  lostMembers,
  memberLists,
  provenDeaths,
  readyProof,
  sortedEvidence,
  stalledProof,
} from './evidence.ts'
import type { Candidate } from './fitness.ts'
import { candidate, serverObstacle } from './fitness.ts'
import { enrol } from './newcomers.ts'
import { nextRoles } from './roles.ts'
import { pendingSpec } from './spec-change.ts'
import { chooseOtherTeam, chooseTeam, teamMax } from './team.ts'
import { nextVoters, voterForInitialiser } from './voters.ts'

/** A plan in the making: each step takes the draft and returns a better one. */
interface Draft {
  readonly header: HeaderChange
  readonly spec: ClusterSpec
  readonly operatorSerial: number
  readonly assignments: readonly NodeAssignment[]
  readonly retired: readonly Retired[]
  readonly voters: readonly NodeId[]
  readonly evidence: readonly SignedStatement[]
  /** What this plan does; a draft without any is no plan. */
  readonly done: readonly string[]
  /** What cannot be done yet, and why. */
  readonly waits: readonly string[]
}

/** Everything the steps share: the input and what was read out of it once. */
interface Desk extends NextInput {
  readonly plan: ClusterPlan
  readonly deaths: ReadonlyMap<NodeId, DeathProof>
  readonly lost: ReadonlyMap<NodeId, SignedOf<'lost'>>
  readonly present: (id: NodeId) => boolean
  /** It says of itself that it halted and waits for a person. */
  readonly halted: (id: NodeId) => boolean
  /** It said goodbye. */
  readonly left: (id: NodeId) => boolean
  /** Silent, and not held for dead yet: that lasts for a few probes only. */
  readonly suspected: (id: NodeId) => boolean
  readonly stable: (id: NodeId) => boolean
  readonly canServe: (id: NodeId) => boolean
  readonly candidateOf: (id: NodeId) => Candidate
}

/**
 * The plan that should follow the certified one, or nothing, with reasons. Equal input gives an equal plan,
 * whatever the order of members and statements. The first that applies:
 * activate · revoke · grant; and with the last two, or alone: operator's orders, retirements, the control
 * plane's one change, newcomers, voters.
 */
export function planNext(input: NextInput): Planned {
  const desk = prepare(input)
  const { plan } = desk
  if (plan.header.phase === 'dissolved') return { kind: 'nothing', reasons: ['This charter is dissolved.'] }
  const activation = activate(desk)
  if (activation !== undefined) return activation

  let draft: Draft = {
    header: {},
    spec: plan.body.spec,
    operatorSerial: plan.body.operatorSerial,
    assignments: plan.body.assignments,
    retired: plan.body.retired,
    voters: plan.header.voters,
    evidence: [],
    done: [],
    waits: [],
  }
  draft = takeOrder(desk, draft)
  if (plan.header.phase === 'active') draft = controlPlane(desk, draft)
  draft = roster(desk, draft)
  if (plan.header.phase !== 'active') draft = grant(desk, draft)
  return finish(desk, draft)
}

function prepare(input: NextInput): Desk {
  const { plan } = input.parent
  const members = membersById(input.view)
  const { clusterId } = plan.header
  const { promoteAfterMs } = plan.body.spec.timers
  // A statement about an earlier life is refuted by a later one, and by the fact that we hear the node.
  const deaths = new Map(
    [...provenDeaths(input.statements, plan.header)].filter(([id, proof]) => {
      const member = members.get(id)
      if (member === undefined) return true
      return member.record.incarnation <= proof.incarnation && !isPresent(member)
    }),
  )
  const factsOf = (id: NodeId) => members.get(id)?.record.facts
  const candidates = new Map<NodeId, Candidate>()
  const candidateOf = (id: NodeId): Candidate => {
    const known = candidates.get(id)
    if (known !== undefined) return known
    const made = candidate(id, factsOf(id), plan.body.spec.k3s.version, clusterId, input.crypto)
    candidates.set(id, made)
    return made
  }
  return {
    ...input,
    plan,
    deaths,
    // One whose data are there again says something else of itself.
    lost: new Map(
      [...lostMembers(input.statements, plan.header)].filter(([id]) => hasHalted(members.get(id))),
    ),
    halted: (id) => hasHalted(members.get(id)),
    present: (id) => isPresent(members.get(id)),
    left: (id) => members.get(id)?.record.left === true,
    suspected: (id) => members.get(id)?.liveness === 'suspect',
    stable: (id) => isStable(members.get(id), input.now, promoteAfterMs),
    canServe: (id) => {
      const facts = factsOf(id)
      return facts !== undefined && !hasHalted(members.get(id)) && serverObstacle(facts) === undefined
    },
    candidateOf,
  }
}

/** `active` comes before all else and changes nothing else, so that nothing competes with it. */
function activate(desk: Desk): Planned | undefined {
  const { plan, crypto } = desk
  if (plan.header.phase !== 'granted') return undefined
  const ready = readyProof(desk.statements, plan.header, plan.body.assignments)
  const caHash = ready?.[0]?.statement.caHash
  if (ready === undefined || caHash === undefined) return undefined
  const body: PlanBody = { ...plan.body, caHash, evidence: sortedEvidence(ready, crypto) }
  return {
    kind: 'propose',
    plan: childPlan(plan, { phase: 'active' }, body, crypto),
    why: 'The whole team is ready: the cluster becomes active.',
  }
}

function takeOrder(desk: Desk, draft: Draft): Draft {
  const { order, reasons } = pendingSpec(desk.plan, desk.statements)
  if (order === undefined) return { ...draft, waits: [...draft.waits, ...reasons] }
  return {
    ...draft,
    spec: order.statement.spec,
    operatorSerial: order.statement.serial,
    evidence: [...draft.evidence, order],
    done: [...draft.done, `The operator's order ${order.statement.serial} changes the spec.`],
    waits: [...draft.waits, ...reasons],
  }
}

/** The first grant, or another one when a majority of the voters sees the present one stalled. */
function grant(desk: Desk, draft: Draft): Draft {
  const { plan } = desk
  const former = plan.header.grant
  const stalled = former === null ? [] : stalledProof(desk.statements, plan.header)
  if (stalled === undefined) {
    const initialiser = former?.team[0] ?? ''
    return {
      ...draft,
      waits: [...draft.waits, `Waiting for the team of ${shortId(initialiser)} to be ready.`],
    }
  }
  const eligible = draft.assignments
    .map((assignment) => assignment.nodeId)
    .filter((id) => desk.present(id) && desk.canServe(id))
    .map(desk.candidateOf)
  const choice = { eligible, voters: draft.voters, controlPlane: draft.spec.controlPlane }
  const chosenBefore = draft.assignments
    .filter((one) => one.role === 'control-plane')
    .map((one) => one.nodeId)
  const doubtful = former === null ? chosenBefore.filter(desk.suspected) : []
  if (doubtful.length > 0 && eligible.length < Math.min(chosenBefore.length, teamMax)) {
    const names = doubtful.map((id) => shortId(id)).join(', ')
    return {
      ...draft,
      waits: [...draft.waits, `Waiting whether ${names}, of the first team, can still be heard.`],
    }
  }
  const team =
    former === null ? chooseTeam({ ...choice, chosenBefore }) : chooseOtherTeam(choice, former.team)
  if (team === undefined) {
    return { ...draft, waits: [...draft.waits, 'No voter that is alive can run a k3s server.'] }
  }
  const initialiser = shortId(team[0] as NodeId)
  return {
    ...draft,
    header: { ...draft.header, phase: 'granted', grant: { number: plan.header.generation + 1, team } },
    assignments: withTeam(draft.assignments, team),
    evidence: [...draft.evidence, ...stalled],
    done: [
      ...draft.done,
      former === null
        ? `${initialiser} may make the cluster, with a team of ${team.length}.`
        : `The grant of ${shortId(former.team[0] ?? '')} is revoked; ${initialiser} may make the cluster.`,
    ],
  }
}

function controlPlane(desk: Desk, draft: Draft): Draft {
  const { plan, candidateOf } = desk
  // Found out when it is asked for: a settled control plane asks for none.
  let spares: readonly Candidate[] | undefined
  const lists = memberLists(desk.statements, plan.header, plan.body)
  const step = nextRoles({
    parent: plan,
    spec: draft.spec,
    assignments: draft.assignments,
    deaths: desk.deaths,
    lost: desk.lost,
    lists: lists.filter(({ signer }) => desk.present(signer)),
    leaving: new Set(listReaders(desk.statements, plan.header).filter(desk.left)),
    etcdAnswers: desk.etcd === undefined || desk.etcd.members !== undefined || !servesHere(desk),
    inGrace: desk.now < desk.graceUntil,
    isPresent: desk.present,
    hasHalted: desk.halted,
    candidateOf,
    get spares() {
      spares ??= draft.assignments
        .filter((one) => one.role === 'worker' && desk.stable(one.nodeId) && desk.canServe(one.nodeId))
        .map((one) => candidateOf(one.nodeId))
      return spares
    },
  })
  if (!step.changed) return { ...draft, waits: [...draft.waits, ...step.words] }
  return {
    ...draft,
    header: { ...draft.header, openChange: step.openChange },
    assignments: step.assignments,
    evidence: [...draft.evidence, ...step.evidence],
    done: [...draft.done, ...step.words],
  }
}

/** Whether etcd should run on this node. One that halted sees as little of it as a worker, and that says nothing of etcd. */
function servesHere({ plan, self, halted }: Desk): boolean {
  const own = plan.body.assignments.find((one) => one.nodeId === self)
  return own?.role === 'control-plane' && !halted(self)
}

/** Leavers, newcomers and voters. A voter leaves only if the others can go on without it. */
function roster(desk: Desk, draft: Draft): Draft {
  const retired = replaceVoters(desk, welcome(desk, retire(desk, draft)))
  const assigned = new Set(retired.assignments.map((one) => one.nodeId))
  const stuck = retired.voters.filter((id) => !assigned.has(id))
  if (stuck.length === 0) return retired
  const staying = replaceVoters(desk, welcome(desk, draft))
  const words = `${stuck.map(shortId).join(', ')} cannot leave yet: too few other voters are alive.`
  return { ...staying, waits: [...staying.waits, words] }
}

/** Workers that said goodbye, and whose end a majority of the voters attests. A machine that is off keeps its place. */
function retire(desk: Desk, draft: Draft): Draft {
  const { plan } = desk
  const openChange = openChangeOf(desk, draft)
  const lists = memberLists(desk.statements, plan.header, plan.body)
  const listed = lists.flatMap(({ statement }) => statement.members)
  let result = draft
  for (const leaver of plan.body.assignments) {
    const proof = desk.deaths.get(leaver.nodeId)
    if (!desk.left(leaver.nodeId) || proof === undefined) continue
    const now = draft.assignments.find((one) => one.nodeId === leaver.nodeId)
    // A former server stays until etcd no longer lists it: an address in use is not free.
    const free = now?.role === 'worker' && leaver.role === 'worker' && openChange?.node !== leaver.nodeId
    if (!free) continue
    if (listed.some((member) => isMemberOf(member, leaver))) continue
    // It may have been a server under an earlier plan: that nobody has looked yet is no sign that etcd has let go of it.
    if (plan.header.phase === 'active' && lists.length === 0) {
      const wait = `${leaver.name} leaves as soon as a server has read etcd's member list.`
      result = { ...result, waits: [...result.waits, wait] }
      continue
    }
    if (!evidenceFits(result.evidence.length + proof.statements.length)) break
    const { nodeId, name, address4 } = leaver
    result = {
      ...result,
      assignments: result.assignments.filter((one) => one.nodeId !== nodeId),
      retired: [...result.retired, { nodeId, name, address4, reason: 'left the cluster' }].slice(-retiredMax),
      evidence: [...result.evidence, ...proof.statements],
      done: [...result.done, `${name} has left; its address ${address4} becomes free.`],
    }
  }
  return result
}

function openChangeOf(desk: Desk, draft: Draft): OpenChange | null {
  return draft.header.openChange === undefined ? desk.plan.header.openChange : draft.header.openChange
}

/** Everybody who waits is served in one plan. */
function welcome(desk: Desk, draft: Draft): Draft {
  const { plan } = desk
  const assigned = new Set(draft.assignments.map((one) => one.nodeId))
  const newcomers = desk.view.members
    .filter((member) => isPresent(member) && member.record.networkId === desk.networkId)
    .map((member) => member.record.nodeId)
    .filter((id) => !assigned.has(id))
  if (newcomers.length === 0) return draft
  const enrolment = enrol(
    {
      assignments: draft.assignments,
      retired: draft.retired,
      held: plan.body.assignments.filter((one) => !assigned.has(one.nodeId)).map((one) => one.address4),
      prefix4: draft.spec.addresses.ipv4,
      prefix6: plan.body.prefix6,
    },
    newcomers,
    desk.view,
    desk.crypto,
  )
  const waits =
    enrolment.unserved.length === 0
      ? []
      : [
          `${draft.spec.addresses.ipv4} has no address left for ${enrolment.unserved.map(shortId).join(', ')}.`,
        ]
  const done =
    enrolment.added.length === 0
      ? []
      : [
          `${enrolment.added.length === 1 ? 'A node joins' : `${enrolment.added.length} nodes join`}: ${enrolment.added.map(shortId).join(', ')}.`,
        ]
  return {
    ...draft,
    assignments: enrolment.assignments,
    retired: enrolment.retired,
    done: [...draft.done, ...done],
    waits: [...draft.waits, ...waits],
  }
}

function replaceVoters(desk: Desk, draft: Draft): Draft {
  const { plan, candidateOf } = desk
  const { voters: current, clusterId, generation, phase } = plan.header
  const retired = new Set(current.filter((id) => !draft.assignments.some((one) => one.nodeId === id)))
  const dead = new Set(desk.now < desk.graceUntil ? [] : current.filter((id) => desk.deaths.has(id)))
  const canInitialise = phase !== 'chartered' || current.some((id) => desk.present(id) && desk.canServe(id))
  // As many as there may be, all of them staying: nobody else need be looked at.
  if (current.length === votersMax && retired.size + dead.size === 0 && canInitialise) return draft
  const assigned = new Set(draft.assignments.map((one) => one.nodeId))
  const acknowledged = desk.view.members
    .filter(({ record }) => record.plan.clusterId === clusterId && record.plan.generation >= generation)
    .map(({ record }) => record.nodeId)
  const spares = acknowledged
    .filter((id) => assigned.has(id) && !current.includes(id) && desk.stable(id))
    .map(candidateOf)
  const change = nextVoters({ current, dead, retired, candidateOf, isPresent: desk.present, spares })
  let { voters } = change
  let why = 'The voters change'
  if (phase === 'chartered' && !voters.some((id) => desk.present(id) && desk.canServe(id))) {
    const swapped = voterForInitialiser(
      voters,
      candidateOf,
      spares.filter((one) => desk.canServe(one.id) && !voters.includes(one.id)),
    )
    if (swapped !== undefined) {
      voters = swapped
      why = 'A machine that can make the cluster becomes a voter'
    }
  }
  const joined = voters.filter((id) => !current.includes(id))
  const gone = current.filter((id) => !voters.includes(id))
  if (joined.length === 0 && gone.length === 0) return draft
  const proofs = gone.flatMap((id) => desk.deaths.get(id)?.statements ?? [])
  if (!evidenceFits(draft.evidence.length + proofs.length)) return draft
  const detail = [...joined.map((id) => `+${shortId(id)}`), ...gone.map((id) => `-${shortId(id)}`)].join(' ')
  return {
    ...draft,
    voters,
    header: { ...draft.header, voters },
    evidence: [...draft.evidence, ...proofs],
    done: [...draft.done, `${why}: ${detail}.`],
  }
}

function finish(desk: Desk, draft: Draft): Planned {
  if (draft.done.length === 0) {
    return { kind: 'nothing', reasons: draft.waits.length > 0 ? draft.waits : ['All is as it should be.'] }
  }
  const body: PlanBody = {
    ...desk.plan.body,
    spec: draft.spec,
    operatorSerial: draft.operatorSerial,
    assignments: draft.assignments,
    retired: draft.retired,
    evidence: sortedEvidence(draft.evidence, desk.crypto),
  }
  return {
    kind: 'propose',
    plan: childPlan(desk.plan, draft.header, body, desk.crypto),
    why: draft.done.join(' '),
  }
}
