import type { Condition, Waiting } from '../model/condition.ts'
import type { Hash, Instant, NodeId } from '../model/ids.ts'
import type { Liveness, MembershipView } from '../model/member.ts'
import type { Ballot, CertifiedPlan, NodeAssignment, PlanPhase } from '../model/plan.ts'
import type { BootstrapSetting } from '../model/spec.ts'
import type { OverlayState } from '../overlay/intent.ts'
import type { K3sObservation } from '../k3s/types.ts'

/** Where a node is on its way: the words of the house's data flow, in their order. */
export type StatusPhase = 'discovery' | 'membership' | 'plan' | 'overlay' | 'install' | 'k3s'

/** Somebody who was turned away at the door. */
export interface RefusedPeer {
  readonly peer: NodeId | undefined
  readonly address: string
  /** CamelCase word for programs, for example `ForeignNetwork` or `Clone`. */
  readonly code: string
  readonly detail: string
}

/** Where the decision of the next plan stands, as this node sees it. */
export interface ConsensusSummary {
  readonly leader: NodeId | undefined
  readonly ballot: Ballot | undefined
  /** Votes (or promises) that the ballot in progress has; 0 and 0 when none is in progress. */
  readonly have: number
  readonly need: number
  /** Voters that have not answered. */
  readonly missing: readonly NodeId[]
  /** Voters that said no. */
  readonly refusals: readonly {
    readonly voter: NodeId
    readonly reason: string
    readonly message: string
  }[]
  readonly retryAt: Instant | undefined
}

/** A certified plan that does not descend from ours. */
export interface ForkReport {
  readonly clusterId: string
  /** Those whose signatures it bears. */
  readonly signers: readonly NodeId[]
}

/** What the birth of the cluster waits for on this node, by the rules of generation 0. */
export type BirthWait = Omit<Waiting, 'since' | 'retryAt'>

/** A cluster that was heard of and is not followed before its voters confirm it. */
export interface HeardCluster {
  readonly clusterId: string
  readonly generation: number
  readonly have: readonly NodeId[]
  readonly need: number
  readonly missing: readonly NodeId[]
}

/** Everything that a status is made of: plain data of one moment. */
export interface StatusInput {
  readonly now: Instant
  readonly networkName: string
  readonly networkId: Hash
  readonly self: NodeId
  /** Members with this node itself among them. */
  readonly view: MembershipView
  readonly bootstrap: BootstrapSetting
  /** Identities ever heard of, this node included. */
  readonly identitiesSeen: number
  readonly linkUp: boolean
  readonly connected: readonly NodeId[]
  readonly refused: readonly RefusedPeer[]
  /** Undefined: trusted. Otherwise why this identity is in quarantine. */
  readonly quarantine:
    | { readonly reason: string; readonly message: string; readonly hint: string }
    | undefined
  readonly plan: CertifiedPlan | undefined
  readonly planHash: Hash | ''
  /** Why there was no charter to propose, or no next plan: the planner's words. */
  readonly plannerReasons: readonly string[]
  /** A charter that cannot be made with these machines, as the planner refused it. */
  readonly charterRefused:
    | { readonly reason: string; readonly message: string; readonly hint: string }
    | undefined
  readonly consensus: ConsensusSummary
  /** Undefined: this node may vote on a charter now, or there is one. */
  readonly birth: BirthWait | undefined
  readonly following: readonly HeardCluster[]
  /** A restarted voter: how many of the others said that its disk is not an old copy. */
  readonly voteCheck: { readonly have: number; readonly need: number } | undefined
  /** When unknown machines are called for again; undefined: no means of discovery is in use. */
  readonly discoveryAt: Instant | undefined
  readonly fork: ForkReport | undefined
  readonly overlay: OverlayState | undefined
  readonly k3s: K3sObservation | undefined
  /** When voting on a charter is enabled; in `auto`, if nobody new shows up until then. */
  readonly settleAt: Instant | undefined
}

/** The plan in one line. */
export interface PlanSummary {
  readonly clusterId: string
  readonly generation: number
  readonly hash: Hash | ''
  readonly phase: PlanPhase
  readonly voters: readonly NodeId[]
}

/** One line of `get nodes`. */
export interface MemberRow {
  readonly id: NodeId
  readonly name: string
  readonly role: NodeAssignment['role'] | ''
  readonly address4: string
  readonly liveness: Liveness | 'unknown'
  readonly phase: string
  readonly voter: boolean
  readonly leader: boolean
  /** Generation of the newest plan that it holds; -1 for none. */
  readonly generation: number
  readonly note: string
}

/** What one node can say of itself and of the cluster. */
export interface NodeStatus {
  readonly node: NodeId
  readonly name: string
  readonly networkName: string
  readonly networkId: Hash
  readonly phase: StatusPhase
  /** True when this node has come all the way. */
  readonly ready: boolean
  readonly bootstrap: BootstrapSetting
  readonly leader: NodeId | undefined
  readonly plan: PlanSummary | undefined
  readonly assignment: NodeAssignment | undefined
  readonly conditions: readonly Condition[]
  /** Most important first. */
  readonly waiting: readonly Waiting[]
  /** Sorted by id. */
  readonly members: readonly MemberRow[]
  readonly refused: readonly RefusedPeer[]
}
