import type { ClusterPlan, PlanHeader } from '../../../src/core/model/plan.ts'
import { planHash } from '../../../src/core/model/plan-hash.ts'
import type { SignedStatement } from '../../../src/core/model/statement.ts'
import { withRole } from '../../../src/core/planner/draft.ts'
import {
  isExactly,
  lostMembers,
  memberLists,
  readyProof,
  serversOf,
} from '../../../src/core/planner/evidence.ts'
import { judge } from '../../../src/core/planner/judge.ts'
import { aboutOf, activate, caOf, grantTo, nextPlan, signed } from '../site.ts'
import { taggedCrypto } from '../tagged-crypto.ts'
import type { ExecutionRules } from './rules.ts'
import type { World } from './world.ts'
import { newestOf } from './world.ts'

// What the voters may certify next. That they certify one plan a generation is what the other model shows; here they
// certify anything, at any time, that the production judge finds good on the statements signed so far.

const crypto = taggedCrypto('')

export interface Decided {
  readonly label: string
  readonly world: World
}

export function* decisions(rules: ExecutionRules, world: World): Generator<Decided> {
  const parent = newestOf(world)
  const parentHash = planHash(parent.header, crypto)
  for (const { name, plan } of candidates(rules, world, parent)) {
    const left = world.budget[name] ?? 0
    if (left === 0) continue
    if (rules.without !== 'judge' && !judge(parent, parentHash, plan, crypto).ok) continue
    const budget = { ...world.budget, [name]: left - 1 }
    const broken = flawOf(world, parent.header, plan)
    yield {
      label: `the voters certify plan ${plan.header.generation}: ${name}`,
      world: { ...world, plans: [...world.plans, plan], budget, broken },
    }
  }
}

function* candidates(
  rules: ExecutionRules,
  { said }: World,
  parent: ClusterPlan,
): Generator<{ readonly name: string; readonly plan: ClusterPlan }> {
  const { header, body } = parent
  if (header.phase === 'granted') {
    const initialiser = header.grant?.team[0] ?? ''
    const { voters } = header
    const next = voters[(voters.indexOf(initialiser) + 1) % voters.length] as string
    yield { name: 'revoke', plan: grantTo(parent, [next]) }
    const proof = readyProof(said, header, body.assignments)
    yield { name: 'activate', plan: activate(parent, proof ?? []) }
    return
  }
  const lists = memberLists(said, header, body).slice(0, 1)
  const target = rules.machines.at(-1) as string
  const isServer = serversOf(body.assignments).some((one) => one.nodeId === target)
  if (isServer) {
    const address = body.assignments.find((one) => one.nodeId === target)?.address4
    const listed = lists[0]?.statement.members.find((member) => member.address === address)
    const change = { kind: 'remove', node: target, etcdMemberId: listed?.id ?? 'none' } as const
    const evidence = [...lists, ...dead(parent, target)]
    yield { name: 'remove', plan: changeOf(parent, change, 'worker', evidence) }
    const word = lostMembers(said, header).get(target)
    if (word !== undefined)
      yield { name: 'remove', plan: changeOf(parent, change, 'worker', [...lists, word]) }
  } else {
    const proven = memberLists(said, header, body).find(({ statement }) =>
      isExactly(statement.members, serversOf(body.assignments)),
    )
    const change = { kind: 'add', node: target, etcdMemberId: '' } as const
    yield {
      name: 'add',
      plan: changeOf(parent, change, 'control-plane', proven === undefined ? [] : [proven]),
    }
  }
}

function changeOf(
  parent: ClusterPlan,
  openChange: NonNullable<PlanHeader['openChange']>,
  role: 'worker' | 'control-plane',
  evidence: readonly SignedStatement[],
): ClusterPlan {
  const assignments = withRole(parent.body.assignments, openChange.node, role, '')
  return nextPlan(parent, { openChange }, { assignments, evidence })
}

/** Voters never see what is so, only what is said: they may attest a living machine dead. */
function dead(parent: ClusterPlan, subject: string): readonly SignedStatement[] {
  return parent.header.voters
    .filter((voter) => voter !== subject)
    .map((voter) => signed(voter, { kind: 'dead', ...aboutOf(parent), subject, incarnation: 1 }))
}

/** `active` is certified only where the team's etcd is whole (S2: what is active cannot be made again). */
function flawOf(world: World, parent: PlanHeader, plan: ClusterPlan): string | undefined {
  if (plan.header.phase !== 'active' || parent.phase === 'active') return undefined
  const grant = plan.header.grant?.number ?? 0
  const once = (world.etcd[grant] ?? []).length
  const whole = once === plan.header.grant?.team.length && plan.body.caHash === caOf(grant)
  return whole ? undefined : `S2: grant ${grant} is active, and its team has not made the cluster`
}
