import type { Condition, Waiting } from '../model/condition.ts'
import type { Hash, Instant, NodeId } from '../model/ids.ts'
import type { MemberPhase } from '../model/member.ts'
import type { ClusterPlan } from '../model/plan.ts'
import type {
  EtcdMember,
  InitialisedStatement,
  LostStatement,
  MembersStatement,
  ReadyStatement,
} from '../model/statement.ts'
import type { K3sRecord } from './record.ts'
import type { K3sObservation, K3sSecrets, K3sStep } from './types.ts'

/** etcd's member list as another node's record showed it, and the plan that node held then. */
export interface MemberList {
  readonly from: NodeId
  /** Newest certified generation of the one who listed: an older list proves no absence. */
  readonly generation: number
  readonly members: readonly EtcdMember[]
}

/** All that the bootstrap of k3s depends on. */
export interface K3sInput {
  readonly self: NodeId
  /** The newest certified plan. */
  readonly plan: ClusterPlan
  /** Grants that became `active` on the chain of this plan (`activeGrants`). */
  readonly activeGrants: readonly number[]
  readonly record: K3sRecord | undefined
  readonly observation: K3sObservation | undefined
  /** The newest grant's initialiser's own signed statement. */
  readonly initialised: InitialisedStatement | undefined
  /** What `make-authority` made or another server sent, with the grant it is for. */
  readonly secrets: { readonly grant: number; readonly secrets: K3sSecrets } | undefined
  /** What other servers' records list. */
  readonly lists: readonly MemberList[]
  readonly overlayUp: boolean
  /** Nodes that seem alive now; the plan says which of them are servers. */
  readonly aliveNodes: readonly NodeId[]
  /** Servers of the plan whose own record says that they have stopped, alive as they are. */
  readonly haltedServers: readonly NodeId[]
  /** What all nodes' records say of them: where they stand, and under which plan. */
  readonly peers: readonly { readonly id: NodeId; readonly phase: MemberPhase; readonly generation: number }[]
  /** A step is being carried out. */
  readonly busy: boolean
  readonly now: Instant
}

/** Statements to sign, persist and send; the node says each content once. */
export interface K3sStatements {
  readonly initialised?: Pick<InitialisedStatement, 'grant' | 'caHash'>
  readonly ready?: Pick<ReadyStatement, 'grant' | 'caHash' | 'members'>
  readonly members?: Pick<MembersStatement, 'generation' | 'members'>
  readonly lost?: Pick<LostStatement, 'generation' | 'memberId'>
}

/**
 * What to do now. Order: persist `record` if it is not the one that came in, then say, then ask, then act.
 */
export interface K3sDecision {
  readonly record: K3sRecord | undefined
  /** At most one. */
  readonly steps: readonly K3sStep[]
  readonly say: K3sStatements
  /** Ask these, one after another, until one answers. */
  readonly needSecretsFrom: readonly NodeId[]
  readonly phase: MemberPhase
  /** Progress in one line; a change of it counts as progress of an initialiser. */
  readonly note: string
  readonly condition: Omit<Condition, 'since'>
  readonly waiting: Omit<Waiting, 'since'> | undefined
}

/** Why the machine stands still until somebody acts. */
export type HaltReason =
  | 'K3sMissing'
  | 'ForeignData'
  | 'CaMismatch'
  | 'InitialiserLostData'
  | 'EtcdDataLost'
  | 'EtcdNameTaken'

const hints: Readonly<Record<HaltReason, string>> = {
  K3sMissing: 'Install k3s, or set its path in the configuration.',
  ForeignData: 'Move /var/lib/rancher/k3s away, or order `reset --forget` for the former cluster.',
  CaMismatch: 'Another cluster answers or left files here: look at `muster status` on the servers.',
  InitialiserLostData: 'The voters give the grant to another team by themselves; nothing to do.',
  EtcdDataLost:
    'The servers remove the old etcd member by themselves, if etcd has a quorum; this node joins anew then.',
  EtcdNameTaken: 'The servers remove the old etcd member; this node joins then.',
}

/** What a decision may leave unsaid. */
export type Outcome = Partial<Omit<K3sDecision, 'record' | 'condition' | 'phase'>>

/** The decision "all is as it should be" or "under way". */
export function progress(
  record: K3sRecord | undefined,
  phase: MemberPhase,
  note: string,
  outcome: Outcome = {},
): K3sDecision {
  const ready = phase === 'k3s-ready'
  return {
    record,
    steps: [],
    say: {},
    needSecretsFrom: [],
    phase,
    note,
    waiting: undefined,
    ...outcome,
    condition: {
      type: 'K3sReady',
      status: ready ? 'true' : 'false',
      reason: ready ? 'Ready' : 'InProgress',
      message: note,
      hint: '',
    },
  }
}

/** The decision "cannot go on before …". */
export function wait(
  record: K3sRecord | undefined,
  phase: MemberPhase,
  waiting: Partial<Omit<Waiting, 'since'>> & Pick<Waiting, 'for' | 'message'>,
  outcome: Outcome = {},
): K3sDecision {
  const whole = { have: 0, need: 1, missing: [], retryAt: undefined, ...waiting }
  const decision = progress(record, phase, waiting.message, { ...outcome, waiting: whole })
  return { ...decision, condition: { ...decision.condition, reason: 'Waiting' } }
}

/** The decision "this is not mine to solve": nothing is started, nothing is wiped. */
export function halt(record: K3sRecord | undefined, reason: HaltReason, message: string): K3sDecision {
  const decision = progress(record, 'stopped', message)
  return { ...decision, condition: { ...decision.condition, reason, hint: hints[reason] } }
}

/** Whether anything of a k3s lies or runs on this machine. */
export function isDirty(observation: K3sObservation): boolean {
  return (
    observation.hasEtcdData || observation.tombstone || observation.caHash !== '' || unitAlive(observation)
  )
}

/** Whether the unit is there and may be running. */
export function unitAlive(observation: K3sObservation): boolean {
  return observation.unit === 'starting' || observation.unit === 'running'
}

/** Whether a list is exactly these addresses, all voters. */
export function isExactly(members: readonly EtcdMember[] | undefined, addresses: readonly string[]): boolean {
  if (members === undefined || members.length !== addresses.length) return false
  return addresses.every((address) =>
    members.some((member) => member.address === address && !member.learner && member.name !== ''),
  )
}

/** The CA that this node may trust now, if any is certified or stated yet. */
export function expectedCa(input: K3sInput): Hash | undefined {
  const { phase, grant } = input.plan.header
  if (phase === 'active') return input.plan.body.caHash === '' ? undefined : input.plan.body.caHash
  return input.initialised?.grant === grant?.number ? input.initialised?.caHash : undefined
}
