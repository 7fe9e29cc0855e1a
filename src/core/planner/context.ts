import type { Crypto } from '../model/crypto.ts'
import type { Hash, Instant, NodeId } from '../model/ids.ts'
import { sameUnder } from '../model/facet.ts'
import type { MemberOf, MemberView, ViewOf } from '../model/member.ts'
import type { CertifiedPlan, ClusterPlan } from '../model/plan.ts'
import type { ClusterSpec } from '../model/spec.ts'
import type { EtcdMember, SignedStatement } from '../model/statement.ts'

const plannedKeys = ['nodeId', 'networkId', 'incarnation', 'left', 'facts', 'plan'] as const

/** What the planner reads of a record. Of the phase, which every step of k3s changes, only whether it is `stopped`. */
export type PlannedMember = MemberOf<(typeof plannedKeys)[number] | 'phase'>
export type PlannedView = ViewOf<(typeof plannedKeys)[number] | 'phase'>

/** Whether two states of a member are the same to the planner. */
export function sameToPlanner(a: MemberView, b: MemberView): boolean {
  return (
    a.liveness === b.liveness &&
    a.since === b.since &&
    hasHalted(a) === hasHalted(b) &&
    sameUnder(a.record, b.record, plannedKeys)
  )
}

/** A machine that halted (data of another cluster, no k3s) says so, and would halt as a server too. */
export function hasHalted(member: PlannedMember | undefined): boolean {
  return member?.record.phase === 'stopped'
}

/** What every planning function may know: data of one moment, no clock and no randomness of its own. */
export interface PlannerContext {
  readonly self: NodeId
  readonly networkId: Hash
  readonly crypto: Crypto
  readonly view: PlannedView
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
export function isPresent<M extends MemberOf<'left' | 'facts'>>(member: M | undefined): member is M {
  return (
    member !== undefined && member.liveness === 'alive' && !member.record.left && member.record.facts.durable
  )
}

/** Present, and for long enough that it will probably stay. */
export function isStable(member: PlannedMember | undefined, now: Instant, stableAfterMs: number): boolean {
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
