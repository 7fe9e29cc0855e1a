import type { Hash, NodeId, Signature } from './ids.ts'
import type { BootstrapSetting } from './spec.ts'
import type { EtcdMember } from './statement.ts'

/** What a machine says of itself; the planner chooses by it. */
export interface NodeFacts {
  readonly hostname: string
  readonly machineId: string
  /** For example `x64`, `arm64`. */
  readonly arch: string
  readonly cpus: number
  readonly memoryMiB: number
  /** Failure domain named by the user; empty: none. */
  readonly zone: string
  /** Whether the node may be a k3s server; a user can forbid it. */
  readonly roles: readonly ('control-plane' | 'worker')[]
  /** Has an installed, durable store. A live installer has none: it neither votes nor counts. */
  readonly durable: boolean
  /** Version of muster. */
  readonly version: string
  /** Version of the k3s binary; empty where there is none. */
  readonly k3sVersion: string
  /** IPv4/IPv6 networks of the machine's own links in CIDR form: an overlay that overlaps is refused. */
  readonly localNetworks: readonly string[]
}

/** Where a node stands on its own way, for everybody to see. Not evidence for any decision. */
export type MemberPhase =
  | 'waiting'
  | 'chartered'
  | 'overlay'
  | 'k3s-starting'
  | 'k3s-joining'
  | 'k3s-ready'
  /** Ready, with flags of an older spec: it waits for its turn to restart. */
  | 'k3s-outdated'
  | 'stopped'

/** A node's statement about itself. Only its owner writes it; the greater (incarnation, sequence) wins. */
export interface MemberRecord {
  readonly nodeId: NodeId
  readonly networkId: Hash
  /** Raised at each boot and to refute suspicion. */
  readonly incarnation: number
  /** Raised by each change within an incarnation. */
  readonly sequence: number
  /** Random, new at each start of the agent: two live ones for one key are a clone. */
  readonly bootNonce: string
  /** Digest of the birth record. */
  readonly birth: Hash
  readonly facts: NodeFacts
  readonly phase: MemberPhase
  /** Progress within the phase, one line, for people; a change of it counts as progress of an initialiser. */
  readonly note: string
  readonly left: boolean
  /** libp2p multiaddrs to dial. */
  readonly endpoints: readonly string[]
  /** UDP port of the overlay's data plane. */
  readonly overlayPort: number
  /** X25519 public key (hex) of the overlay's data plane, new at each start. */
  readonly overlayKey: string
  readonly bootstrap: BootstrapSetting
  /** Digest of the spec that this machine's configuration asks for. */
  readonly specHash: Hash
  /** Digest of each key of that spec, to say which keys differ between machines. */
  readonly specKeys: Readonly<Record<string, string>>
  /** Newest certified plan this node holds; generation -1 before any. */
  readonly plan: { readonly clusterId: string; readonly generation: number; readonly hash: Hash | '' }
  /** What this node's etcd listed under that plan, if it is a server that has looked; empty otherwise. */
  readonly etcd: readonly EtcdMember[]
}

/** A record with its owner's signature. */
export interface SignedRecord {
  readonly record: MemberRecord
  readonly signature: Signature
}

/**
 * SWIM's view of one node by one observer.
 *
 * What this node thinks of another (only the owner's own signed record moves it up again):
 *
 * ```
 *              a probe failed, or somebody says suspect or dead
 *    ┌─ alive ─────────────────────────────────────────────────▶ suspect ─┐
 *    │    ▲  ▲        record with a higher incarnation             │      │ the wait is over; each
 *    │    │  └─────────────────────────────────────────────────────┘      │ accuser shortens it
 *    │    │           record with a higher incarnation                    ▼
 *    │    └──────────────────────────────────────────────────────────── dead   knocked at for ever,
 *    │ record that says `left`                                             │    in doubling waits
 *    └──────────────────────────────────▶ left ◀───────────────────────────┘
 * ```
 */
export type Liveness = 'alive' | 'suspect' | 'dead' | 'left'

/** One line of SWIM gossip: what somebody says of `subject`. Refuted by a higher incarnation. */
export interface LivenessClaim {
  readonly subject: NodeId
  readonly incarnation: number
  readonly liveness: Liveness
  /** Who says so first; independent suspicions shorten the wait. */
  readonly by: NodeId
}

/** One member as this node knows it now. */
export interface MemberView {
  readonly record: MemberRecord
  readonly liveness: Liveness
  /** When the present liveness began, on this node's clock. */
  readonly since: number
}

/** What one node knows now: partial and stale by nature. Sorted by node id. */
export interface MembershipView {
  readonly self: NodeId
  readonly members: readonly MemberView[]
}

/** A member of which only some of its record is read. */
export interface MemberOf<K extends keyof MemberRecord> extends Omit<MemberView, 'record'> {
  readonly record: Pick<MemberRecord, K>
}

/** A view of such members. */
export interface ViewOf<K extends keyof MemberRecord> {
  readonly self: NodeId
  readonly members: readonly MemberOf<K>[]
}

const indices = new WeakMap<object, ReadonlyMap<NodeId, unknown>>()

/** The view as a map, made once for each view. */
export function membersById<M extends MemberOf<'nodeId'>>(view: {
  readonly members: readonly M[]
}): ReadonlyMap<NodeId, M> {
  let index = indices.get(view) as ReadonlyMap<NodeId, M> | undefined
  if (index === undefined) {
    index = new Map(view.members.map((member) => [member.record.nodeId, member]))
    indices.set(view, index)
  }
  return index
}

/** Order of two records of one owner: positive when `a` is newer. */
export function compareRecords(
  a: Pick<MemberRecord, 'incarnation' | 'sequence'>,
  b: Pick<MemberRecord, 'incarnation' | 'sequence'>,
): number {
  return a.incarnation - b.incarnation || a.sequence - b.sequence
}
