import type { Crypto } from '../../src/core/model/crypto.ts'
import type { ClusterPlan, PlanBody } from '../../src/core/model/plan.ts'
import { bodyHash } from '../../src/core/model/plan-hash.ts'
import type { Random } from '../../src/core/model/random.ts'

/** Another plan that every judge finds as good as this one: a charter of another cluster, or another reason given. */
export function validTwin(plan: ClusterPlan, crypto: Crypto): ClusterPlan {
  const { header, body } = plan
  if (header.generation === 0) {
    const first = header.clusterId.startsWith('f') ? '0' : 'f'
    return { ...plan, header: { ...header, clusterId: `${first}${header.clusterId.slice(1)}` } }
  }
  return withBody(
    plan,
    {
      ...body,
      assignments: body.assignments.map((one, index) =>
        index === 0 ? { ...one, reason: `${one.reason}, says another plan` } : one,
      ),
    },
    crypto,
  )
}

/** A plan that breaks a promise: one address for two, or where there is an active cluster, a loss without proof. */
export function badTwin(plan: ClusterPlan, crypto: Crypto, random: Random): ClusterPlan {
  const { header, body } = plan
  const { assignments } = body
  const [first, second] = assignments
  const ways: (() => PlanBody)[] = []
  if (first !== undefined && second !== undefined) {
    ways.push(() => ({
      ...body,
      assignments: assignments.with(1, { ...second, address4: first.address4 }),
    }))
  }
  const loser = assignments.findLast(({ nodeId }) => !header.voters.includes(nodeId))
  if (header.generation > 0 && loser !== undefined) {
    ways.push(() => ({ ...body, assignments: assignments.filter((one) => one !== loser) }))
  }
  const server = assignments.findIndex(({ role }) => role === 'control-plane')
  const demoted = assignments[server]
  if (header.phase === 'active' && header.openChange === null && demoted !== undefined) {
    ways.push(() => ({
      ...body,
      assignments: assignments.with(server, { ...demoted, role: 'worker' as const }),
    }))
  }
  const way = ways[random.below(Math.max(1, ways.length))]
  return way === undefined ? plan : withBody(plan, way(), crypto)
}

function withBody(plan: ClusterPlan, body: PlanBody, crypto: Crypto): ClusterPlan {
  return { header: { ...plan.header, bodyHash: bodyHash(body, crypto) }, body }
}
