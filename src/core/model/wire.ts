import type { Codec } from './codec.ts'
import {
  boolean,
  bytes,
  decodeStrict,
  dictionary,
  encodeCanonical,
  integer,
  list,
  nullable,
  oneOf,
  pattern,
  struct,
  tagged,
  text,
} from './codec.ts'
import * as limits from './limits.ts'
import type { LivenessClaim, MemberRecord, NodeFacts, SignedRecord } from './member.ts'
import type { AcceptedValue, Message } from './message.ts'
import type {
  Ballot,
  CertifiedHeader,
  CertifiedPlan,
  CharterTerms,
  ClusterPlan,
  PlanBody,
  PlanHeader,
  Vote,
} from './plan.ts'
import type { BootstrapSetting, ClusterSpec } from './spec.ts'
import type { EtcdMember, SignedStatement, Statement } from './statement.ts'

// The shapes of everything that crosses a wire or is read back from a disk: one codec per noun, bottom up.

const id = pattern(/^[1-9A-HJ-NP-Za-km-z]{32,64}$/, 'a peer id')
const hash = pattern(/^[0-9a-f]{64}$/, 'a hash')
const hashOrNone = pattern(/^([0-9a-f]{64})?$/, 'a hash or nothing')
const hex = pattern(/^[0-9a-f]{0,128}$/, 'hexadecimal text')
const short = text(256)
const line = text(limits.textBytesMax)
const count = integer()
const signature = bytes(64)
const argumentLists = dictionary(list(line, 64), 128)

export const bootstrapCodec: Codec<BootstrapSetting> = tagged<'mode', BootstrapSetting>('mode', {
  expect: struct({ mode: oneOf('expect'), expect: integer(1, limits.membersMax) }),
  tolerate: struct({
    mode: oneOf('tolerate'),
    expect: integer(1, limits.membersMax),
    tolerate: integer(0, limits.membersMax),
    slack: integer(0, limits.membersMax),
  }),
  voters: struct({ mode: oneOf('voters'), voters: list(id, limits.charterListMax) }),
  auto: struct({ mode: oneOf('auto') }),
})

const timer = integer(1, 86_400_000)

export const specCodec: Codec<ClusterSpec> = struct({
  controlPlane: integer(1, 7),
  addresses: struct({ ipv4: short }),
  k3s: struct({
    version: short,
    clusterCidr: short,
    serviceCidr: short,
    clusterDns: short,
    clusterDomain: short,
    flannelBackend: short,
    disable: list(short, 32),
    tlsSan: list(short, 64),
    serverArgs: argumentLists,
    agentArgs: argumentLists,
  }),
  timers: struct({
    probeIntervalMs: timer,
    probeTimeoutMs: timer,
    gossipIntervalMs: timer,
    antiEntropyIntervalMs: timer,
    leaderTimeoutMs: timer,
    acceptTimeoutMs: timer,
    initTimeoutMs: timer,
    deadAfterMs: timer,
    promoteAfterMs: timer,
    settleMs: timer,
    bootGraceMs: timer,
  }),
})

const etcdMember: Codec<EtcdMember> = struct({ id: hex, name: short, address: short, learner: boolean })
const etcdMembers = list(etcdMember, limits.etcdMembersMax)
const base = { networkId: hash, epoch: count, clusterId: hex }

const statement: Codec<Statement> = tagged<'kind', Statement>('kind', {
  initialised: struct({ kind: oneOf('initialised'), ...base, grant: count, caHash: hash }),
  ready: struct({ kind: oneOf('ready'), ...base, grant: count, caHash: hash, members: etcdMembers }),
  stalled: struct({ kind: oneOf('stalled'), ...base, grant: count }),
  dead: struct({ kind: oneOf('dead'), ...base, subject: id, incarnation: count }),
  members: struct({ kind: oneOf('members'), ...base, generation: count, members: etcdMembers }),
  lost: struct({ kind: oneOf('lost'), ...base, generation: count, memberId: hex }),
  spec: struct({ kind: oneOf('spec'), ...base, serial: count, spec: specCodec }),
  moved: struct({ kind: oneOf('moved'), ...base, boot: hex }),
  silent: struct({ kind: oneOf('silent'), ...base, subject: id, boot: hex }),
  keep: struct({ kind: oneOf('keep'), ...base, subject: id, boot: hex }),
  without: struct({
    kind: oneOf('without'),
    networkId: hash,
    serial: count,
    without: list(id, limits.charterListMax),
  }),
})

export const signedStatementCodec: Codec<SignedStatement> = struct({ statement, signer: short, signature })

const facts: Codec<NodeFacts> = struct({
  hostname: short,
  machineId: short,
  arch: short,
  cpus: count,
  memoryMiB: count,
  zone: short,
  roles: list(oneOf('control-plane', 'worker'), 2),
  durable: boolean,
  version: short,
  k3sVersion: short,
  localNetworks: list(short, limits.localNetworksMax),
})

const record: Codec<MemberRecord> = struct({
  nodeId: id,
  networkId: hash,
  incarnation: count,
  sequence: count,
  bootNonce: hex,
  birth: hash,
  facts,
  phase: oneOf(
    'waiting',
    'chartered',
    'overlay',
    'k3s-starting',
    'k3s-joining',
    'k3s-ready',
    'k3s-outdated',
    'stopped',
  ),
  note: line,
  left: boolean,
  endpoints: list(short, limits.endpointsMax),
  overlayPort: integer(0, 65_535),
  overlayKey: hex,
  bootstrap: bootstrapCodec,
  specHash: hash,
  specKeys: dictionary(short, 64),
  plan: struct({ clusterId: hex, generation: integer(-1), hash: hashOrNone }),
  etcd: etcdMembers,
})

export const signedRecordCodec: Codec<SignedRecord> = struct({ record, signature })

const claim: Codec<LivenessClaim> = struct({
  subject: id,
  incarnation: count,
  liveness: oneOf('alive', 'suspect', 'dead', 'left'),
  by: id,
})
const claims = list(claim, limits.claimsPerMessageMax)

export const ballotCodec: Codec<Ballot> = struct({ number: count, proposer: id })

export const termsCodec: Codec<CharterTerms> = struct({
  setting: bootstrapCodec,
  quorum: integer(1, limits.membersMax),
  list: list(id, limits.charterListMax),
  without: list(id, limits.charterListMax),
})

export const voteCodec: Codec<Vote> = struct({ voter: id, signature })

export const headerCodec: Codec<PlanHeader> = struct({
  networkId: hash,
  epoch: count,
  generation: count,
  parentHash: hashOrNone,
  clusterId: hex,
  phase: oneOf('chartered', 'granted', 'active', 'dissolved'),
  voters: list(id, limits.votersMax),
  grant: nullable(struct({ number: count, team: list(id, limits.votersMax) })),
  openChange: nullable(struct({ kind: oneOf('add', 'remove'), node: id, etcdMemberId: hex })),
  bodyHash: hash,
})

const body: Codec<PlanBody> = struct({
  spec: specCodec,
  operatorKey: short,
  operatorSerial: count,
  prefix6: short,
  caHash: hashOrNone,
  assignments: list(
    struct({
      nodeId: id,
      role: oneOf('control-plane', 'worker'),
      name: short,
      address4: short,
      address6: short,
      reason: line,
    }),
    limits.assignmentsMax,
  ),
  retired: list(struct({ nodeId: id, name: short, address4: short, reason: line }), limits.retiredMax),
  evidence: list(signedStatementCodec, limits.evidenceMax),
})

export const planCodec: Codec<ClusterPlan> = struct({ header: headerCodec, body })

const certificate = struct({
  ballot: ballotCodec,
  terms: nullable(termsCodec),
  votes: list(voteCodec, limits.charterListMax),
})

export const certifiedHeaderCodec: Codec<CertifiedHeader> = struct({ header: headerCodec, certificate })
export const certifiedPlanCodec: Codec<CertifiedPlan> = struct({ plan: planCodec, certificate })

export const acceptedCodec: Codec<AcceptedValue> = struct({
  ballot: ballotCodec,
  plan: planCodec,
  terms: nullable(termsCodec),
  vote: voteCodec,
})

const nonce = count
const stamp = struct({ bootCounter: count, voteSequence: count })
const at = { generation: count, parentHash: hashOrNone, ballot: ballotCodec }

/** Every message of the protocol. */
export const messageCodec: Codec<Message> = tagged<'kind', Message>('kind', {
  hello: struct({ kind: oneOf('hello'), record: signedRecordCodec }),
  ping: struct({ kind: oneOf('ping'), nonce, claims }),
  ack: struct({ kind: oneOf('ack'), nonce, claims }),
  'ping-request': struct({ kind: oneOf('ping-request'), nonce, subject: id }),
  nack: struct({ kind: oneOf('nack'), nonce }),
  gossip: struct({
    kind: oneOf('gossip'),
    records: list(signedRecordCodec, limits.recordsPerMessageMax),
    claims,
  }),
  digest: struct({
    kind: oneOf('digest'),
    whole: hash,
    versions: list(struct({ id, incarnation: count, sequence: count }), limits.membersMax),
    ask: boolean,
  }),
  'records-request': struct({ kind: oneOf('records-request'), ids: list(id, limits.membersMax) }),
  prepare: struct({ kind: oneOf('prepare'), ...at, terms: nullable(termsCodec) }),
  promise: struct({ kind: oneOf('promise'), ...at, accepted: nullable(acceptedCodec), stamp }),
  propose: struct({
    kind: oneOf('propose'),
    ballot: ballotCodec,
    plan: planCodec,
    terms: nullable(termsCodec),
  }),
  accept: struct({ kind: oneOf('accept'), ...at, planHash: hash, vote: voteCodec, stamp }),
  refuse: struct({
    kind: oneOf('refuse'),
    generation: count,
    ballot: ballotCodec,
    reason: short,
    message: line,
    promised: nullable(ballotCodec),
    view: list(id, limits.membersMax),
  }),
  'plan-announce': struct({ kind: oneOf('plan-announce'), clusterId: hex, generation: count, hash }),
  'plan-request': struct({ kind: oneOf('plan-request'), fromGeneration: count }),
  'plan-chain': struct({
    kind: oneOf('plan-chain'),
    headers: list(certifiedHeaderCodec, limits.headersPerMessageMax),
    newest: nullable(certifiedPlanCodec),
  }),
  statement: struct({ kind: oneOf('statement'), signed: signedStatementCodec }),
  'secrets-request': struct({ kind: oneOf('secrets-request'), grant: count }),
  secrets: struct({
    kind: oneOf('secrets'),
    grant: count,
    caHash: hash,
    serverPassword: short,
    agentPassword: short,
  }),
  'vote-check': struct({ kind: oneOf('vote-check'), stamp }),
  'vote-check-reply': struct({ kind: oneOf('vote-check-reply'), asked: stamp, known: stamp }),
})

/** Canonical bytes of a message, without framing. */
export function encodeMessage(message: Message): Uint8Array {
  return encodeCanonical(message)
}

/** Strict decode of one message. Throws `CodecError`. */
export function decodeMessage(encoded: Uint8Array): Message {
  return decodeStrict(messageCodec, encoded)
}
