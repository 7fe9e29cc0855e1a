import type { Crypto } from '../model/crypto.ts'
import type { Hash, Instant, NodeId } from '../model/ids.ts'
import type { MemberView, MembershipView } from '../model/member.ts'
import type { CertifiedPlan, ClusterPlan } from '../model/plan.ts'
import type { ClusterSpec } from '../model/spec.ts'
import type { EtcdMember, SignedStatement } from '../model/statement.ts'

/** What every planning function may know: data of one moment, no clock and no randomness of its own. */
export interface PlannerContext {
  readonly self: NodeId
  readonly networkId: Hash
  readonly crypto: Crypto
  readonly view: MembershipView
  readonly now: Instant
  /** Nobody is judged dead and nobody is promoted before this: machines that boot together are slow together. */
  readonly graceUntil: Instant
}

/** What the first plan is made of. */
export interface CharterInput extends PlannerContext {
  readonly spec: ClusterSpec
  /** Operator's public key (hex), or `none`. */
  readonly operatorKey: string
  /** Overlay IPv6 prefix (`/64`) from the network token. */
  readonly prefix6: string
  /** Random 128 bits in hex. */
  readonly clusterId: string
  /** Nodes that promised in the charter's ballot: only they may become voters. */
  readonly promisers: readonly NodeId[]
}

/** The charter, or why none can be made with these machines. */
export type CharterResult =
  | { readonly kind: 'plan'; readonly plan: ClusterPlan }
  | {
      readonly kind: 'refused'
      readonly reason: 'AddressOverlap' | 'AddressPoolFull' | 'NoVoters'
      readonly message: string
      readonly hint: string
    }

/** What a following plan is made of. */
export interface NextInput extends PlannerContext {
  readonly parent: CertifiedPlan
  /** Statements whose signatures the node has verified. */
  readonly statements: readonly SignedStatement[]
  /** This node's own look at etcd, if it runs a server: `undefined` members mean that etcd has no quorum. */
  readonly etcd?: { readonly members: readonly EtcdMember[] | undefined }
}

/** The next plan, or why there is none to make now. */
export type Planned =
  | { readonly kind: 'propose'; readonly plan: ClusterPlan; readonly why: string }
  | { readonly kind: 'nothing'; readonly reasons: readonly string[] }

/** Alive, installed and not on its way out: the nodes that a plan can count on now. */
export function isPresent(member: MemberView | undefined): member is MemberView {
  return (
    member !== undefined && member.liveness === 'alive' && !member.record.left && member.record.facts.durable
  )
}

/** Present, and for long enough that it will probably stay. */
export function isStable(
  member: MemberView | undefined,
  now: Instant,
  stableAfterMs: number,
): member is MemberView {
  return isPresent(member) && now >= member.since + stableAfterMs
}

/** The next moment at which time alone may change what is planned: the end of the grace, or a member stable by then. */
export function nextPlanningAt({ view, graceUntil, now }: PlannerContext, stableAfterMs: number): Instant {
  let next = graceUntil > now ? graceUntil : Number.POSITIVE_INFINITY
  for (const member of view.members) {
    const stableAt = member.since + stableAfterMs
    if (stableAt > now && stableAt < next && isPresent(member)) next = stableAt
  }
  return next
}
