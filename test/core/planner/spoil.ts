import type { ClusterPlan, PlanBody, PlanHeader } from '../../../src/core/model/plan.ts'
import { bodyHash, planHash } from '../../../src/core/model/plan-hash.ts'
import type { Statement } from '../../../src/core/model/statement.ts'
import { sortedEvidence } from '../../../src/core/planner/evidence.ts'
import { judge } from '../../../src/core/planner/judge.ts'
import type { Case } from './judge-steps.ts'
import { crypto, signed } from './site.ts'

/** What is made wrong in a good plan; its hash is made right again. */
export interface Spoil {
  readonly header?: (header: PlanHeader) => Partial<PlanHeader>
  readonly body?: (body: PlanBody, plan: ClusterPlan) => Partial<PlanBody>
  readonly keepHash?: boolean
}

export function spoilt({ plan }: Case, spoil: Spoil): ClusterPlan {
  const body = { ...plan.body, ...spoil.body?.(plan.body, plan) }
  const hashed = spoil.keepHash === true ? plan.header.bodyHash : bodyHash(body, crypto)
  return { header: { ...plan.header, bodyHash: hashed, ...spoil.header?.(plan.header) }, body }
}

export function verdictOf({ parent }: Case, plan: ClusterPlan): string {
  const hash = parent === undefined ? '' : planHash(parent.header, crypto)
  const verdict = judge(parent, hash, plan, crypto)
  return verdict.ok ? 'acceptable' : verdict.reason
}

export function without(kind: Statement['kind']): Spoil {
  return { body: ({ evidence }) => ({ evidence: evidence.filter((one) => one.statement.kind !== kind) }) }
}

/** Every statement of the kind said otherwise, by the same signers, with good signatures. */
export function restated(change: (statement: Statement) => Statement): Spoil {
  return {
    body: ({ evidence }) => ({
      evidence: sortedEvidence(
        evidence.map((one) => signed(one.signer, change(one.statement))),
        crypto,
      ),
    }),
  }
}

export function firstAssignment(change: Partial<PlanBody['assignments'][number]>): Spoil {
  return {
    body: ({ assignments }) => ({
      assignments: assignments.map((one, index) => (index === 0 ? { ...one, ...change } : one)),
    }),
  }
}

export function roleOf(id: (plan: ClusterPlan) => string, role: 'worker' | 'control-plane'): Spoil {
  return {
    body: ({ assignments }, plan) => ({
      assignments: assignments.map((one) => (one.nodeId === id(plan) ? { ...one, role } : one)),
    }),
  }
}

export const aWorker = (plan: ClusterPlan): string =>
  plan.body.assignments.find((one) => one.role === 'worker' && one.nodeId !== plan.header.openChange?.node)
    ?.nodeId ?? ''
export const aServer = (plan: ClusterPlan): string =>
  plan.body.assignments.find(
    (one) => one.role === 'control-plane' && one.nodeId !== plan.header.openChange?.node,
  )?.nodeId ?? ''
