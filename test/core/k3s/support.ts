import type { K3sInput } from '../../../src/core/k3s/decision.ts'
import { accessKeyOf, fingerprintOf } from '../../../src/core/k3s/files.ts'
import type { K3sRecord } from '../../../src/core/k3s/record.ts'
import { freshRecord } from '../../../src/core/k3s/record.ts'
import type { K3sObservation, K3sSecrets, K3sStep } from '../../../src/core/k3s/types.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import type { ClusterPlan, PlanHeader } from '../../../src/core/model/plan.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import type { EtcdMember, InitialisedStatement } from '../../../src/core/model/statement.ts'

export const nodes: readonly NodeId[] = ['n1', 'n2', 'n3', 'n4', 'n5']
export const clusterId = 'c0ffee'
export const secrets: K3sSecrets = { caHash: 'a'.repeat(64), serverPassword: 's', agentPassword: 'w' }

export function addressOf(node: NodeId): string {
  return `10.144.0.${node.slice(1)}`
}

/** A plan in which n1, n2, n3 are servers and the team, and the rest are workers. */
export function planOf(
  header: Partial<PlanHeader>,
  servers: readonly NodeId[] = ['n1', 'n2', 'n3'],
  caHash: string = header.phase === 'active' ? secrets.caHash : '',
): ClusterPlan {
  return {
    header: {
      networkId: '0'.repeat(64),
      epoch: 0,
      generation: 1,
      parentHash: '',
      clusterId,
      phase: 'granted',
      voters: ['n1', 'n2', 'n3'],
      grant: { number: 1, team: ['n1', 'n2', 'n3'] },
      openChange: null,
      bodyHash: '0'.repeat(64),
      ...header,
    },
    body: {
      spec: defaultSpec,
      operatorKey: 'none',
      operatorSerial: 0,
      prefix6: 'fd00::/64',
      caHash,
      assignments: nodes.map((nodeId) => ({
        nodeId,
        role: servers.includes(nodeId) ? 'control-plane' : 'worker',
        name: `node-${nodeId}`,
        address4: addressOf(nodeId),
        address6: `fd00::${nodeId.slice(1)}`,
        reason: '',
      })),
      retired: [],
      evidence: [],
    },
  }
}

export function member(node: NodeId, change: Partial<EtcdMember> = {}): EtcdMember {
  return {
    id: `a${node.slice(1)}`,
    name: `node-${node}-1`,
    address: addressOf(node),
    learner: false,
    ...change,
  }
}

/** An untouched machine. */
export const blank: K3sObservation = {
  installed: true,
  version: 'v1.36.3+k3s1',
  unit: 'absent',
  detail: '',
  apiAnswers: false,
  ready: false,
  hasEtcdData: false,
  tombstone: false,
  caHash: '',
  configured: '',
  access: '',
  members: undefined,
}

/** The machine after a step was carried out on it and the unit got going. */
export function after(step: K3sStep | undefined, change: Partial<K3sObservation> = {}): K3sObservation {
  if (step?.kind !== 'start' && step?.kind !== 'configure') return { ...blank, ...change }
  const configured = fingerprintOf(step.files)
  return { ...blank, unit: 'running', configured, access: accessKeyOf(step.allow), ...change }
}

export function recordOf(plan: ClusterPlan, change: Partial<K3sRecord> = {}): K3sRecord {
  return { ...freshRecord(plan.header, plan.header.grant?.number ?? 0), ...change }
}

export function statementOf(grant = 1, caHash: string = secrets.caHash): InitialisedStatement {
  return { kind: 'initialised', networkId: '0'.repeat(64), epoch: 0, clusterId, grant, caHash }
}

export function inputOf(change: Partial<K3sInput> & Pick<K3sInput, 'plan'>): K3sInput {
  return {
    self: 'n1',
    activeGrants: change.plan.header.phase === 'active' ? [change.plan.header.grant?.number ?? 0] : [],
    record: undefined,
    observation: blank,
    initialised: undefined,
    secrets: undefined,
    lists: [],
    overlayUp: true,
    aliveNodes: nodes,
    haltedServers: [],
    peers: nodes.map((id) => ({ id, phase: 'k3s-ready', generation: change.plan.header.generation })),
    busy: false,
    now: 0,
    ...change,
  }
}
