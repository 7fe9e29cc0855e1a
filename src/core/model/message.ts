import type { Hash, NodeId } from './ids.ts'
import type { LivenessClaim, SignedRecord } from './member.ts'
import type { Ballot, CertifiedHeader, CertifiedPlan, CharterTerms, ClusterPlan, Vote } from './plan.ts'
import type { SignedStatement } from './statement.ts'

/** First words on a connection: who I am and where I stand. Sent again when the own record changes a lot. */
export interface HelloMessage {
  readonly kind: 'hello'
  readonly record: SignedRecord
}

/** SWIM probe, with what has to be gossiped anyway. */
export interface PingMessage {
  readonly kind: 'ping'
  readonly nonce: number
  /** Set when sent for somebody else (indirect probe): the answer goes back through the sender. */
  readonly claims: readonly LivenessClaim[]
}

export interface AckMessage {
  readonly kind: 'ack'
  readonly nonce: number
  readonly claims: readonly LivenessClaim[]
}

/** Please probe `subject` for me. */
export interface PingRequestMessage {
  readonly kind: 'ping-request'
  readonly nonce: number
  readonly subject: NodeId
}

/** The helper's probe was not answered in time: says that the helper itself is well (Lifeguard). */
export interface NackMessage {
  readonly kind: 'nack'
  readonly nonce: number
}

/** New records and claims, spread by gossip. */
export interface GossipMessage {
  readonly kind: 'gossip'
  readonly records: readonly SignedRecord[]
  readonly claims: readonly LivenessClaim[]
}

/** Anti-entropy, first step: what I hold, by version only. */
export interface DigestMessage {
  readonly kind: 'digest'
  /** One digest over all (id, incarnation, sequence), sorted. */
  readonly whole: Hash
  /** Empty in the first message; filled when the wholes differ. */
  readonly versions: readonly {
    readonly id: NodeId
    readonly incarnation: number
    readonly sequence: number
  }[]
  /** True when the receiver should answer with its own versions. */
  readonly ask: boolean
}

/** Anti-entropy, last step: please send me these. */
export interface RecordsRequestMessage {
  readonly kind: 'records-request'
  readonly ids: readonly NodeId[]
}

/** How often a voter has booted and voted: one that shows less than others remember runs on an old disk. */
export interface VoteStamp {
  readonly bootCounter: number
  readonly voteSequence: number
}

/** Paxos phase 1a. */
export interface PrepareMessage {
  readonly kind: 'prepare'
  readonly generation: number
  readonly parentHash: Hash | ''
  readonly ballot: Ballot
  /** Generation 0 only. */
  readonly terms: CharterTerms | null
}

/** Paxos phase 1b. */
export interface PromiseMessage {
  readonly kind: 'promise'
  readonly generation: number
  readonly parentHash: Hash | ''
  readonly ballot: Ballot
  readonly accepted: AcceptedValue | null
  readonly stamp: VoteStamp
}

/** What an acceptor has accepted: the value, its ballot, and its own signed vote for it. */
export interface AcceptedValue {
  readonly ballot: Ballot
  readonly plan: ClusterPlan
  readonly terms: CharterTerms | null
  readonly vote: Vote
}

/** Paxos phase 2a. */
export interface ProposeMessage {
  readonly kind: 'propose'
  readonly ballot: Ballot
  readonly plan: ClusterPlan
  readonly terms: CharterTerms | null
}

/** Paxos phase 2b, to all voters: each can build the certificate. */
export interface AcceptMessage {
  readonly kind: 'accept'
  readonly generation: number
  readonly parentHash: Hash | ''
  readonly planHash: Hash
  readonly ballot: Ballot
  readonly vote: Vote
  readonly stamp: VoteStamp
}

/** Why a voter does not vote for what it was asked. */
export interface RefuseMessage {
  readonly kind: 'refuse'
  readonly generation: number
  readonly ballot: Ballot
  /** Machine-readable reason, for example `HigherPromise`, `NotAVoter`, `ViewNotInList`, `TooManyIdentities`. */
  readonly reason: string
  readonly message: string
  /** The ballot that was promised, if that is the reason. */
  readonly promised: Ballot | null
  /** `auto`: every identity the voter ever heard of. */
  readonly view: readonly NodeId[]
}

/** "My newest certified plan is this": sent on connect, on change, and as an answer to older messages. */
export interface PlanAnnounceMessage {
  readonly kind: 'plan-announce'
  readonly clusterId: string
  readonly generation: number
  readonly hash: Hash
}

/** Please send the chain from this generation on. */
export interface PlanRequestMessage {
  readonly kind: 'plan-request'
  readonly fromGeneration: number
}

/** Certified headers in order, and the newest body if the last header is the sender's newest. */
export interface PlanChainMessage {
  readonly kind: 'plan-chain'
  readonly headers: readonly CertifiedHeader[]
  readonly newest: CertifiedPlan | null
}

/** A signed statement handed on: initialised, ready, stalled, dead, members, orders. */
export interface StatementMessage {
  readonly kind: 'statement'
  readonly signed: SignedStatement
}

/** A server or worker asks a control-plane node for what it needs to join k3s. */
export interface SecretsRequestMessage {
  readonly kind: 'secrets-request'
  readonly grant: number
}

/** k3s secrets, to a node that the newest certified plan entitles to them, over its own sealed connection. */
export interface SecretsMessage {
  readonly kind: 'secrets'
  readonly grant: number
  readonly caHash: Hash
  /** Only to control-plane nodes (and the team); empty for workers. */
  readonly serverPassword: string
  readonly agentPassword: string
}

/** A restarted voter asks the others whether they know a higher (boot counter, vote sequence) of it. */
export interface VoteCheckMessage {
  readonly kind: 'vote-check'
  readonly stamp: VoteStamp
}

/** Answer: the highest that this node has seen of the asker. */
export interface VoteCheckReplyMessage {
  readonly kind: 'vote-check-reply'
  /** Echo of the question, so that an old answer is not taken for a new one. */
  readonly asked: VoteStamp
  readonly known: VoteStamp
}

/** Everything nodes say to each other. One union, one codec, one exhaustive switch. */
export type Message =
  | HelloMessage
  | PingMessage
  | AckMessage
  | PingRequestMessage
  | NackMessage
  | GossipMessage
  | DigestMessage
  | RecordsRequestMessage
  | PrepareMessage
  | PromiseMessage
  | ProposeMessage
  | AcceptMessage
  | RefuseMessage
  | PlanAnnounceMessage
  | PlanRequestMessage
  | PlanChainMessage
  | StatementMessage
  | SecretsRequestMessage
  | SecretsMessage
  | VoteCheckMessage
  | VoteCheckReplyMessage

export type MembershipMessage = Extract<
  Message,
  { kind: 'hello' | 'ping' | 'ack' | 'ping-request' | 'nack' | 'gossip' | 'digest' | 'records-request' }
>

export type ConsensusMessage = Extract<
  Message,
  { kind: 'prepare' | 'promise' | 'propose' | 'accept' | 'refuse' | 'vote-check' | 'vote-check-reply' }
>
