import type { Plan } from '../plan/plan.ts'
import type { CoreFactory } from '../world/core.ts'
import type { SimulatedRun } from './result.ts'

/** How a plan is run. */
export interface SimulateOptions {
  /** Keep a trace; slow, so not in bulk runs. */
  readonly record?: boolean
  /** What runs on the machines; the production core by default. */
  readonly core?: CoreFactory
}

/** Runs a plan to its end, or to the first violation of safety. */
export type Simulate = (plan: Plan, options?: SimulateOptions) => SimulatedRun
