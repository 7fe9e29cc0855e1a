import type { K3sRecord } from '../../../src/core/k3s/record.ts'
import type { K3sObservation, K3sRole, K3sSecrets } from '../../../src/core/k3s/types.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import type { ClusterPlan } from '../../../src/core/model/plan.ts'
import type { EtcdMember, InitialisedStatement, SignedStatement } from '../../../src/core/model/statement.ts'
import { caOf } from '../site.ts'

// Machines with a small k3s and etcd on them. An etcd of each grant has one committed member list; it is read and changed
// only while a majority of its members runs.

export interface Machine {
  readonly id: NodeId
  /** Newest certified generation that it holds. */
  readonly generation: number
  /** Durable. */
  readonly record: K3sRecord | undefined
  /** Grant of the CA on its disk; 0: none. */
  readonly ca: number
  /** Grant and member id of the etcd data on its disk; 0 and empty: none. */
  readonly dataGrant: number
  readonly memberId: string
  /** Fingerprint of our files. */
  readonly files: string
  /** Who may reach the API: a key of the rule in place. */
  readonly access: string
  readonly unit: K3sRole | undefined
  /** Volatile. */
  readonly secrets: { readonly grant: number; readonly secrets: K3sSecrets } | undefined
  /** How often its etcd was made or joined: member ids are never used again. */
  readonly joins: number
}

export interface World {
  /** The certified plans, by generation. */
  readonly plans: readonly ClusterPlan[]
  readonly machines: readonly Machine[]
  /** Committed member list of each grant's etcd. */
  readonly etcd: Readonly<Record<number, readonly EtcdMember[]>>
  readonly initialised: Readonly<Record<number, InitialisedStatement>>
  /** Signed statements about etcd that voters have seen. */
  readonly said: readonly SignedStatement[]
  /** What may still happen, by name. */
  readonly budget: Readonly<Record<string, number>>
  /** The invariant that the last step broke. */
  readonly broken: string | undefined
}

export function planOf(world: World, machine: Machine): ClusterPlan {
  return world.plans[machine.generation] as ClusterPlan
}

export function newestOf(world: World): ClusterPlan {
  return world.plans.at(-1) as ClusterPlan
}

/** Whether a majority of this etcd's members runs. */
export function hasQuorum(world: World, grant: number): boolean {
  const members = world.etcd[grant] ?? []
  const running = members.filter((member) => world.machines.some((one) => runs(one, grant, member.id)))
  return members.length > 0 && 2 * running.length > members.length
}

function runs({ unit, dataGrant, memberId }: Machine, grant: number, id: string): boolean {
  return unit !== undefined && unit !== 'agent' && dataGrant === grant && memberId === id
}

/** What a machine sees when it looks at itself. */
export function observe(world: World, machine: Machine): K3sObservation {
  const { unit, dataGrant, memberId, ca, files, access } = machine
  const listed = world.etcd[dataGrant]?.some((member) => member.id === memberId) === true
  const serves = runs(machine, dataGrant, memberId) && listed && hasQuorum(world, dataGrant)
  return {
    installed: true,
    version: 'v1',
    unit: unit === undefined ? 'stopped' : 'running',
    detail: '',
    apiAnswers: serves,
    ready: unit === 'agent' || serves,
    hasEtcdData: dataGrant !== 0,
    tombstone: dataGrant !== 0 && !listed,
    caHash: ca === 0 ? '' : caOf(ca),
    configured: files,
    access,
    members: serves ? world.etcd[dataGrant] : undefined,
  }
}

/** The text of a world. Plans are told apart by what was decided: the rest of them follows from it, evidence apart. */
export function worldKey(world: World): string {
  const { plans, machines, etcd, initialised, said, budget } = world
  return JSON.stringify([
    plans.map(({ header: { phase, grant, openChange } }) => [phase[0], grant?.number, openChange]),
    machines.map((one) =>
      Object.values({ ...one, record: one.record ?? 0, unit: one.unit ?? 0, secrets: one.secrets ?? 0 }),
    ),
    Object.entries(etcd).map(([grant, members]) => [grant, members.map((member) => member.id)]),
    Object.keys(initialised),
    said.map((one) => statementKey(one)).toSorted(),
    Object.values(budget),
  ])
}

export function statementKey({ signer, statement }: SignedStatement): string {
  const members = 'members' in statement ? statement.members.map((member) => member.id).join() : ''
  const at = 'generation' in statement ? statement.generation : 'grant' in statement ? statement.grant : ''
  return `${signer} ${statement.kind} ${at} ${members}`
}
