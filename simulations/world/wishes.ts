import type { BootstrapSetting, ClusterSpec } from '../../src/core/model/spec.ts'
import { defaultSpec } from '../../src/core/model/spec.ts'
import type { ClusterPlan } from '../../src/core/model/plan.ts'
import type { SignedStatement, Statement } from '../../src/core/model/statement.ts'
import type { Plan } from '../plan/plan.ts'
import type { Identity } from './identity.ts'
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

/** The operator's order for another spec, under this plan. */
export function specOrder(
  { header }: ClusterPlan,
  operator: Identity,
  { serial, spec }: { readonly serial: number; readonly spec: ClusterSpec },
): SignedStatement {
  const { networkId, epoch, clusterId } = header
  const statement: Statement = { kind: 'spec', networkId, epoch, clusterId, serial, spec }
  return { statement, signer: operator.id, signature: operator.crypto.sign('muster/order/1', statement) }
}
