import type { Codec } from '../model/codec.ts'
import { boolean, integer, nullable, oneOf, pattern, struct, text } from '../model/codec.ts'
import type { NodeId } from '../model/ids.ts'
import type { ClusterPlan, PlanHeader } from '../model/plan.ts'
import type { K3sRole, K3sSecrets } from './types.ts'

/**
 * What a node must not forget about its k3s: under which grant its data were made, and what it has said
 * about them. Durable (state key `k3s`), written before the step or the statement that it announces.
 */
export interface K3sRecord {
  readonly clusterId: string
  readonly epoch: number
  /** Number of the grant that everything below, and everything on the disk, belongs to. */
  readonly grant: number
  readonly secrets: K3sSecrets | null
  /** What was started last; null: nothing yet under this grant. */
  readonly role: K3sRole | null
  /** This node made the CA of the grant and may start the first server with it. */
  readonly initialised: boolean
  /** The statement `initialised` was signed: others may have joined, so never init again. */
  readonly stated: boolean
  /** The statement `ready` was signed. */
  readonly ready: boolean
  /** Whom `server:` names; empty: nobody. */
  readonly server: NodeId
  /** `flagsKeyOf` what the unit was started with; empty: not started yet. */
  readonly flags: string
  /** Own etcd member id as a linearizable list showed it; empty: not a member yet. */
  readonly memberId: string
}

const hash = pattern(/^[0-9a-f]{64}$/, 'a hash')
const hex = pattern(/^[0-9a-f]{0,128}$/, 'hexadecimal text')

/** The stored form of a `K3sRecord`. */
export const k3sRecordCodec: Codec<K3sRecord> = struct({
  clusterId: hex,
  epoch: integer(),
  grant: integer(),
  secrets: nullable(struct({ caHash: hash, serverPassword: text(256), agentPassword: text(256) })),
  role: nullable(oneOf('server-init', 'server', 'agent')),
  initialised: boolean,
  stated: boolean,
  ready: boolean,
  server: text(64),
  flags: text(16),
  memberId: hex,
})

/** The record of a node that has nothing of this grant yet. */
export function freshRecord(header: PlanHeader, grant: number): K3sRecord {
  return {
    clusterId: header.clusterId,
    epoch: header.epoch,
    grant,
    secrets: null,
    role: null,
    initialised: false,
    stated: false,
    ready: false,
    server: '',
    flags: '',
    memberId: '',
  }
}

/** The grants that became `active` on a chain of certified headers, ascending: their data are never cleared. */
export function activeGrants(headers: readonly Pick<PlanHeader, 'phase' | 'grant'>[]): readonly number[] {
  const numbers = headers.flatMap((header) =>
    header.phase === 'active' && header.grant !== null ? [header.grant.number] : [],
  )
  return [...new Set(numbers)].toSorted((a, b) => a - b)
}

/**
 * What `asker` may have of this node's secrets under this node's newest certified plan: a server of the
 * plan (or of the team, before `active`) everything, a worker of an active plan the agent password,
 * anybody else nothing.
 */
export function secretsFor(
  asker: NodeId,
  plan: ClusterPlan,
  record: K3sRecord | undefined,
): K3sSecrets | undefined {
  const { grant, phase, clusterId } = plan.header
  if (record?.secrets === undefined || record.secrets === null || grant === null) return undefined
  if (record.clusterId !== clusterId || record.grant !== grant.number) return undefined
  if (record.secrets.serverPassword === '') return undefined
  if (phase === 'granted') return grant.team.includes(asker) ? record.secrets : undefined
  if (phase !== 'active') return undefined
  const assignment = plan.body.assignments.find((entry) => entry.nodeId === asker)
  if (assignment === undefined) return undefined
  return assignment.role === 'control-plane' ? record.secrets : { ...record.secrets, serverPassword: '' }
}
