import { accessKeyOf, fingerprintOf } from '../../../src/core/k3s/files.ts'
import type { K3sStep } from '../../../src/core/k3s/types.ts'
import { caOf, etcdMember } from '../site.ts'
import type { Machine, World } from './world.ts'
import { hasQuorum, planOf } from './world.ts'

// What the steps of k3s do to a machine and to etcd, and what must never happen then (S3, S4, S5, S13, S14).

const clean = { ca: 0, dataGrant: 0, memberId: '', files: '', access: '' } as const

/** The world after a machine took this step. */
export function act(world: World, index: number, step: K3sStep): World {
  const machine = world.machines[index] as Machine
  const change = (to: Partial<Machine>, broken?: string): World =>
    changed({ ...world, broken: world.broken ?? broken }, index, to)
  switch (step.kind) {
    case 'make-authority': {
      const secrets = { caHash: caOf(step.grant), serverPassword: 's', agentPassword: 'w' }
      return change({ ca: step.grant, secrets: { grant: step.grant, secrets } })
    }
    case 'start': {
      const files = fingerprintOf(step.files)
      const access = accessKeyOf(step.allow)
      return change({ unit: step.role, files, access }, startFlaw(world, machine, step))
    }
    case 'configure':
      return change({ files: fingerprintOf(step.files), access: accessKeyOf(step.allow) })
    case 'stop':
      return change({ unit: undefined })
    case 'clear':
      return change({ ...clean, unit: undefined }, clearFlaw(world, machine))
    case 'remove-member':
      return removed(world, machine.dataGrant, step.memberId)
  }
}

export function changed(world: World, index: number, to: Partial<Machine>): World {
  const machines = world.machines.with(index, { ...(world.machines[index] as Machine), ...to })
  return { ...world, machines }
}

function startFlaw(
  world: World,
  machine: Machine,
  step: Extract<K3sStep, { kind: 'start' }>,
): string | undefined {
  const { header, body } = planOf(world, machine)
  const { record, dataGrant, ca, id } = machine
  const grant = header.grant?.number ?? 0
  const stated = world.initialised[grant]
  if (header.phase !== 'active' && step.allow === 'all') return `S14: ${id} opens its API before active`
  if (dataGrant !== 0 && dataGrant !== grant) return `S4: ${id} starts grant ${grant} on data of ${dataGrant}`
  if (ca !== 0 && ca !== grant) return `S4: ${id} starts grant ${grant} with the CA of ${ca}`
  if (step.role === 'server-init') {
    const may = header.phase === 'granted' && header.grant?.team[0] === id && record?.grant === grant
    if (!may) return `S3: ${id} makes a cluster that no grant allows`
    if (stated !== undefined)
      return `S3: ${id} makes the cluster of grant ${grant} again, after it announced it`
    return undefined
  }
  const expected = header.phase === 'active' ? body.caHash : stated?.caHash
  const joins = dataGrant === 0 && record?.secrets?.caHash !== expected
  return joins ? `S5: ${id} joins with a CA that nobody named` : undefined
}

function clearFlaw(world: World, machine: Machine): string | undefined {
  const { dataGrant, memberId, id } = machine
  if (dataGrant === 0) return undefined
  const isActive = world.plans.some(
    ({ header }) => header.phase === 'active' && header.grant?.number === dataGrant,
  )
  const revoked = !isActive && (planOf(world, machine).header.grant?.number ?? 0) > dataGrant
  const listed = world.etcd[dataGrant]?.some((member) => member.id === memberId) === true
  return listed && !revoked
    ? `S13: ${id} puts data away that etcd still counts on (member ${memberId})`
    : undefined
}

function removed(world: World, grant: number, memberId: string): World {
  if (!hasQuorum(world, grant)) return world
  const members = (world.etcd[grant] ?? []).filter((member) => member.id !== memberId)
  return { ...world, etcd: { ...world.etcd, [grant]: members } }
}

/** A started server without data makes its etcd, or joins the one of its grant; undefined where it cannot now. */
export function enterEtcd(world: World, index: number): World | undefined {
  const machine = world.machines[index] as Machine
  const { unit, dataGrant, record, id, joins } = machine
  if (unit === undefined || unit === 'agent' || dataGrant !== 0 || record === undefined) return undefined
  const { grant } = record
  if (unit !== 'server-init' && !hasQuorum(world, grant)) return undefined
  const member = etcdMember(planOf(world, machine), id, `${grant}${id}${joins}`)
  const others = unit === 'server-init' ? [] : (world.etcd[grant] ?? [])
  const members = [...others, member].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const etcd = { ...world.etcd, [grant]: members }
  return changed({ ...world, etcd }, index, {
    ca: grant,
    dataGrant: grant,
    memberId: member.id,
    joins: joins + 1,
  })
}
