import type { CertifiedPlan, ClusterPlan } from '../../src/core/model/plan.ts'
import type { Etcd } from '../world/k3s-parts.ts'
import type { Machine } from '../world/machine.ts'
import type { World } from '../world/world.ts'

/** What a trial knows of a healed site, read anew at every look. */
export class TrialSite {
  readonly world: World
  readonly machines: readonly Machine[]

  /** @param core machines that are whole */
  constructor(world: World, core: readonly number[]) {
    this.world = world
    this.machines = core.flatMap((index) => world.machines[index] ?? [])
  }

  /** The newest certified plan that any of them holds. */
  get newest(): CertifiedPlan | undefined {
    return this.machines
      .map(({ disk }) => disk.document?.values.plan as CertifiedPlan | undefined)
      .reduce((a, b) => (generationOf(b) > generationOf(a) ? b : a), undefined)
  }

  get plan(): ClusterPlan | undefined {
    return this.newest?.plan
  }

  /** The machine that runs under this identity; undefined: none does. */
  holder(id: string | undefined): Machine | undefined {
    return this.machines.find((machine) => machine.isOn && machine.identity?.id === id)
  }

  /** Machines of the newest plan's servers that run. */
  get servers(): readonly Machine[] {
    const assignments = this.plan?.body.assignments ?? []
    return assignments.flatMap((one) => (one.role === 'control-plane' ? (this.holder(one.nodeId) ?? []) : []))
  }

  /** Machines of the newest plan's workers that run and are well. */
  get spares(): readonly Machine[] {
    const assignments = this.plan?.body.assignments ?? []
    return assignments
      .flatMap((one) => (one.role === 'worker' ? (this.holder(one.nodeId) ?? []) : []))
      .filter((machine) => machine.core?.view?.().own.phase === 'k3s-ready')
  }

  /** etcd of the active cluster. */
  get etcd(): Etcd | undefined {
    const authority = this.plan?.body.caHash
    return [...this.world.k3s.etcds.values()].find((one) => one.authority === authority)
  }

  /** Whether etcd's members are the servers of the plan, all of them voters. */
  get isEtcdAsPlanned(): boolean {
    const { plan, etcd } = this
    const wanted = (plan?.body.assignments ?? [])
      .flatMap((one) => (one.role === 'control-plane' ? one.address4 : []))
      .toSorted()
    const listed = (etcd?.members ?? []).map((member) => member.address).toSorted()
    return wanted.join() === listed.join() && etcd?.members.some((member) => member.learner) === false
  }

  /** Whether nothing is under way in the control plane: active, all as planned, all its servers running. */
  get hasWholeControlPlane(): boolean {
    const { plan, servers } = this
    if (plan?.header.phase !== 'active' || plan.header.openChange !== null || !this.isEtcdAsPlanned)
      return false
    const wanted = plan.body.assignments.filter((one) => one.role === 'control-plane').length
    const isReady = (machine: Machine): boolean => machine.core?.view?.().own.phase === 'k3s-ready'
    return servers.length === wanted && servers.every(isReady)
  }

  /** Whether all voters run as well, and none on an older disk. */
  get isWhole(): boolean {
    const voters = this.plan?.header.voters ?? []
    return (
      this.hasWholeControlPlane &&
      voters.every((voter) => this.holder(voter)?.core?.view?.().consensus.rolledBack === false)
    )
  }
}

function generationOf(certified: CertifiedPlan | undefined): number {
  return certified?.plan.header.generation ?? -1
}
