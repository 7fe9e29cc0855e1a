import type { ClusterPlan } from '../../../src/core/model/plan.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import { Site, node } from './site.ts'

export interface Case {
  readonly parent: ClusterPlan | undefined
  readonly plan: ClusterPlan
}

/** A good plan and its parent at each kind of step, made by the planner itself. */
export function steps(): Readonly<Record<Step, Case>> {
  const site = new Site(5).born()
  const charter = latest(site)
  advance(site)
  const granted = latest(site)
  site.stall()
  const regrant = proposal(site)
  site.statements = []
  site.report()
  advance(site)
  const active = latest(site)
  site.settle()
  site.set(node(9), {})
  const joined = proposal(site)
  site.certify(joined)
  site.kill(site.servers()[0] as string)
  site.report()
  const parentOfRemoval = latest(site)
  advance(site)
  const removal = latest(site)
  site.report([node(9)])
  const leftover = proposal(site)
  site.statements = site.statements.filter(({ statement }) => statement.kind !== 'members')
  site.report()
  advance(site)
  const addition = latest(site)
  site.report()
  advance(site)
  const closing = latest(site)
  site.settle()
  const parentOfOrder = latest(site)
  site.order({ ...defaultSpec, controlPlane: 5, k3s: { ...defaultSpec.k3s, disable: ['traefik'] } })
  const order = proposal(site)
  site.statements = []
  const worker = parentOfOrder.body.assignments.find(
    (one) => one.role === 'worker' && !site.servers().includes(one.nodeId) && one.nodeId !== node(9),
  )
  site.leave(worker?.nodeId ?? '')
  site.report()
  const retirement = proposal(site)
  return {
    charter: { parent: undefined, plan: charter },
    granted: { parent: charter, plan: granted },
    regrant: { parent: granted, plan: regrant },
    active: { parent: granted, plan: active },
    joined: { parent: active, plan: joined },
    removal: { parent: parentOfRemoval, plan: removal },
    leftover: { parent: removal, plan: leftover },
    addition: { parent: removal, plan: addition },
    closing: { parent: addition, plan: closing },
    order: { parent: parentOfOrder, plan: order },
    retirement: { parent: parentOfOrder, plan: retirement },
  }
}

export type Step =
  | 'charter'
  | 'granted'
  | 'regrant'
  | 'active'
  | 'joined'
  | 'removal'
  | 'leftover'
  | 'addition'
  | 'closing'
  | 'order'
  | 'retirement'

function latest(site: Site): ClusterPlan {
  return site.certified().plan
}

function proposal(site: Site): ClusterPlan {
  const planned = site.next()
  if (planned.kind === 'nothing') throw new Error(`nothing to propose: ${planned.reasons.join(' ')}`)
  return planned.plan
}

function advance(site: Site): void {
  site.certify(proposal(site))
}
