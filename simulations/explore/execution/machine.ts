import type { NodeId } from '../../../src/core/model/ids.ts'
import type { Machine as Explored, Step } from '../search.ts'
import { changed, enterEtcd } from './acting.ts'
import { decisions } from './deciding.ts'
import { lostPower, turn } from './following.ts'
import type { ExecutionRules } from './rules.ts'
import type { Machine, World } from './world.ts'
import { newestOf, worldKey } from './world.ts'

/** Machines that follow certified plans, each at its own pace, as something to explore. */
export function executionMachine(rules: ExecutionRules): Explored<World> {
  return {
    start: rules.running === true ? settled(rules, startOf(rules)) : startOf(rules),
    key: worldKey,
    violation: (world) => world.broken,
    *next(world) {
      for (const { label, world: state } of decisions(rules, world)) yield { label, state }
      for (const [index, machine] of world.machines.entries()) yield* steps(rules, world, index, machine)
    },
  }
}

function* steps(
  rules: ExecutionRules,
  world: World,
  index: number,
  machine: Machine,
): Generator<Step<World>> {
  const { id, generation } = machine
  const { crashes = 0, losses = 0 } = world.budget
  const spend = (name: string): World => ({
    ...world,
    budget: { ...world.budget, [name]: (world.budget[name] ?? 0) - 1 },
  })
  if (generation < world.plans.length - 1) {
    yield {
      label: `${id} learns plan ${generation + 1}`,
      state: changed(world, index, { generation: generation + 1 }),
    }
  }
  yield { label: `${id} takes its turn`, state: turn(rules, world, index, 'on') }
  const entered = enterEtcd(world, index)
  if (entered !== undefined) yield { label: `${id}'s k3s enters etcd`, state: entered }
  if (crashes > 0) {
    const written = turn(rules, spend('crashes'), index, 'fails-after-writing')
    yield { label: `${id} writes and loses power before it acts`, state: written }
    if (machine.unit !== undefined || machine.secrets !== undefined) {
      yield { label: `${id} loses power`, state: lostPower(spend('crashes'), index) }
    }
    if (rules.without === 'persist-before-act') {
      const acted = turn(rules, spend('crashes'), index, 'fails-before-writing')
      yield { label: `${id} acts and loses power before it writes`, state: acted }
    }
  }
  if (losses > 0 && (machine.dataGrant !== 0 || machine.ca !== 0)) {
    const lost = { ca: 0, dataGrant: 0, memberId: '', unit: undefined, secrets: undefined }
    yield { label: `${id} loses its k3s data`, state: changed(spend('losses'), index, lost) }
  }
}

function startOf({ machines, chain, decisions: wanted, faults }: ExecutionRules): World {
  const { activate = 0, revoke = 0, remove = 0, add = 0 } = wanted
  const { crashes = 0, losses = 0 } = faults ?? {}
  return {
    plans: chain,
    machines: Array.from(machines).map((id) => blank(id, chain.length - 1)),
    etcd: {},
    initialised: {},
    said: [],
    budget: { activate, revoke, remove, add, crashes, losses },
    broken: undefined,
  }
}

function blank(id: NodeId, generation: number): Machine {
  return {
    id,
    generation,
    record: undefined,
    ca: 0,
    dataGrant: 0,
    memberId: '',
    files: '',
    access: '',
    unit: undefined,
    secrets: undefined,
    joins: 0,
  }
}

/** The world after everybody did what there was to do, under the plan of the start and then as an active cluster. */
function settled(rules: ExecutionRules, start: World): World {
  const calm: ExecutionRules = { machines: rules.machines, chain: rules.chain, decisions: { activate: 1 } }
  let world: World = { ...start, budget: { activate: 1 } }
  for (let key = ''; key !== worldKey(world);) {
    key = worldKey(world)
    for (const index of world.machines.keys()) {
      world = turn(calm, world, index, 'on')
      world = enterEtcd(world, index) ?? world
    }
    world = decisions(calm, world).next().value?.world ?? world
    const { length } = world.plans
    world = { ...world, machines: world.machines.map((one) => ({ ...one, generation: length - 1 })) }
  }
  return {
    ...world,
    budget: start.budget,
    said: world.said.filter(
      ({ statement }) =>
        statement.kind === 'members' && statement.generation === newestOf(world).header.generation,
    ),
  }
}
