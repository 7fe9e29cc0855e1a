import type { NodeView } from '../../core/node.ts'
import type { NodeId } from '../../core/model/ids.ts'
import { shortId } from '../../core/model/ids.ts'
import { assignmentOf } from '../../core/model/plan.ts'
import type { PeerStatus } from '../../core/ports.ts'
import { explain } from '../../core/planner/explain.ts'
import type { NodeStatus } from '../../core/status/types.ts'
import { version } from '../../version.ts'
import type {
  AddressList,
  ConditionList,
  ExplainResource,
  IdentityResource,
  MemberList,
  PeerList,
  PlanResource,
  PlanSummary,
  SpecResource,
  StatusResource,
} from './resources.ts'
import { apiVersion } from './resources.ts'

// NodeView and NodeStatus -> the API's resources. Pure: what the core knows, in the words of the contract.

function summaryOf(view: NodeView): PlanSummary | null {
  const header = view.chain.newest?.plan.header
  if (header === undefined) return null
  const { clusterId, generation, phase, epoch } = header
  return { clusterId, generation, hash: view.chain.hash, phase, epoch }
}

function hostnames(view: NodeView): ReadonlyMap<NodeId, string> {
  return new Map([
    ...view.membership.members.map(({ record }) => [record.nodeId, record.facts.hostname] as const),
    [view.self, view.own.facts.hostname] as const,
  ])
}

/** Ids become host names where they are known: people wait for machines, not for keys. */
function named(view: NodeView, id: NodeId): string {
  return hostnames(view).get(id) ?? (id.length > 32 ? shortId(id) : id)
}

export function presentStatus(view: NodeView, status: NodeStatus): StatusResource {
  const { assignment } = status
  return {
    apiVersion,
    kind: 'Status',
    now: view.now,
    nodeId: view.self,
    hostname: view.own.facts.hostname,
    version,
    phase: status.phase,
    note: view.own.note,
    assignment:
      assignment === undefined
        ? null
        : {
            role: assignment.role,
            name: assignment.name,
            address4: assignment.address4,
            address6: assignment.address6,
            reason: assignment.reason,
          },
    plan: summaryOf(view),
    members: {
      known: status.members.length,
      alive: status.members.filter((member) => member.liveness === 'alive').length,
    },
    peers: { connected: view.connected.length },
    waiting: status.waiting.map((wait) => ({ ...wait, missing: wait.missing.map((id) => named(view, id)) })),
    conditions: status.conditions,
  }
}

export function presentMembers(view: NodeView): MemberList {
  const body = view.chain.newest?.plan.body
  const others = view.membership.members.filter((member) => member.record.nodeId !== view.self)
  const self = { record: view.own, liveness: 'alive' as const, since: view.startedAt }
  const items = [self, ...others].map(({ record, liveness, since }) => {
    const assignment = body === undefined ? undefined : assignmentOf(body, record.nodeId)
    return {
      nodeId: record.nodeId,
      hostname: record.facts.hostname,
      self: record.nodeId === view.self,
      liveness,
      phase: record.phase,
      note: record.note,
      role: assignment?.role ?? ('' as const),
      name: assignment?.name ?? '',
      address4: assignment?.address4 ?? '',
      address6: assignment?.address6 ?? '',
      version: record.facts.version,
      k3sVersion: record.facts.k3sVersion,
      generation: record.plan.generation,
      incarnation: record.incarnation,
      endpoints: record.endpoints,
      since,
      lastHeard: record.nodeId === view.self ? view.now : (view.lastHeard(record.nodeId) ?? since),
    }
  })
  return {
    apiVersion,
    kind: 'MemberList',
    now: view.now,
    items: items.toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
  }
}

export function presentPeers(view: NodeView, peers: readonly PeerStatus[]): PeerList {
  const items = peers.map(({ id, connected, via, endpoint, rttMs, lastError, sinceMs, retryInMs }) => ({
    nodeId: id,
    hostname: hostnames(view).get(id) ?? '',
    connected,
    via,
    endpoint,
    ...(rttMs === undefined ? {} : { rttMs }),
    lastError,
    sinceMs,
    ...(retryInMs === undefined ? {} : { retryInMs }),
  }))
  return { apiVersion, kind: 'PeerList', now: view.now, items }
}

export function presentConditions(view: NodeView, status: NodeStatus): ConditionList {
  return { apiVersion, kind: 'ConditionList', now: view.now, items: status.conditions }
}

export function presentAddresses(view: NodeView): AddressList {
  const body = view.chain.newest?.plan.body
  const assigned = (body?.assignments ?? []).map((one) => ({ ...one, state: 'assigned' as const }))
  const retired = (body?.retired ?? []).map((one) => ({
    ...one,
    address6: '',
    role: '' as const,
    state: 'retired' as const,
  }))
  return { apiVersion, kind: 'AddressList', now: view.now, items: [...assigned, ...retired] }
}

/** The newest certified plan; undefined before any. */
export function presentPlan(view: NodeView): PlanResource | undefined {
  const newest = view.chain.newest
  const summary = summaryOf(view)
  if (newest === undefined || summary === null) return undefined
  const { header, body } = newest.plan
  const { certificate } = newest
  return {
    apiVersion,
    kind: 'Plan',
    summary,
    parentHash: header.parentHash,
    voters: header.voters,
    grant: header.grant,
    openChange: header.openChange,
    caHash: body.caHash,
    operatorKey: body.operatorKey,
    operatorSerial: body.operatorSerial,
    certificate: {
      ballot: certificate.ballot.number,
      proposer: certificate.ballot.proposer,
      votes: certificate.votes.map((vote) => vote.voter),
    },
    items: body.assignments,
  }
}

/** Why a node (by id, the end of its id, name or hostname) is what it is; undefined: no such node. */
export function presentExplanation(view: NodeView, wanted: string): ExplainResource | undefined {
  const plan = view.chain.newest?.plan
  if (plan === undefined) return undefined
  const names = hostnames(view)
  const ids = [
    ...plan.body.assignments.map((one) => one.nodeId),
    ...plan.body.retired.map((one) => one.nodeId),
  ]
  const nodeId = ids.find(
    (id) =>
      id === wanted ||
      names.get(id) === wanted ||
      assignmentOf(plan.body, id)?.name === wanted ||
      (wanted.length >= 6 && id.endsWith(wanted)),
  )
  if (nodeId === undefined) return undefined
  const assignment = assignmentOf(plan.body, nodeId)
  return {
    apiVersion,
    kind: 'Explanation',
    nodeId,
    name: assignment?.name ?? '',
    hostname: names.get(nodeId) ?? '',
    role: assignment?.role ?? '',
    address4: assignment?.address4 ?? '',
    address6: assignment?.address6 ?? '',
    reasons: explain(plan, nodeId),
  }
}

export function presentIdentity(view: NodeView, operatorKey: string): IdentityResource {
  const newest = view.chain.newest?.plan
  return {
    apiVersion,
    kind: 'Identity',
    nodeId: view.self,
    boot: view.boot,
    quarantine: view.quarantine ?? null,
    networkId: view.networkId,
    epoch: newest?.header.epoch ?? 0,
    clusterId: newest?.header.clusterId ?? '',
    operatorKey: newest?.body.operatorKey ?? operatorKey,
  }
}

export function presentSpec(view: NodeView, operatorKey: string): SpecResource {
  const newest = view.chain.newest
  return {
    apiVersion,
    kind: 'Spec',
    source: newest === undefined ? 'configuration' : 'plan',
    networkId: view.networkId,
    epoch: newest?.plan.header.epoch ?? 0,
    clusterId: newest?.plan.header.clusterId ?? '',
    generation: newest?.plan.header.generation ?? -1,
    hash: view.chain.hash,
    operatorKey: newest?.plan.body.operatorKey ?? operatorKey,
    operatorSerial: newest?.plan.body.operatorSerial ?? 0,
    spec: view.spec,
  }
}
