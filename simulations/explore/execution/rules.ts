import type { ClusterPlan } from '../../../src/core/model/plan.ts'

// What machines do with certified plans, as data: who follows, what the voters may still decide, and what may go wrong.

/** A safeguard that a scenario takes away, to see the violation which it prevents. */
export type ExecutionSafeguard =
  /** What etcd lists, not what the plan says, tells whether a member is gone. */
  | 'etcd-has-the-last-word'
  /** The record is written before the step that it announces is taken. */
  | 'persist-before-act'
  /** The voters accept only what the judge finds good. */
  | 'judge'

export interface ExecutionRules {
  /** The machines, a letter each. */
  readonly machines: string
  /** What is certified at the start. */
  readonly chain: readonly ClusterPlan[]
  /** The granted cluster runs at the start, on its whole team. */
  readonly running?: boolean
  /** What the voters may decide, and how often. */
  readonly decisions: {
    readonly activate?: number
    /** The grant goes to the initialiser that comes next in the alphabet, alone. */
    readonly revoke?: number
    /** The last machine is attested dead and leaves the control plane. */
    readonly remove?: number
    /** It comes back. */
    readonly add?: number
  }
  readonly faults?: {
    /** A machine loses power: between any two steps, or after it wrote and before it acted. */
    readonly crashes?: number
    /** The k3s data of a machine are lost; its record, on another filesystem, is not. */
    readonly losses?: number
  }
  readonly without?: ExecutionSafeguard
}
