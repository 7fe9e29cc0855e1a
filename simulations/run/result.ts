import type { Trace } from './trace.ts'

/** The promises of docs/protocol: safety S1 to S15, liveness L1 to L6; `crash` is an error thrown by the core. */
export type Invariant =
  | `S${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15}`
  | `L${1 | 2 | 3 | 4 | 5 | 6}`
  | 'crash'

/** One broken promise. */
export interface Violation {
  readonly invariant: Invariant
  /** Virtual milliseconds. */
  readonly at: number
  /** Machine that shows it; -1: the site as a whole. */
  readonly node: number
  readonly text: string
}

/** What came of one run. */
export interface RunResult {
  readonly seed: number
  /** Inputs and effects that the world carried. */
  readonly events: number
  readonly virtualMs: number
  /** Broken promises, the first of each kind. A run with a broken premise has none of S1 and S2 here. */
  readonly violations: readonly Violation[]
  /** Whether 2q > M + w held (always for `auto` groups that were not silent): S1, S2 are asserted only then. */
  readonly premise: boolean
  /** Two certified charters, or two active clusters. With `premise` false it is no violation, and must be seen. */
  readonly forked: boolean
  /** Why nothing was asked of liveness; empty: it was, or a violation of safety came first. */
  readonly excused: string
  /** How often each thing of `coverageNames` happened. */
  readonly coverage: Readonly<Record<string, number>>
  /** Virtual milliseconds at which the first charter was certified, the first `active`, and all in the core were active. */
  readonly formation: {
    readonly charterMs: number | undefined
    readonly activeMs: number | undefined
    readonly allActiveMs: number | undefined
  }
  /** Of each plan that every machine came to hold: from the first that wrote it down to the last one. Milliseconds. */
  readonly spreadsMs: readonly number[]
  /** Digest over all that happened, in order: two runs of one plan have the same. */
  readonly digest: string
}

/** A run, and its trace if it was recorded. */
export interface SimulatedRun {
  readonly result: RunResult
  readonly trace: Trace | undefined
}
