import type { Crypto } from '../model/crypto.ts'
import type { NodeId } from '../model/ids.ts'
import { compareIds } from '../model/ids.ts'
import { evidenceMax } from '../model/limits.ts'
import type { NodeAssignment, OpenChange, PlanBody, PlanHeader } from '../model/plan.ts'
import type { EtcdMember, SignedStatement, Statement } from '../model/statement.ts'

// How signed statements are read. The planner gathers by these functions and the judge checks by the same,
// so that the two cannot disagree about what proves what.

/** A signed statement of one kind. */
export type SignedOf<K extends Statement['kind']> = SignedStatement & {
  readonly statement: Extract<Statement, { kind: K }>
}

type Chain = Pick<PlanHeader, 'networkId' | 'epoch' | 'clusterId'>

/** Votes that a majority of `count` voters needs. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1
}

/** The statements of one kind about this chain, sorted by signer. */
export function statementsOf<K extends Exclude<Statement['kind'], 'without'>>(
  statements: readonly SignedStatement[],
  kind: K,
  chain: Chain,
): readonly SignedOf<K>[] {
  const found: SignedOf<K>[] = []
  for (const signed of statements) {
    const { statement } = signed
    if (
      statement.kind === kind &&
      statement.networkId === chain.networkId &&
      statement.epoch === chain.epoch &&
      statement.clusterId === chain.clusterId
    ) {
      found.push(signed as SignedOf<K>)
    }
  }
  return found.length < 2 ? found : found.toSorted((a, b) => compareIds(a.signer, b.signer))
}

/** One statement of each signer, of those signers alone. */
function oneEach<K extends Statement['kind']>(
  statements: readonly SignedOf<K>[],
  signers: readonly NodeId[],
): readonly SignedOf<K>[] {
  const bySigner = new Map(statements.map((signed) => [signed.signer, signed]))
  return signers.flatMap((signer) => bySigner.get(signer) ?? [])
}

/** What a majority of the voters says of a node that they hold to be dead. */
export interface DeathProof {
  readonly incarnation: number
  /** Just a majority: no more than a plan needs to carry. */
  readonly statements: readonly SignedOf<'dead'>[]
}

const nobody: ReadonlyMap<NodeId, DeathProof> = new Map()

/**
 * All nodes that a majority of `parent`'s voters attests to be dead, each in one incarnation (the highest
 * with a majority: a later life refutes the statements about an earlier one).
 */
export function provenDeaths(
  statements: readonly SignedStatement[],
  parent: PlanHeader,
): ReadonlyMap<NodeId, DeathProof> {
  const said = statementsOf(statements, 'dead', parent)
  if (said.length === 0) return nobody
  const groups = new Map<string, SignedOf<'dead'>[]>()
  for (const signed of said) {
    const key = `${signed.statement.subject} ${signed.statement.incarnation}`
    groups.set(key, [...(groups.get(key) ?? []), signed])
  }
  const need = majorityOf(parent.voters.length)
  const proofs = new Map<NodeId, DeathProof>()
  for (const group of groups.values()) {
    const { subject, incarnation } = (group[0] as SignedOf<'dead'>).statement
    const byVoters = oneEach(group, parent.voters)
    if (byVoters.length < need || (proofs.get(subject)?.incarnation ?? -1) > incarnation) continue
    proofs.set(subject, { incarnation, statements: byVoters.slice(0, need) })
  }
  return proofs
}

/** Nodes that say themselves, under this very plan, that the data of their member of etcd are gone. */
export function lostMembers(
  statements: readonly SignedStatement[],
  parent: PlanHeader,
): ReadonlyMap<NodeId, SignedOf<'lost'>> {
  const said = statementsOf(statements, 'lost', parent)
  return new Map(
    said.flatMap((signed) =>
      signed.statement.generation === parent.generation ? [[signed.signer, signed] as const] : [],
    ),
  )
}

/** A majority of the voters who see no progress of the present grant, or undefined. */
export function stalledProof(
  statements: readonly SignedStatement[],
  parent: PlanHeader,
): readonly SignedOf<'stalled'>[] | undefined {
  const need = majorityOf(parent.voters.length)
  const about = statementsOf(statements, 'stalled', parent).filter(
    (signed) => signed.statement.grant === parent.grant?.number,
  )
  const byVoters = oneEach(about, parent.voters)
  return byVoters.length < need ? undefined : byVoters.slice(0, need)
}

/**
 * The whole team's word that the granted cluster runs: one grant, one CA, and etcd has exactly the team as
 * voters. Undefined while anything of it is missing.
 */
export function readyProof(
  statements: readonly SignedStatement[],
  parent: PlanHeader,
  assignments: readonly NodeAssignment[],
): readonly SignedOf<'ready'>[] | undefined {
  const { grant } = parent
  if (grant === null) return undefined
  const team = assignments.filter((assignment) => grant.team.includes(assignment.nodeId))
  const about = statementsOf(statements, 'ready', parent).filter(
    ({ statement }) => statement.grant === grant.number && isExactly(statement.members, team),
  )
  const byTeam = oneEach(about, grant.team)
  const first = byTeam[0]
  if (first === undefined || byTeam.length !== grant.team.length) return undefined
  const alike = byTeam.every(
    ({ statement }) =>
      statement.caHash === first.statement.caHash && sameMembers(statement.members, first.statement.members),
  )
  return alike && first.statement.caHash !== '' ? byTeam : undefined
}

/** etcd member lists that the servers of a plan read under that very plan. */
export function memberLists(
  statements: readonly SignedStatement[],
  parent: PlanHeader,
  body: PlanBody,
): readonly SignedOf<'members'>[] {
  const servers = new Set(serversOf(body.assignments).map((server) => server.nodeId))
  return listsUnder(statements, parent).filter(({ signer }) => servers.has(signer))
}

/** Nodes that read etcd's member list under a plan, servers by it or no longer: each has an etcd that answers. */
export function listReaders(statements: readonly SignedStatement[], parent: PlanHeader): readonly NodeId[] {
  return listsUnder(statements, parent).map(({ signer }) => signer)
}

function listsUnder(
  statements: readonly SignedStatement[],
  parent: PlanHeader,
): readonly SignedOf<'members'>[] {
  return statementsOf(statements, 'members', parent).filter(
    ({ statement }) => statement.generation === parent.generation,
  )
}

/** The control plane of a plan. */
export function serversOf(assignments: readonly NodeAssignment[]): readonly NodeAssignment[] {
  return assignments.filter((assignment) => assignment.role === 'control-plane')
}

/** Whether an etcd member is this node's. */
export function isMemberOf(member: EtcdMember, assignment: NodeAssignment): boolean {
  return member.address === assignment.address4 || member.address === assignment.address6
}

/** Whether the list holds each of these nodes once, as a voter, and nobody else. */
export function isExactly(members: readonly EtcdMember[], nodes: readonly NodeAssignment[]): boolean {
  return (
    members.length === nodes.length &&
    nodes.every(
      (node) => members.filter((member) => !member.learner && isMemberOf(member, node)).length === 1,
    )
  )
}

/**
 * Whether the list shows that a change was carried out, although it holds members of workers that earlier additions left
 * behind: every server once, as a voter, no member that a removal was to end, and nobody else but workers.
 */
export function isDoneButForLeftovers(
  members: readonly EtcdMember[],
  change: OpenChange,
  assignments: readonly NodeAssignment[],
): boolean {
  const servers = serversOf(assignments)
  const others = members.filter((member) => !servers.some((server) => isMemberOf(member, server)))
  const voters = members.filter((member) => !others.includes(member))
  return (
    isExactly(voters, servers) &&
    members.every(({ id }) => change.kind === 'add' || id !== change.etcdMemberId) &&
    others.every((member) => assignments.some((assignment) => isMemberOf(member, assignment)))
  )
}

/** Whether two lists name the same members (names apart: they appear late). */
export function sameMembers(a: readonly EtcdMember[], b: readonly EtcdMember[]): boolean {
  const key = (members: readonly EtcdMember[]): string =>
    members
      .map((member) => `${member.id} ${member.address} ${member.learner}`)
      .toSorted(compareIds)
      .join('\n')
  return key(a) === key(b)
}

/** Evidence as a plan carries it: each statement once, in one order. */
export function sortedEvidence(
  statements: readonly SignedStatement[],
  crypto: Crypto,
): readonly SignedStatement[] {
  const keyed = new Map(
    statements.map((signed) => [
      `${signed.statement.kind} ${signed.signer} ${crypto.digest('muster/evidence/1', signed.statement)}`,
      signed,
    ]),
  )
  return [...keyed].toSorted(([a], [b]) => compareIds(a, b)).map(([, signed]) => signed)
}

/** Whether a plan has room for so many statements. */
export function evidenceFits(count: number): boolean {
  return count <= evidenceMax
}
