import type { Hash, NodeId, Signature } from './ids.ts'
import type { ClusterSpec } from './spec.ts'

/** One member of etcd as a linearizable read listed it. */
export interface EtcdMember {
  /** Hexadecimal member id, never reused by etcd. */
  readonly id: string
  /** etcd's member name; empty until the member has started. */
  readonly name: string
  /** Address of the peer URL, without scheme and port. */
  readonly address: string
  readonly learner: boolean
}

interface StatementBase {
  readonly networkId: Hash
  readonly epoch: number
  readonly clusterId: string
}

/** "I made the CA of this grant and am starting k3s with it." Said once a grant, persisted first. */
export interface InitialisedStatement extends StatementBase {
  readonly kind: 'initialised'
  readonly grant: number
  readonly caHash: Hash
}

/** "etcd has the whole team as voters and the API answers." Persisted before it is said. */
export interface ReadyStatement extends StatementBase {
  readonly kind: 'ready'
  readonly grant: number
  readonly caHash: Hash
  /** Sorted by id. */
  readonly members: readonly EtcdMember[]
}

/** "I see no signed progress of the initialiser": a voter's ground to revoke a grant. */
export interface StalledStatement extends StatementBase {
  readonly kind: 'stalled'
  readonly grant: number
}

/** "I have heard nothing of this node for T_dead." A majority of voters makes it dead. */
export interface DeadStatement extends StatementBase {
  readonly kind: 'dead'
  readonly subject: NodeId
  /** The subject's incarnation that was silent: a later one refutes the statement. */
  readonly incarnation: number
}

/** A linearizable etcd member list, as one server read it under this plan. Closes an open change. */
export interface MembersStatement extends StatementBase {
  readonly kind: 'members'
  readonly generation: number
  readonly members: readonly EtcdMember[]
}

/** "My member of etcd is lost: its data are gone from my disk." A server's own word, under this plan. */
export interface LostStatement extends StatementBase {
  readonly kind: 'lost'
  readonly generation: number
  readonly memberId: string
}

/** An operator's order, signed with the operator key (the signer is that key in hex, not a node). */
export interface SpecStatement extends StatementBase {
  readonly kind: 'spec'
  /** Strictly increasing; a plan that carries a used serial is refused. */
  readonly serial: number
  readonly spec: ClusterSpec
}

/** `auto` birth only: go on without the nodes named, ordered by the operator. */
export interface WithoutStatement {
  readonly kind: 'without'
  readonly networkId: Hash
  readonly serial: number
  readonly without: readonly NodeId[]
}

/** "My key woke up on other hardware, as this start. Who hears another one?" (protocol 2.1, quarantine) */
export interface MovedStatement extends StatementBase {
  readonly kind: 'moved'
  /** Boot nonce of the start that asks. */
  readonly boot: string
}

/** "Of this key I have heard this start alone, for T_dead." A majority of voters ends the quarantine. */
export interface SilentStatement extends StatementBase {
  readonly kind: 'silent'
  readonly subject: NodeId
  readonly boot: string
}

/** An operator's order: the machine that runs this start is the node. Ends the quarantine. */
export interface KeepStatement extends StatementBase {
  readonly kind: 'keep'
  readonly subject: NodeId
  readonly boot: string
}

export type Statement =
  | InitialisedStatement
  | ReadyStatement
  | StalledStatement
  | DeadStatement
  | MembersStatement
  | LostStatement
  | SpecStatement
  | WithoutStatement
  | MovedStatement
  | SilentStatement
  | KeepStatement

/** A statement with who said it. `signer` is a node id, or the operator's public key in hex for orders. */
export interface SignedStatement {
  readonly statement: Statement
  readonly signer: NodeId
  readonly signature: Signature
}
