import type { CertifiedHeader, CertifiedPlan } from '../../src/core/model/plan.ts'
import type { NodeView } from '../../src/core/node.ts'
import type { Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'

/** Why nothing can be asked of what is left. */
export type Excused = { readonly kind: 'excused'; readonly why: string }

/** A healed core that must form or go on, or why nothing can be asked of it. */
export type HealedCore = { readonly kind: 'core'; readonly machines: readonly number[] } | Excused

/**
 * The machines to heal at the horizon: the plan's core, and as many more as the protocol itself asks for: all founders
 * before the charter, a majority of the newest voters and of etcd's members after it. Where disks that are gone make
 * that impossible the protocol asks for an operator, and nothing is asked of liveness.
 */
export function coreToHeal(world: World, forked: boolean): HealedCore {
  const excused = (why: string): HealedCore => ({ kind: 'excused', why })
  if (forked) return excused('the site is forked')
  if (world.plan.core.length === 0) return excused('no core')
  if (world.amnesias > 0) return excused('a disk was put back or copied, or a voter lied')
  const newest = newestPlan(world)
  if (newest === undefined) return beforeCharter(world)
  const core = new Set(world.plan.core.filter((index) => !world.operator.leaving.has(index)))
  const { header } = newest.plan
  const holders = new Map(
    world.machines.flatMap((machine) => {
      const id = machine.disk.document?.identity.id
      return id === undefined ? [] : [[id, machine.index] as const]
    }),
  )
  if (
    !addMajority(
      core,
      header.voters.map((voter) => {
        const place = holders.get(voter)
        return place !== undefined && world.distrusted.has(place) ? undefined : place
      }),
    )
  ) {
    return excused('a majority of the voters lost their disks, or are listened to no more')
  }
  const etcd = [...world.k3s.etcds.values()].find((one) => one.authority === newest.plan.body.caHash)
  if (header.phase === 'active') {
    const voters = (etcd?.members ?? []).filter((member) => !member.learner)
    const places = voters.map(({ id, machine }) => {
      // A machine that forgot who it was takes the k3s data on its disk for somebody else's, and waits for a person.
      const remembers = world.machines[machine]?.disk.document?.values.k3s !== undefined
      return remembers && world.k3s.placeOf(machine).etcd?.memberId === id ? machine : undefined
    })
    if (!addMajority(core, places)) return excused('a majority of etcd lost their disks, or who they are')
  } else {
    // Any team may get the grant next, so it takes as many machines as a team has.
    for (let index = 0; index < world.plan.nodes; index++) core.add(index)
  }
  return { kind: 'core', machines: [...core].toSorted((a, b) => a - b) }
}

function beforeCharter(world: World): HealedCore {
  const { plan, identities } = world
  const { bootstrap } = plan
  const everybody = Array.from({ length: plan.nodes }, (_, index) => index)
  if (world.distrusted.size > 0) return { kind: 'excused', why: 'a founder is listened to no more' }
  const lost = world.machines.some(
    (machine) => machine.boots > 0 && (machine.life > 0 || machine.disk.document === undefined),
  )
  if (bootstrap.mode === 'auto' && lost)
    return { kind: 'excused', why: 'auto waits for a machine whose disk is gone' }
  if (bootstrap.mode === 'auto' && plan.nodes < 3)
    return { kind: 'excused', why: 'two machines must be declared' }
  if (bootstrap.mode === 'voters' && lost) return { kind: 'excused', why: 'a named voter lost its disk' }
  if (bootstrap.mode === 'expect' || bootstrap.mode === 'tolerate') {
    const quorum = bootstrap.expect - (bootstrap.mode === 'tolerate' ? bootstrap.tolerate : 0)
    if (plan.nodes < quorum) return { kind: 'excused', why: 'fewer machines than expected' }
    // A machine whose disk is empty now is one identity more as soon as it starts.
    const coming = everybody.filter((index) => world.machines[index]?.disk.document === undefined).length
    if (identities.size + coming >= 2 * quorum)
      return { kind: 'excused', why: 'too many identities for this setting' }
  }
  return { kind: 'core', machines: everybody }
}

/** Adds machines until a majority is in; false if too many of them are nowhere. */
function addMajority(core: Set<number>, places: readonly (number | undefined)[]): boolean {
  const need = Math.floor(places.length / 2) + 1
  let have = places.filter((place) => place !== undefined && core.has(place)).length
  for (const place of places) {
    if (have >= need) return true
    if (place === undefined || core.has(place)) continue
    core.add(place)
    have += 1
  }
  return have >= need
}

function newestPlan(world: World): CertifiedPlan | undefined {
  let newest: CertifiedPlan | undefined
  for (const machine of world.machines) {
    const held = machine.disk.document?.values.plan as CertifiedPlan | undefined
    if (held !== undefined && held.plan.header.generation > (newest?.plan.header.generation ?? -1))
      newest = held
  }
  return newest
}

/** Machines that say themselves why they wait for a person: nothing more is asked of them. */
function isHalted(view: NodeView): boolean {
  const reason = view.k3s?.condition.reason ?? ''
  return (
    view.quarantine !== undefined ||
    view.consensus.rolledBack ||
    ['ForeignData', 'CaMismatch', 'EtcdNameTaken', 'K3sMissing'].includes(reason)
  )
}

/** What a machine of the core still lacks; undefined: nothing. Its own word that k3s is ready is not believed. */
export function lacks(
  world: World,
  machine: Machine,
): { readonly invariant: 'L1' | 'L2'; readonly text: string } | undefined {
  const view = machine.core?.view?.()
  if (view === undefined) return { invariant: 'L1', text: 'has no power' }
  const header = view.chain.newest?.plan.header
  const said = view.planning[0] ?? view.k3s?.note ?? ''
  if (header === undefined) {
    const birth = view.birth
    const waits =
      birth?.kind === 'waiting' ? birth.waiting.message : birth?.kind === 'refused' ? birth.message : ''
    return {
      invariant: 'L1',
      text: `has no plan: ${waits} ${view.following.map((one) => `missing ${one.missing.length}`).join()}`,
    }
  }
  if (header.phase !== 'active')
    return { invariant: 'L2', text: `generation ${header.generation} is ${header.phase}: ${said}` }
  if (isHalted(view)) return undefined
  if (view.k3s?.phase !== 'k3s-ready')
    return { invariant: 'L2', text: `k3s is ${view.k3s?.phase}: ${view.k3s?.note}` }
  const { unit } = world.k3s.placeOf(machine.index)
  return unit === 'running'
    ? undefined
    : { invariant: 'L2', text: `says that k3s is ready, and it is ${unit}` }
}

/** Whether all machines of the core hold the same newest plan. */
export function agree(world: World, core: readonly number[]): boolean {
  const hashes = core.flatMap((index) => {
    if (world.operator.leaving.has(index)) return []
    const last = world.machines[index]?.disk.document?.chain.at(-1) as CertifiedHeader | undefined
    if (last === undefined) return ''
    const { clusterId, generation, parentHash, bodyHash } = last.header
    return `${clusterId} ${generation} ${parentHash} ${bodyHash}`
  })
  return new Set(hashes).size === 1
}
