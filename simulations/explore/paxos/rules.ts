import type { ClusterPlan } from '../../../src/core/model/plan.ts'
import type { BootstrapSetting } from '../../../src/core/model/spec.ts'

// One decision, as data: who decides, about what, in how many ballots, what may go wrong, and which safeguard is missing.

/** A safeguard that a scenario takes away, to see the violation which it prevents. */
export type Safeguard =
  /** A voter asks `admitBirth` before it promises, and again before it accepts. */
  | 'admission'
  | 'admission-to-promise'
  | 'admission-to-accept'
  /** A voter asks the judge before it accepts. */
  | 'judge'
  /** A proposer adopts what the promises report. */
  | 'adoption'
  /** A certificate is a quorum of one ballot. */
  | 'one-ballot-certificates'
  /** A proposer writes its ballot number down before it uses it. */
  | 'persisted-ballots'
  /** A voter writes its register down before it answers. */
  | 'persist-before-reply'

/** Generation 0: nobody knows the voters yet. */
export interface CharterDecision {
  readonly kind: 'charter'
  readonly setting: BootstrapSetting
  /** Whom each machine has heard of at the start (`{ a: 'abc' }`); a machine that is not named knows all. */
  readonly knows?: Readonly<Record<string, string>>
}

/** A later generation: the voters of the newest of these plans decide what follows it. */
export interface SuccessorDecision {
  readonly kind: 'successor'
  readonly chain: readonly ClusterPlan[]
  /** What the proposer of a ballot may want if the promises leave it free. */
  readonly drafts: (ballot: number) => readonly ClusterPlan[]
  /** What is wrong if all of these were certified on top of the chain; undefined: nothing but their number. */
  readonly conflict?: (certified: readonly ClusterPlan[]) => string | undefined
}

/** How often something may go wrong. None by default. */
export interface Faults {
  /** A voter's register is emptied under the same key. */
  readonly wipes?: number
  /** A voter loses what it has not synced, and its unsent answers. */
  readonly crashes?: number
  /** A proposer forgets everything but its disk. */
  readonly restarts?: number
  /** A proposer's disk is emptied under the same key. */
  readonly lostBallots?: number
  /** A machine hears of another one by gossip. */
  readonly meetings?: number
}

export interface Rules {
  /** The key of each acceptor, a letter each. A letter twice: a clone, two disks that vote with one key. */
  readonly acceptors: string
  /** The ballots that may be used, ascending: number and proposer, as `0a`. */
  readonly ballots: readonly string[]
  /** The key of each proposer; by default each that a ballot names, once. A letter twice: a clone. */
  readonly proposers?: string
  readonly decision: CharterDecision | SuccessorDecision
  readonly faults?: Faults
  /** Keeps every promise and tells acceptors of one kind apart: slower, for the test that reductions lose nothing. */
  readonly unreduced?: boolean
  readonly without?: Safeguard
}
