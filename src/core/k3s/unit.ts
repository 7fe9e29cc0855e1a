import type { NodeId } from '../model/ids.ts'
import { compareIds } from '../model/ids.ts'
import { invariant } from '../model/invariant.ts'
import type { ClusterPlan, NodeAssignment } from '../model/plan.ts'
import { assignmentOf } from '../model/plan.ts'
import type { K3sInput } from './decision.ts'
import { unitAlive } from './decision.ts'
import { accessKeyOf, fingerprintOf, k3sFiles } from './files.ts'
import { flagsKeyOf, restartWaitsFor } from './restart.ts'
import type { K3sRecord } from './record.ts'
import type { ApiAccess, K3sObservation, K3sRole, K3sStep } from './types.ts'

/** An input whose observation is there: all that the later stages see. */
export type SeenInput = K3sInput & { readonly observation: K3sObservation }

/** What it takes to bring the unit to a role: a record to persist, and a step or nothing. */
export interface UnitChange {
  readonly record: K3sRecord
  readonly step: K3sStep | undefined
  /** Set while the unit runs with flags of an older spec: whom its restart waits for. */
  readonly outdated?: readonly NodeId[]
}

const serverLists = new WeakMap<ClusterPlan, readonly NodeAssignment[]>()

/** The control plane of a plan, sorted by node id; made once for each plan. */
export function serversOf(plan: ClusterPlan): readonly NodeAssignment[] {
  let list = serverLists.get(plan)
  if (list === undefined) {
    list = plan.body.assignments
      .filter((assignment) => assignment.role === 'control-plane')
      .toSorted((a, b) => compareIds(a.nodeId, b.nodeId))
    serverLists.set(plan, list)
  }
  return list
}

/** Overlay addresses of the team, in its order. */
export function teamAddresses(plan: ClusterPlan): readonly string[] {
  return (plan.header.grant?.team ?? []).map((node) => assignmentOf(plan.body, node)?.address4 ?? '')
}

const doors = new WeakMap<ClusterPlan, ApiAccess>()

/** Who may reach the API under this plan (S14); made once for each plan. */
export function accessUnder(plan: ClusterPlan): ApiAccess {
  if (plan.header.phase === 'active') return 'all'
  let door = doors.get(plan)
  if (door === undefined) doors.set(plan, (door = teamAccess(plan)))
  return door
}

function teamAccess(plan: ClusterPlan): ApiAccess {
  const team = (plan.header.grant?.team ?? []).map((node) => assignmentOf(plan.body, node))
  return team
    .flatMap((assignment) =>
      assignment === undefined ? [] : [assignment.address4, assignment.address6].filter(Boolean),
    )
    .toSorted()
}

/**
 * The server that `server:` names: the one it named before as long as that one is in the plan and (alive or
 * no longer needed), else one that is alive, spread by the node's place in the plan. Never this node, and none
 * that has halted as long as another has not: it may wait for its operator for ever.
 * Rewriting it for fun would cost an agent its saved list of servers (k3s, loadbalancer/config.go).
 */
export function chooseServer(input: K3sInput, record: K3sRecord, settled: boolean): NodeId {
  const others = serversOf(input.plan)
    .map((assignment) => assignment.nodeId)
    .filter((node) => node !== input.self)
  const present = others.filter((node) => input.aliveNodes.includes(node))
  const standing = present.filter((node) => !input.haltedServers.includes(node))
  const alive = standing.length > 0 ? standing : present
  if (others.includes(record.server) && (settled || alive.includes(record.server))) return record.server
  const rank = input.plan.body.assignments.findIndex((assignment) => assignment.nodeId === input.self)
  return alive[Math.max(rank, 0) % Math.max(alive.length, 1)] ?? ''
}

/** Brings the unit to `role`: starts it, restarts it where it cannot go on, or only rewrites its files. */
export function toRole(input: SeenInput, record: K3sRecord, role: K3sRole, server: NodeId): UnitChange {
  const { observation, plan } = input
  const assignment = assignmentOf(plan.body, input.self)
  invariant(assignment !== undefined && record.secrets !== null, 'a role needs an assignment and secrets')
  const { files } = k3sFiles({
    role,
    assignment,
    spec: plan.body.spec.k3s,
    secrets: record.secrets,
    clusterToken: `${record.clusterId}-${record.epoch}-${record.grant}`,
    serverAddress: server === '' ? '' : (assignmentOf(plan.body, server)?.address4 ?? ''),
  })
  const allow = accessUnder(plan)
  const flags = flagsKeyOf(role, plan.body.spec.k3s)
  const start = (restart: boolean): UnitChange => ({
    record: sameRun(record, role, server, flags) ? record : { ...record, role, server, flags },
    step: { kind: 'start', role, nodeName: assignment.name, files, allow, restart },
  })
  const changed = sameRun(record, role, server, record.flags) ? record : { ...record, role, server }
  const sameUnit = record.role !== null && (record.role === 'agent') === (role === 'agent')
  const sameFiles = observation.configured === fingerprintOf(files)
  // A server that has its data, or an agent that is registered, needs no restart to take note of new files.
  const settled = role === 'agent' ? observation.ready : observation.hasEtcdData
  if (!unitAlive(observation) || !sameUnit || (!sameFiles && !settled)) {
    return start(false)
  }
  const isOld = plan.header.phase === 'active' && record.flags !== flags
  const servers = serversOf(plan).map((one) => one.nodeId)
  const outdated = isOld ? restartWaitsFor(input, servers, observation.ready) : []
  const old = isOld ? { outdated } : {}
  if (!sameFiles || observation.access !== accessKeyOf(allow)) {
    return { record: changed, step: { kind: 'configure', role, files, allow }, ...old }
  }
  // The new files are on the disk by now: only the process is old.
  if (isOld && outdated.length === 0) return start(true)
  return { record: changed, step: undefined, ...old }
}

function sameRun(record: K3sRecord, role: K3sRole, server: NodeId, flags: string): boolean {
  return record.role === role && record.server === server && record.flags === flags
}

/** The record with the id under which etcd lists this node now, if it lists it. */
export function noteMembership(input: SeenInput, record: K3sRecord): K3sRecord {
  const own = assignmentOf(input.plan.body, input.self)?.address4
  const entry = input.observation.members?.find((member) => member.address === own)
  return entry === undefined || entry.id === record.memberId ? record : { ...record, memberId: entry.id }
}
