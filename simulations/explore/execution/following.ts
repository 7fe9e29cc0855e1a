import { decideK3s } from '../../../src/core/k3s/decide.ts'
import type { K3sDecision, MemberList } from '../../../src/core/k3s/decision.ts'
import { activeGrants, secretsFor } from '../../../src/core/k3s/record.ts'
import type { K3sObservation } from '../../../src/core/k3s/types.ts'
import type { Statement } from '../../../src/core/model/statement.ts'
import { aboutOf, etcdMember, signed } from '../site.ts'
import { act, changed } from './acting.ts'
import type { ExecutionRules } from './rules.ts'
import type { Machine, World } from './world.ts'
import { newestOf, observe, planOf, statementKey } from './world.ts'

// A machine looks, asks the production `decideK3s`, writes its record, says what there is to say, and acts: in this order.

/** Where the power may fail within a turn. */
export type Power = 'on' | 'fails-after-writing' | 'fails-before-writing'

/** The world after a machine's turn. */
export function turn(rules: ExecutionRules, world: World, index: number, power: Power): World {
  const machine = world.machines[index] as Machine
  const decision = decide(rules, world, machine)
  const written = changed(world, index, { record: decision.record })
  if (power === 'fails-after-writing') return lostPower(written, index)
  const acted = carryOut(written, index, decision)
  if (power === 'on') return acted
  // Only where that safeguard is missing: it acted, and what it remembers is what it knew before.
  return lostPower(changed(acted, index, { record: machine.record }), index)
}

/** Everything volatile is gone. */
export function lostPower(world: World, index: number): World {
  return changed(world, index, { unit: undefined, secrets: undefined })
}

function decide(rules: ExecutionRules, world: World, machine: Machine): K3sDecision {
  const plan = planOf(world, machine)
  return decideK3s({
    self: machine.id,
    plan,
    activeGrants: activeGrants(world.plans.slice(0, machine.generation + 1).map(({ header }) => header)),
    record: machine.record,
    observation:
      rules.without === 'etcd-has-the-last-word' ? observeByPlan(world, machine) : observe(world, machine),
    initialised: world.initialised[plan.header.grant?.number ?? 0],
    secrets: machine.secrets,
    lists: rules.without === 'etcd-has-the-last-word' ? listsByPlan(world, machine) : lists(world),
    overlayUp: true,
    aliveNodes: world.machines.map((one) => one.id),
    haltedServers: [],
    peers: world.machines.map(({ id, generation, unit }) => ({
      id,
      generation,
      phase: unit === undefined ? 'k3s-starting' : 'k3s-ready',
    })),
    busy: false,
    now: 0,
  })
}

/** What the servers' records list now. */
function lists(world: World): readonly MemberList[] {
  return world.machines.flatMap((machine) => {
    const { members } = observe(world, machine)
    return members === undefined ? [] : [{ from: machine.id, generation: machine.generation, members }]
  })
}

/** The mistake: who is no server by the plan is taken for one that etcd has removed. */
function observeByPlan(world: World, machine: Machine): K3sObservation {
  const seen = observe(world, machine)
  const { header, body } = planOf(world, machine)
  const role = body.assignments.find((one) => one.nodeId === machine.id)?.role
  return header.phase === 'active' && role === 'worker' && seen.hasEtcdData
    ? { ...seen, tombstone: true }
    : seen
}

/** The mistake: the plan's control plane is taken for etcd's list. */
function listsByPlan(world: World, machine: Machine): readonly MemberList[] {
  const plan = planOf(world, machine)
  const servers = plan.body.assignments.filter((one) => one.role === 'control-plane')
  const members = servers.map(({ nodeId }) => etcdMember(plan, nodeId, `plan-${nodeId}`))
  return servers.map(({ nodeId }) => ({ from: nodeId, generation: machine.generation, members }))
}

function carryOut(world: World, index: number, { say, needSecretsFrom, steps }: K3sDecision): World {
  const { id } = world.machines[index] as Machine
  const about = aboutOf(newestOf(world))
  let after = world
  if (say.initialised !== undefined) {
    const statement = { kind: 'initialised', ...about, ...say.initialised } as const
    after = { ...after, initialised: { ...after.initialised, [statement.grant]: statement } }
  }
  if (say.ready !== undefined) after = heard(after, id, { kind: 'ready', ...about, ...say.ready })
  if (say.lost !== undefined) after = heard(after, id, { kind: 'lost', ...about, ...say.lost })
  if (say.members !== undefined) after = heard(after, id, { kind: 'members', ...about, ...say.members })
  const source = after.machines.find((one) => one.id === needSecretsFrom[0])
  if (source !== undefined) {
    const secrets = secretsFor(id, planOf(after, source), source.record)
    const grant = source.record?.grant ?? 0
    if (secrets !== undefined) after = changed(after, index, { secrets: { grant, secrets } })
  }
  const [step] = steps
  return step === undefined ? after : act(after, index, step)
}

function heard(world: World, signer: string, statement: Statement): World {
  const one = signed(signer, statement)
  const known = world.said.some((other) => statementKey(other) === statementKey(one))
  return known ? world : { ...world, said: [...world.said, one] }
}
