import type { Hash, NodeId, Signature } from './ids.ts'
import type { BootstrapSetting, ClusterSpec } from './spec.ts'
import type { SignedStatement } from './statement.ts'

/** Where the chain of plans stands. Each plan carries the phase that holds once it is certified. */
export type PlanPhase = 'chartered' | 'granted' | 'active' | 'dissolved'

/** k3s server and worker; `master` is accepted at the edge as a spelling of `control-plane`. */
export type NodeRole = 'control-plane' | 'worker'

/** Leave to make the one k3s cluster of this network. Numbered by the generation that made it. */
export interface Grant {
  readonly number: number
  /** The initialiser first; then the servers that join it before `active`, in this order. */
  readonly team: readonly NodeId[]
}

/** The one change of the control plane that may be under way. */
export interface OpenChange {
  readonly kind: 'add' | 'remove'
  readonly node: NodeId
  /** Removals name the etcd member (never reused); empty for an addition. */
  readonly etcdMemberId: string
}

/** What one node is told to be. */
export interface NodeAssignment {
  readonly nodeId: NodeId
  readonly role: NodeRole
  /** Name in Kubernetes; unique, lower case, stable for life. */
  readonly name: string
  /** Overlay IPv4 address without prefix length. */
  readonly address4: string
  /** Overlay IPv6 (ULA) address without prefix length. */
  readonly address6: string
  /** Why this role and this address; shown by `plan explain`. */
  readonly reason: string
}

/** A node that is not coming back; its address may be given again once this is certified. */
export interface Retired {
  readonly nodeId: NodeId
  readonly name: string
  readonly address4: string
  readonly reason: string
}

/** The small, permanent part of a plan: everybody keeps every header with its certificate. */
export interface PlanHeader {
  readonly networkId: Hash
  readonly epoch: number
  readonly generation: number
  /** Digest of the parent's header; empty for the charter (generation 0). */
  readonly parentHash: Hash | ''
  /** Random 128 bits in hex, chosen in the charter and carried unchanged. */
  readonly clusterId: string
  readonly phase: PlanPhase
  /** Who decides the next generation, sorted. */
  readonly voters: readonly NodeId[]
  readonly grant: Grant | null
  readonly openChange: OpenChange | null
  readonly bodyHash: Hash
}

/** The large part of a plan; only the newest is kept. */
export interface PlanBody {
  readonly spec: ClusterSpec
  /** Operator's public key (hex), or `none` where the token had no operator key. */
  readonly operatorKey: string
  /** Highest serial number of an operator's request that a plan of this chain carried out. */
  readonly operatorSerial: number
  /** Overlay IPv6 prefix (`/64`), from the token, fixed in the charter. */
  readonly prefix6: string
  /** SHA-256 that pins the k3s CA; empty before `active`. */
  readonly caHash: Hash | ''
  /** Sorted by node id. */
  readonly assignments: readonly NodeAssignment[]
  readonly retired: readonly Retired[]
  /** Signed statements that make the plan acceptable to a voter that knows only the parent. */
  readonly evidence: readonly SignedStatement[]
}

/** The immutable decision: header and body. Its hash is the digest of the header. */
export interface ClusterPlan {
  readonly header: PlanHeader
  readonly body: PlanBody
}

/** A Paxos ballot. Numbers start at 0 in each generation; ties are ordered by the proposer's id. */
export interface Ballot {
  readonly number: number
  readonly proposer: NodeId
}

/** How generation 0 was decided: part of what its voters sign, since it has no parent to name them. */
export interface CharterTerms {
  readonly setting: BootstrapSetting
  /** Votes that certify. */
  readonly quorum: number
  /** `auto`, `voters`: every node that could vote, sorted; empty for `expect` and `tolerate`. */
  readonly list: readonly NodeId[]
  /** `auto`: nodes of the list that an operator ordered to go on without. */
  readonly without: readonly NodeId[]
}

/** What a voter signs. */
export interface VoteClaim {
  readonly networkId: Hash
  readonly epoch: number
  readonly generation: number
  readonly parentHash: Hash | ''
  readonly planHash: Hash
  readonly ballot: Ballot
  readonly terms: CharterTerms | null
}

/** One voter's signed acceptance. */
export interface Vote {
  readonly voter: NodeId
  readonly signature: Signature
}

/** Proof that a plan was chosen: a quorum of votes for one ballot. */
export interface Certificate {
  readonly ballot: Ballot
  /** Generation 0 only. */
  readonly terms: CharterTerms | null
  /** Sorted by voter. */
  readonly votes: readonly Vote[]
}

/** A header with its proof: the link of the chain that everybody keeps for ever. */
export interface CertifiedHeader {
  readonly header: PlanHeader
  readonly certificate: Certificate
}

/** A whole plan with its proof. */
export interface CertifiedPlan {
  readonly plan: ClusterPlan
  readonly certificate: Certificate
}

/** The assignment of a node in a plan, if it has one. */
export function assignmentOf(body: PlanBody, node: NodeId): NodeAssignment | undefined {
  return body.assignments.find((assignment) => assignment.nodeId === node)
}
