import type { Condition, Waiting } from '../../core/model/condition.ts'
import type { Instant, NodeId } from '../../core/model/ids.ts'
import type { Liveness, MemberPhase } from '../../core/model/member.ts'
import type { NodeRole, PlanPhase } from '../../core/model/plan.ts'
import type { ClusterSpec } from '../../core/model/spec.ts'
import type { DiscoveredVia } from '../../core/ports.ts'

// What the agent's API says, as JSON. A versioned contract: within `muster/v1` fields are only added.
// `now` is the agent's own clock when it answered; every other instant is on that clock, so that
// `now - since` is an age. Undefined instants are left out.

/** The API's version, in every answer. */
export const apiVersion = 'muster/v1'

/** What every answer carries. */
export interface Resource<Kind extends string> {
  readonly apiVersion: typeof apiVersion
  readonly kind: Kind
}

/** An answer that is a list of one kind. */
export interface ResourceList<Kind extends string, Item> extends Resource<Kind> {
  readonly now: Instant
  readonly items: readonly Item[]
}

/** `GET /v1/status`, and each line of `GET /v1/watch`. */
export interface StatusResource extends Resource<'Status'> {
  readonly now: Instant
  readonly nodeId: NodeId
  readonly hostname: string
  /** Version of muster. */
  readonly version: string
  /** Where the node stands on its way; the words of core/status. */
  readonly phase: string
  /** Progress within the phase, one line; empty: nothing to say. */
  readonly note: string
  /** What the newest plan makes of this node; null before it has one. */
  readonly assignment: {
    readonly role: NodeRole
    readonly name: string
    readonly address4: string
    readonly address6: string
    readonly reason: string
  } | null
  /** The newest certified plan this node holds; null before any. */
  readonly plan: PlanSummary | null
  readonly members: { readonly known: number; readonly alive: number }
  readonly peers: { readonly connected: number }
  /** Everything that is awaited, the most pressing first; empty: nothing is. */
  readonly waiting: readonly Waiting[]
  readonly conditions: readonly Condition[]
}

/** A plan in a few words. */
export interface PlanSummary {
  readonly clusterId: string
  readonly generation: number
  readonly hash: string
  readonly phase: PlanPhase
  readonly epoch: number
}

/** One line of `GET /v1/members`. */
export interface MemberItem {
  readonly nodeId: NodeId
  readonly hostname: string
  readonly self: boolean
  readonly liveness: Liveness
  readonly phase: MemberPhase
  readonly note: string
  readonly role: NodeRole | ''
  readonly name: string
  readonly address4: string
  readonly address6: string
  readonly version: string
  readonly k3sVersion: string
  /** Generation of the newest plan it says it holds; -1 before any. */
  readonly generation: number
  readonly incarnation: number
  readonly endpoints: readonly string[]
  /** When its present liveness began, on the answering node's clock. */
  readonly since: Instant
  readonly lastHeard: Instant
}

/** `GET /v1/members`, sorted by node id. */
export type MemberList = ResourceList<'MemberList', MemberItem>

/** `GET /v1/peers`: `PeerStatus` with the host's name where it is known. */
export interface PeerItem {
  readonly nodeId: NodeId
  readonly hostname: string
  readonly connected: boolean
  readonly via: DiscoveredVia
  readonly endpoint: string
  readonly rttMs?: number
  readonly lastError: string
  readonly sinceMs: number
  readonly retryInMs?: number
}

export type PeerList = ResourceList<'PeerList', PeerItem>

/** `GET /v1/conditions`. */
export type ConditionList = ResourceList<'ConditionList', Condition>

/** One line of `GET /v1/addresses`: who has, or had, which overlay address. */
export interface AddressItem {
  readonly address4: string
  readonly address6: string
  readonly name: string
  readonly nodeId: NodeId
  readonly role: NodeRole | ''
  /** `retired`: not given again before its node's removal is certified. */
  readonly state: 'assigned' | 'retired'
  readonly reason: string
}

export type AddressList = ResourceList<'AddressList', AddressItem>

/** `GET /v1/plan`: the newest certified plan, in full. 404 ERR_NOT_READY before any. */
export interface PlanResource extends Resource<'Plan'> {
  readonly summary: PlanSummary
  readonly parentHash: string
  readonly voters: readonly NodeId[]
  readonly grant: { readonly number: number; readonly team: readonly NodeId[] } | null
  readonly openChange: { readonly kind: 'add' | 'remove'; readonly node: NodeId } | null
  readonly caHash: string
  readonly operatorKey: string
  readonly operatorSerial: number
  readonly certificate: {
    readonly ballot: number
    readonly proposer: NodeId
    readonly votes: readonly NodeId[]
  }
  readonly items: readonly {
    readonly nodeId: NodeId
    readonly role: NodeRole
    readonly name: string
    readonly address4: string
    readonly address6: string
    readonly reason: string
  }[]
}

/** `GET /v1/explain?node=ID|name|hostname`: why this node is what it is. */
export interface ExplainResource extends Resource<'Explanation'> {
  readonly nodeId: NodeId
  readonly name: string
  readonly hostname: string
  readonly role: NodeRole | ''
  readonly address4: string
  readonly address6: string
  /** One sentence each: for the role, for the addresses, for what happens next. */
  readonly reasons: readonly string[]
}

/** `GET /v1/why`: what stands in this node's way, one sentence each, gravest first. */
export interface WhyResource extends Resource<'Why'> {
  readonly items: readonly string[]
}

/** `GET /v1/spec`: the spec of the newest plan, or the one this machine's configuration asks for. */
export interface SpecResource extends Resource<'Spec'> {
  readonly source: 'plan' | 'configuration'
  readonly networkId: string
  readonly epoch: number
  readonly clusterId: string
  /** Generation of the plan; -1 before any. */
  readonly generation: number
  readonly hash: string
  readonly operatorKey: string
  /** The next order's serial must be greater. */
  readonly operatorSerial: number
  readonly spec: ClusterSpec
}

/** `GET /v1/identity`: whose key this machine runs with, and whether that is in doubt. */
export interface IdentityResource extends Resource<'Identity'> {
  readonly nodeId: NodeId
  /** Nonce of this start of the agent: an order about the identity names it. */
  readonly boot: string
  /** Why the identity is in quarantine; null: it is not. */
  readonly quarantine: string | null
  readonly networkId: string
  readonly epoch: number
  readonly clusterId: string
  readonly operatorKey: string
}

/** Body of `POST /v1/leave`. */
export interface LeaveRequest {
  /** Take the goodbye back. */
  readonly cancel: boolean
}

/** Body of `POST /v1/start`, for a network without an operator key. */
export interface StartRequest {
  /** Node ids that the birth goes on without. */
  readonly without: readonly NodeId[]
}

/** Body of `POST /v1/order`. */
export interface OrderRequest {
  /** Canonical bytes of a SignedStatement (core/model/wire), in hexadecimal. */
  readonly signed: string
}

/** Answer of `POST /v1/order`, `/v1/leave`, `/v1/start` and `/v1/identity/keep`. */
export interface OrderResource extends Resource<'OrderAnswer'> {
  readonly accepted: boolean
  readonly reason: string
  readonly message: string
}

/** `GET /v1/kubeconfig`. 404 ERR_NOT_READY where there is none to give. */
export interface KubeconfigResource extends Resource<'Kubeconfig'> {
  /** The file, as YAML text. */
  readonly kubeconfig: string
}

/** The body of every answer that is not 2xx. */
export interface ErrorResource extends Resource<'Error'> {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly exitCode: number
}
