import type { Violation } from '../run/result.ts'
import type { Distribution } from './distribution.ts'

/** What came of many runs, as plain data. One group for each size or kind of site. */
export interface BulkSummary {
  readonly title: string
  /** How to get it again. */
  readonly command: string
  readonly commit: string
  readonly groups: readonly BulkGroup[]
}

/** Runs that differ in their seed alone. */
export interface BulkGroup {
  /** For example `5 machines, hostile`. */
  readonly name: string
  readonly firstSeed: number
  readonly runs: number
  /** Stopped before all its runs: what it counted stands. */
  readonly interrupted: boolean
  readonly events: number
  readonly virtualMs: number
  readonly wallMs: number
  /** Runs in which 2q > M + w did not hold, and those of them that forked: some must. */
  readonly outsidePremise: number
  readonly forksOutsidePremise: number
  /** Runs of which liveness was not asked. */
  readonly excused: number
  readonly formation: {
    readonly charter: Distribution
    readonly active: Distribution
    readonly allActive: Distribution
  }
  /** In how many runs each class of fault was on. */
  readonly faults: Readonly<Record<string, number>>
  /** How often each thing happened; a zero is a thing that was never tried. */
  readonly coverage: Readonly<Record<string, number>>
  readonly violations: readonly BulkViolation[]
}

/** A broken promise, and how to see it again. */
export interface BulkViolation extends Violation {
  readonly seed: number
  /** Command that replays it. */
  readonly replay: string
}
