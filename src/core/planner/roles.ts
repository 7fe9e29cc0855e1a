import type { NodeId } from '../model/ids.ts'
import { shortId } from '../model/ids.ts'
import type { ClusterPlan, NodeAssignment, OpenChange } from '../model/plan.ts'
import type { ClusterSpec } from '../model/spec.ts'
import type { EtcdMember, SignedStatement } from '../model/statement.ts'
import { withRole } from './draft.ts'
import type { DeathProof, SignedOf } from './evidence.ts'
import {
  isDoneButForLeftovers,
  isExactly,
  isMemberOf,
  majorityOf,
  sameMembers,
  serversOf,
} from './evidence.ts'
import type { Candidate } from './fitness.ts'
import { compareCandidates, largestOdd, pickSpread } from './fitness.ts'

// The control plane of an active cluster: one change at a time, always proven by what etcd itself lists.
//
//              list = plan, even, no next                list = plan, odd
//               ┌────────────┐                        ┌──────────────────┐
//               │            ▼                        │                  ▼
//   settled ──open add──▶ adding ──────────────────────┼──────────────▶ settled
//      │                    │  ╲ died: give up ────────┘ (an unfinished member is then removed)
//      │                    │ list = plan: next
//      │                    ▼
//      └──open remove──▶ removing ── list = plan: next addition in the same plan
//                         │    ▲
//                         └────┘ a server died, and etcd removes nobody else before it: its removal takes the place
//
// An addition that was given up may enter etcd all the same. Its member is removed by a change of its own, which follows
// another one as soon as that is carried out: a list would never equal the plan before. So is the member of a removal
// whose place was taken.
//
// A change that leaves an even number of servers stays open until the next one opens in its place, so that
// etcd has an odd size whenever nothing is under way (S7).

/** What is known about the control plane and about those who could join it. */
export interface RolesInput {
  readonly parent: ClusterPlan
  /** The spec of the plan in the making. */
  readonly spec: ClusterSpec
  readonly assignments: readonly NodeAssignment[]
  readonly deaths: ReadonlyMap<NodeId, DeathProof>
  /** Servers that have halted because the data of their etcd member are gone, by their own word. */
  readonly lost: ReadonlyMap<NodeId, SignedOf<'lost'>>
  /** Lists that live servers read under the parent plan. */
  readonly lists: readonly SignedOf<'members'>[]
  /** False when this node itself sees that etcd has no quorum. */
  readonly etcdAnswers: boolean
  readonly inGrace: boolean
  readonly isPresent: (id: NodeId) => boolean
  /** Says of itself that it halted: its member of etcd does not answer. */
  readonly hasHalted: (id: NodeId) => boolean
  /** Who said goodbye and still serves, with the role or without: under the parent plan they read a list themselves. */
  readonly leaving: ReadonlySet<NodeId>
  readonly candidateOf: (id: NodeId) => Candidate
  /** Workers that are healthy for long enough and can be servers. */
  readonly spares: readonly Candidate[]
}

/** The roles after this step, and why; `changed` is false where all stays as it is. */
export interface RolesStep {
  readonly changed: boolean
  readonly assignments: readonly NodeAssignment[]
  readonly openChange: OpenChange | null
  readonly evidence: readonly SignedStatement[]
  /** What was done, or what is waited for; empty in a settled control plane. */
  readonly words: readonly string[]
}

/** The next step of the control plane, or none. */
export function nextRoles(input: RolesInput): RolesStep {
  const { parent, assignments, lists } = input
  const open = parent.header.openChange
  const servers = serversOf(assignments)
  const same = (words: readonly string[]): RolesStep => ({
    changed: false,
    assignments,
    openChange: open,
    evidence: [],
    words,
  })

  if (open === null) {
    const first = lists[0]
    if (lists.some(({ statement }) => !sameMembers(statement.members, first?.statement.members ?? []))) {
      return same(['The servers list different etcd members; waiting until they agree.'])
    }
    return openNext(input, first, servers) ?? same(standingReasons(input, first, servers))
  }
  const matching = lists.find(({ statement }) => isExactly(statement.members, servers))
  if (matching !== undefined) {
    const next = openNext(input, matching, servers)
    if (next !== undefined) return { ...next, words: [closed(open), ...next.words] }
    if (servers.length % 2 === 0) {
      return same([
        `${closed(open)} ${servers.length} servers are an even number: waiting for one more that is healthy.`,
      ])
    }
    return { changed: true, assignments, openChange: null, evidence: [matching], words: [closed(open)] }
  }
  const past = lists.find(({ statement }) => isDoneButForLeftovers(statement.members, open, assignments))
  const leftover = past && blocked(input, servers) === undefined ? removeLeftover(input, past) : undefined
  if (leftover !== undefined) return { ...leftover, words: [closed(open), ...leftover.words] }
  const instead =
    open.kind === 'add' ? giveUp(input, open.node, servers) : removeDeadFirst(input, open.node, servers)
  if (instead !== undefined) return instead
  const doing = open.kind === 'add' ? 'joins' : 'is removed from'
  return same([`${shortId(open.node)} ${doing} etcd; waiting for a member list that equals the plan.`])
}

/** Why a server is none any more, and the proof of it. */
interface End {
  readonly what: 'died' | 'lost its data'
  readonly reason: string
  readonly proof: readonly SignedStatement[]
}

/** A majority's word that the server is dead, or its own word that the data of the member that etcd lists are gone. */
function endOf({ deaths, lost, lists }: RolesInput, server: NodeAssignment): End | undefined {
  const death = deaths.get(server.nodeId)
  if (death !== undefined) {
    const reason = 'dead: a majority of the voters has not heard of it for long'
    return { what: 'died', reason, proof: death.statements }
  }
  const word = lost.get(server.nodeId)
  const isListed = lists.some(({ statement: { members } }) =>
    members.some((member) => member.id === word?.statement.memberId && isMemberOf(member, server)),
  )
  return word !== undefined && isListed
    ? { what: 'lost its data', reason: 'the data of its etcd member are gone', proof: [word] }
    : undefined
}

/** Whether the machine is there, and with it what it has of etcd. A leaver serves until its role is gone. */
function isUp(input: RolesInput, one: NodeAssignment): boolean {
  return input.leaving.has(one.nodeId) || (input.isPresent(one.nodeId) && endOf(input, one) === undefined)
}

/** The server whose end matters most: etcd misses one that is gone, and not yet one that is leaving. */
function mostUrgent(input: RolesInput, ended: readonly NodeAssignment[]): NodeAssignment | undefined {
  return ended.find((server) => !isUp(input, server)) ?? ended[0]
}

/**
 * An addition that will not come about: its node died, or it has not begun and another server died meanwhile. etcd takes
 * in nobody while one of its own is missing, and while the addition is open nobody may replace that one.
 */
function giveUp(input: RolesInput, node: NodeId, servers: readonly NodeAssignment[]): RolesStep | undefined {
  const { assignments, lists } = input
  const step = (end: End, reason: string, word: string): RolesStep => ({
    changed: true,
    assignments: withRole(assignments, node, 'worker', reason),
    openChange: null,
    evidence: end.proof,
    words: [`The addition of ${shortId(node)} is given up: ${word}.`],
  })
  const added = servers.find((server) => server.nodeId === node)
  const own = added && endOf(input, added)
  if (own !== undefined)
    return step(own, `${own.what} before it had joined the control plane`, `it ${own.what}`)
  const others = servers.filter((server) => server.nodeId !== node && endOf(input, server) !== undefined)
  const gone = mostUrgent(input, others)
  const end = gone && endOf(input, gone)
  if (added === undefined || end === undefined || blocked(input, servers) !== undefined) return undefined
  const isKnown = lists.some(({ statement }) => statement.members.some((one) => isMemberOf(one, added)))
  if (isKnown || lists.length === 0) return undefined
  const why = `${gone?.name ?? ''} ${end.what}, and etcd takes in nobody before it is replaced`
  return step(end, `waits until a server that ${end.what} is replaced`, why)
}

/**
 * etcd refuses a removal that would leave too few who answer. So where a server died while another one's removal was open, the dead
 * one goes first, as long as etcd has a quorum. The other one's member is a leftover then, and is removed after it.
 */
function removeDeadFirst(
  input: RolesInput,
  leaving: NodeId,
  servers: readonly NodeAssignment[],
): RolesStep | undefined {
  if (input.inGrace || !input.etcdAnswers) return undefined
  const up = input.assignments.filter((one) => isUp(input, one))
  if (servers.filter((server) => up.includes(server)).length >= majorityOf(servers.length)) return undefined
  for (const list of input.lists) {
    const { members } = list.statement
    const voters = members.filter((member) => !member.learner)
    const alive = voters.filter((member) => up.some((one) => isMemberOf(member, one)))
    const dead = mostUrgent(
      input,
      servers.filter(
        (server) =>
          endOf(input, server) !== undefined && members.some((member) => isMemberOf(member, server)),
      ),
    )
    if (dead === undefined || alive.length < majorityOf(voters.length)) continue
    if (strangers(input, members).length > 0) continue
    const step = removalOfDead(input, list, dead)
    const word = `etcd cannot remove ${shortId(leaving)} before ${dead.name}.`
    if (step !== undefined) return { ...step, words: [word, ...step.words] }
  }
  return undefined
}

function closed(open: OpenChange): string {
  return open.kind === 'add'
    ? `${shortId(open.node)} has joined etcd.`
    : `${shortId(open.node)} is out of etcd.`
}

/** Opens the most urgent change; undefined where none is wanted or possible. */
function openNext(
  input: RolesInput,
  list: SignedOf<'members'> | undefined,
  servers: readonly NodeAssignment[],
): RolesStep | undefined {
  if (list === undefined || blocked(input, servers) !== undefined) return undefined
  const { members } = list.statement
  if (strangers(input, members).length > 0) return undefined
  return (
    removeLeftover(input, list) ??
    replaceMissing(input, list, servers) ??
    // A learner or a missing server means that etcd is in the middle of something: one change at a time.
    (isExactly(members, servers)
      ? (removeDead(input, list, servers) ??
        removeSurplus(input, list, servers) ??
        addServer(input, list, servers))
      : undefined)
  )
}

/** Why nothing of the control plane may change now. */
function blocked(input: RolesInput, servers: readonly NodeAssignment[]): string | undefined {
  if (input.inGrace) return 'Machines have just booted; the control plane is left alone for a while.'
  const alive = servers.filter((server) => isUp(input, server)).length
  if (!input.etcdAnswers || alive < majorityOf(servers.length)) {
    return `etcd has no quorum: ${alive} of ${servers.length} servers are alive. Bring them back, or run \`muster recover\`.`
  }
  return undefined
}

function strangers(input: RolesInput, members: readonly EtcdMember[]): readonly EtcdMember[] {
  return members.filter((member) => !input.assignments.some((assignment) => isMemberOf(member, assignment)))
}

/** A member of a node that is no server: an addition that was given up, or a change by hand. */
function removeLeftover(input: RolesInput, list: SignedOf<'members'>): RolesStep | undefined {
  for (const worker of input.assignments) {
    if (worker.role !== 'worker') continue
    const member = list.statement.members.find((one) => isMemberOf(one, worker))
    if (member === undefined) continue
    return {
      changed: true,
      assignments: input.assignments,
      openChange: { kind: 'remove', node: worker.nodeId, etcdMemberId: member.id },
      evidence: [list],
      words: [`${worker.name} is a worker, but etcd still lists it: its member ${member.id} is removed.`],
    }
  }
  return undefined
}

/** A dead server that etcd no longer lists (somebody deleted it): its place goes to a spare at once. */
function replaceMissing(
  input: RolesInput,
  list: SignedOf<'members'>,
  servers: readonly NodeAssignment[],
): RolesStep | undefined {
  const missing = servers.filter(
    (server) => !list.statement.members.some((member) => isMemberOf(member, server)),
  )
  const [gone] = missing
  if (gone === undefined || missing.length > 1) return undefined
  const death = input.deaths.get(gone.nodeId)
  const kept = servers.filter((server) => server !== gone)
  if (death === undefined || !isExactly(list.statement.members, kept)) return undefined
  const demoted = withRole(input.assignments, gone.nodeId, 'worker', 'dead, and no longer a member of etcd')
  const step = addServer({ ...input, assignments: demoted }, list, kept)
  if (step === undefined) return undefined
  return {
    ...step,
    evidence: [...step.evidence, ...death.statements],
    words: [`${gone.name} is dead and no longer in etcd.`, ...step.words],
  }
}

/**
 * A dead server is removed only when somebody can take its place, or when there are too many anyway. One that lost its data
 * can take its own place then.
 */
function removeDead(
  input: RolesInput,
  list: SignedOf<'members'>,
  servers: readonly NodeAssignment[],
): RolesStep | undefined {
  const surplus = servers.length > largestOdd(input.spec.controlPlane)
  const isReplaceable = surplus || input.spares.length > 0
  const dead = mostUrgent(
    input,
    servers.filter(
      (server) => (isReplaceable || !input.deaths.has(server.nodeId)) && endOf(input, server) !== undefined,
    ),
  )
  return dead && removalOfDead(input, list, dead)
}

/** The spec wants fewer servers: the least fit of the fullest zone goes. */
function removeSurplus(
  input: RolesInput,
  list: SignedOf<'members'>,
  servers: readonly NodeAssignment[],
): RolesStep | undefined {
  if (servers.length <= largestOdd(input.spec.controlPlane)) return undefined
  const candidates = servers.map((server) => input.candidateOf(server.nodeId))
  const crowd = (one: Candidate): number => candidates.filter((other) => other.zone === one.zone).length
  const least = candidates.toSorted((a, b) => crowd(b) - crowd(a) || compareCandidates(b, a))[0]
  const victim = servers.find((server) => server.nodeId === least?.id)
  return (
    victim && removal(input, list, victim, `the spec wants ${largestOdd(input.spec.controlPlane)} servers`)
  )
}

function removalOfDead(
  input: RolesInput,
  list: SignedOf<'members'>,
  dead: NodeAssignment,
): RolesStep | undefined {
  const end = endOf(input, dead)
  const step = end && removal(input, list, dead, end.reason)
  return step && { ...step, evidence: [...step.evidence, ...end.proof] }
}

function removal(
  input: RolesInput,
  list: SignedOf<'members'>,
  victim: NodeAssignment,
  reason: string,
): RolesStep | undefined {
  const member = list.statement.members.find((one) => isMemberOf(one, victim))
  if (member === undefined) return undefined
  return {
    changed: true,
    assignments: withRole(input.assignments, victim.nodeId, 'worker', `left the control plane: ${reason}`),
    openChange: { kind: 'remove', node: victim.nodeId, etcdMemberId: member.id },
    evidence: [list],
    words: [`${victim.name} leaves the control plane: ${reason}.`],
  }
}

/**
 * The target is the largest odd number that the spec allows and the healthy machines can fill. etcd takes in nobody while
 * one of its members does not answer: one that halted is mended or replaced before.
 */
function addServer(
  input: RolesInput,
  list: SignedOf<'members'>,
  servers: readonly NodeAssignment[],
): RolesStep | undefined {
  const { spec, spares } = input
  const target = largestOdd(Math.min(spec.controlPlane, servers.length + spares.length))
  if (servers.length >= target || servers.some(({ nodeId }) => input.hasHalted(nodeId))) return undefined
  const zones = servers.map((server) => input.candidateOf(server.nodeId).zone)
  const [spare] = pickSpread(spares, 1, zones)
  if (spare === undefined) return undefined
  const reason = `joins the control plane: ${servers.length} of ${target} servers`
  return {
    changed: true,
    assignments: withRole(input.assignments, spare.id, 'control-plane', reason),
    openChange: { kind: 'add', node: spare.id, etcdMemberId: '' },
    evidence: [list],
    words: [`${shortId(spare.id)} ${reason}.`],
  }
}

/** Why a control plane that is not what it should be stays as it is. Empty when all is well. */
function standingReasons(
  input: RolesInput,
  list: SignedOf<'members'> | undefined,
  servers: readonly NodeAssignment[],
): readonly string[] {
  const wanted = largestOdd(input.spec.controlPlane)
  const dead = servers.filter((server) => input.deaths.has(server.nodeId))
  const halt = blocked(input, servers)
  if (halt !== undefined) return [halt]
  if (list === undefined) {
    return servers.length === wanted && dead.length === 0
      ? []
      : ['No live server has signed an etcd member list for this plan yet.']
  }
  const unknown = strangers(input, list.statement.members)
  if (unknown.length > 0) {
    const named = unknown.map((member) => `${member.id} at ${member.address}`).join(', ')
    return [
      `etcd has a member that no plan made (${named}): it is never removed by itself. Remove it by hand.`,
    ]
  }
  if (!isExactly(list.statement.members, servers)) {
    return ["etcd's members differ from the plan; a missing server joins again by itself."]
  }
  if (dead.length > 0) {
    return [
      `${dead.map((server) => server.name).join(', ')} is dead, and no healthy machine can take its place.`,
    ]
  }
  const halted = servers.filter(({ nodeId }) => input.hasHalted(nodeId))
  if (halted.length > 0) {
    return [
      `${halted.map(({ name }) => name).join(', ')} has halted: etcd takes in nobody before it goes on.`,
    ]
  }
  return servers.length < wanted
    ? [
        `${servers.length} of ${wanted} servers: waiting for ${wanted - servers.length > 1 ? 'two more healthy machines' : 'one more healthy machine'} that can be a server.`,
      ]
    : []
}
