import type { BootstrapSetting, ClusterSpec } from '../../src/core/model/spec.ts'
import { defaultSpec } from '../../src/core/model/spec.ts'
import type { Plan } from '../plan/plan.ts'
import { makeIdentity } from './identity.ts'

/** The spec that all machines of a plan ask for. */
export function specOf(plan: Plan): ClusterSpec {
  const { controlPlane, timers } = plan
  return { ...defaultSpec, controlPlane, timers: { ...defaultSpec.timers, ...timers } }
}

/** The bootstrap setting of a plan, with machines by their keys. */
export function bootstrapOf(plan: Plan): BootstrapSetting {
  const { bootstrap } = plan
  if (bootstrap.mode !== 'voters') return bootstrap
  return {
    mode: 'voters',
    voters: bootstrap.voters.map((index) => makeIdentity(plan, index, 0).id).toSorted(),
  }
}
