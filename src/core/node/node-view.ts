import type { Chain } from '../consensus/chain.ts'
import type { ConsensusView } from '../consensus/consensus.ts'
import type { BootRecord } from '../identity/boot.ts'
import type { K3sDecision } from '../k3s/decision.ts'
import type { K3sObservation } from '../k3s/types.ts'
import type { Crypto } from '../model/crypto.ts'
import type { Hash, Instant, NodeId } from '../model/ids.ts'
import type { MemberRecord, MembershipView, NodeFacts } from '../model/member.ts'
import type { BootstrapSetting, ClusterSpec } from '../model/spec.ts'
import type { SignedStatement } from '../model/statement.ts'
import type { OverlayState } from '../overlay/intent.ts'
import type { StoredState } from '../ports.ts'
import type { BirthOffer } from './birth.ts'
import type { FollowWaiting } from './follow.ts'
import type { Refusal } from './refusals.ts'

/** All that a node is told at its start. */
export interface NodeInit {
  readonly self: NodeId
  readonly crypto: Crypto
  readonly networkId: Hash
  /** Overlay IPv6 prefix (`/64`) from the token. */
  readonly prefix6: string
  /** Operator's public key (hex) from the token, or `none`. */
  readonly operatorKey: string
  readonly bootstrap: BootstrapSetting
  /** How long after the start voting on a charter is enabled. */
  readonly bootstrapDelayMs: number
  readonly spec: ClusterSpec
  readonly facts: NodeFacts
  /** Digest of the birth record. */
  readonly birth: Hash
  /** This start of the agent; the agent has raised the counter. */
  readonly boot: BootRecord
  /** 32 random bytes: the only randomness of the core. */
  readonly entropy: Uint8Array
  readonly stored: StoredState
  readonly overlay: {
    readonly device: string
    readonly mtu: number
    readonly port: number
    readonly publicKey: string
  }
  readonly now: Instant
  /** Set when the identity is in doubt (moved or cloned disk): the node votes for nothing until resolved. */
  readonly quarantine: string | undefined
}

/** A plan of this network that does not descend from ours. */
export interface ForkReport {
  readonly clusterId: string
  readonly generation: number
  readonly from: NodeId
}

/** Of the view what is at hand, for whoever looks often. */
export type NodeGlance = Pick<NodeView, 'chain' | 'membership'>

/** What the node knows of itself, for status and the API. Getters, no second copy of the truth. */
export interface NodeView {
  readonly self: NodeId
  readonly networkId: Hash
  readonly now: Instant
  readonly startedAt: Instant
  readonly chain: Chain
  readonly spec: ClusterSpec
  readonly bootstrap: BootstrapSetting
  readonly membership: MembershipView
  /** When anything of a member, or a fresh word about it, was last heard. */
  readonly lastHeard: (id: NodeId) => Instant | undefined
  readonly own: MemberRecord
  readonly connected: readonly NodeId[]
  readonly consensus: ConsensusView
  readonly birth: BirthOffer | undefined
  readonly charterRefused:
    | { readonly reason: string; readonly message: string; readonly hint: string }
    | undefined
  readonly planning: readonly string[]
  readonly following: readonly FollowWaiting[]
  readonly forks: readonly ForkReport[]
  readonly overlay: OverlayState | undefined
  readonly k3s: K3sDecision | undefined
  readonly k3sObservation: K3sObservation | undefined
  readonly k3sFailure: string
  readonly statements: readonly SignedStatement[]
  readonly refusals: readonly Refusal[]
  readonly linkUp: boolean
  /** Until voting on a charter is enabled. */
  readonly holdMs: number
  /** Why this identity is in doubt, and what is awaited; undefined: it is not. */
  readonly quarantine: string | undefined
  /** This start's nonce. */
  readonly boot: string
  readonly seen: readonly NodeId[]
}
