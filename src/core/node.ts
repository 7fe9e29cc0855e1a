import type { Effect, LocalAnswer } from './effect.ts'
import type { Input } from './input.ts'
import type { NetworkEvent, StoredState, Write } from './ports.ts'
import type { Chain } from './consensus/chain.ts'
import { emptyChain, extendChain, generationOf, nextElectorate } from './consensus/chain.ts'
import type { ConsensusOutput, ConsensusView } from './consensus/consensus.ts'
import { Consensus } from './consensus/consensus.ts'
import { registerCodec } from './consensus/register.ts'
import type { BootRecord } from './identity/boot.ts'
import { bootCodec } from './identity/boot.ts'
import type { K3sDecision } from './k3s/decision.ts'
import type { K3sObservation } from './k3s/types.ts'
import { Membership } from './membership/membership.ts'
import { decodeTree, list } from './model/codec.ts'
import type { Crypto } from './model/crypto.ts'
import type { Hash, Instant, NodeId } from './model/ids.ts'
import { shortId } from './model/ids.ts'
import type { MemberRecord, MembershipView, NodeFacts } from './model/member.ts'
import type { MembershipMessage, Message, PlanChainMessage } from './model/message.ts'
import type { CertifiedPlan, ClusterPlan } from './model/plan.ts'
import { planHash } from './model/plan-hash.ts'
import { Random } from './model/random.ts'
import type { BootstrapSetting, ClusterSpec } from './model/spec.ts'
import type { InitialisedStatement, SignedStatement, Statement } from './model/statement.ts'
import { certifiedHeaderCodec, certifiedPlanCodec } from './model/wire.ts'
import { headersPerMessageMax } from './model/limits.ts'
import type { BirthOffer, BirthSituation } from './node/birth.ts'
import { admitBirth, birthElectors, offerBirth } from './node/birth.ts'
import { Execution } from './node/execution.ts'
import type { FollowWaiting } from './node/follow.ts'
import { Follow } from './node/follow.ts'
import { specKeyDigests } from './node/own-record.ts'
import type { Refusal } from './node/refusals.ts'
import { Refusals } from './node/refusals.ts'
import { SeenIdentities } from './node/seen.ts'
import { StatementBook } from './node/statement-book.ts'
import { dueTestimony, nextTestimonyAt } from './node/testimony.ts'
import { buildOverlayIntent } from './overlay/build-intent.ts'
import type { OverlayIntent, OverlayState } from './overlay/intent.ts'
import { planCharter } from './planner/charter.ts'
import { judge } from './planner/judge.ts'
import { planNext } from './planner/next.ts'
import { checkSpecChange } from './planner/spec-change.ts'

/** Remembered peers are written at most so often. */
const rememberIntervalMs = 30_000

/** Own statements are said again to the voters at this interval while they are awaited. */
const repeatStatementsMs = 3_000

/** All that a node is told at its start. */
export interface NodeInit {
  readonly self: NodeId
  readonly crypto: Crypto
  readonly networkId: Hash
  /** Overlay IPv6 prefix (`/64`) from the token. */
  readonly prefix6: string
  /** Operator's public key (hex) from the token, or `none`. */
  readonly operatorKey: string
  readonly bootstrap: BootstrapSetting
  /** How long after the start voting on a charter is enabled. */
  readonly bootstrapDelayMs: number
  readonly spec: ClusterSpec
  readonly facts: NodeFacts
  /** Digest of the birth record. */
  readonly birth: Hash
  /** This start of the agent; the agent has raised the counter. */
  readonly boot: BootRecord
  /** 32 random bytes: the only randomness of the core. */
  readonly entropy: Uint8Array
  readonly stored: StoredState
  readonly overlay: {
    readonly device: string
    readonly mtu: number
    readonly port: number
    readonly publicKey: string
  }
  readonly now: Instant
  /** Set when the identity is in doubt (moved or cloned disk): the node votes for nothing until resolved. */
  readonly quarantine: string | undefined
}

/** A plan of this network that does not descend from ours. */
export interface ForkReport {
  readonly clusterId: string
  readonly generation: number
  readonly from: NodeId
}

/** What the node knows of itself, for status and the API. Getters, no second copy of the truth. */
export interface NodeView {
  readonly self: NodeId
  readonly networkId: Hash
  readonly now: Instant
  readonly startedAt: Instant
  readonly chain: Chain
  readonly spec: ClusterSpec
  readonly bootstrap: BootstrapSetting
  readonly membership: MembershipView
  readonly own: MemberRecord
  readonly connected: readonly NodeId[]
  readonly consensus: ConsensusView
  readonly birth: BirthOffer | undefined
  readonly charterRefused:
    | { readonly reason: string; readonly message: string; readonly hint: string }
    | undefined
  readonly planning: readonly string[]
  readonly following: readonly FollowWaiting[]
  readonly forks: readonly ForkReport[]
  readonly overlay: OverlayState | undefined
  readonly k3s: K3sDecision | undefined
  readonly k3sObservation: K3sObservation | undefined
  readonly k3sFailure: string
  readonly statements: readonly SignedStatement[]
  readonly refusals: readonly Refusal[]
  readonly linkUp: boolean
  /** Until voting on a charter is enabled. */
  readonly holdMs: number
  readonly quarantine: string | undefined
  readonly seen: readonly NodeId[]
}

/**
 * One node: the pure state machine that ties membership, consensus, planner, overlay and k3s together.
 *
 * ```
 *   input ─▶ handle ─▶ membership ─▶ consensus ─▶ planner ─▶ overlay ─▶ k3s ─▶ drain ─▶ effects
 * ```
 * Every input ends in `#settle`, which lets each part see what the others have concluded until nothing
 * changes. `drain` puts all that must be durable first.
 */
export class ClusterNode {
  readonly #init: NodeInit
  readonly #random: Random
  readonly #membership: Membership
  readonly #consensus: Consensus
  readonly #seen: SeenIdentities
  readonly #statements: StatementBook
  readonly #follow: Follow
  readonly #execution: Execution
  readonly #refusals = new Refusals()
  readonly #connections = new Map<NodeId, string>()
  readonly #forks = new Map<string, ForkReport>()
  readonly #startedAt: Instant
  readonly #specHash: Hash
  #chain: Chain
  #now: Instant
  #linkUp = true
  #lastNewIdentityAt: Instant
  #progress: { key: string; at: Instant }
  #planning: readonly string[] = []
  #charterRefused: NodeView['charterRefused']
  #overlayIntent = ''
  #overlayState: OverlayState | undefined
  #contacts = ''
  #rememberedAt = Number.NEGATIVE_INFINITY
  #repeatedAt = Number.NEGATIVE_INFINITY
  #pace: 'forming' | 'settled' | undefined
  #outbox: Effect[] = []
  #loopback: Message[] = []
  #writes: Write[] = []

  constructor(init: NodeInit) {
    const { self, crypto, networkId, stored, now, spec } = init
    this.#init = init
    this.#now = now
    this.#startedAt = now
    this.#lastNewIdentityAt = now
    this.#progress = { key: '', at: now }
    this.#random = new Random(init.entropy)
    this.#chain = loadChain(stored, networkId, crypto)
    this.#seen = new SeenIdentities(stored.values.seen)
    this.#statements = new StatementBook(crypto)
    this.#follow = new Follow(networkId, crypto)
    this.#execution = new Execution(stored.values.k3s)
    this.#specHash = crypto.digest('muster/spec/1', spec)
    const timers = this.#spec.timers
    this.#membership = new Membership({
      self,
      networkId,
      crypto,
      random: this.#random,
      timers,
      own: this.#firstRecord(),
      now,
    })
    this.#consensus = new Consensus(
      {
        self,
        bootCounter: init.boot.counter,
        crypto,
        random: this.#random,
        timers,
        electorate: nextElectorate(this.#chain, networkId),
        register:
          stored.values.register === undefined
            ? undefined
            : decodeTree(registerCodec, stored.values.register),
        leader: this.#chain.newest?.certificate.ballot.proposer,
        now,
      },
      {
        terms: () => this.#terms(),
        electors: (terms) => birthElectors(this.#birthSituation(), terms),
        admits: (terms, proposer) => admitBirth(this.#birthSituation(), terms, proposer),
        hear: (ids) => this.#hear(ids),
        alive: (id) => this.#isAlive(id),
        judge: (plan) => this.#judge(plan),
        draft: (promisers) => this.#draft(promisers),
      },
    )
    this.#writes.push({ op: 'put', key: 'boot', value: init.boot })
    this.#hear([self])
    this.#settle()
  }

  /** Takes one input. Effects are waiting in `drain` afterwards. */
  handle(input: Input, now: Instant): void {
    this.#now = Math.max(this.#now, now)
    this.#take(input)
    this.#settle()
  }

  /** What to do, in order: whatever must be durable first, then messages, then everything else. */
  drain(): readonly Effect[] {
    const writes = mergeWrites(this.#writes)
    const effects = this.#outbox
    this.#writes = []
    this.#outbox = []
    return writes.length === 0 ? effects : [{ kind: 'persist', writes }, ...effects]
  }

  /** When `handle({kind: 'deadline'})` is wanted at the latest. */
  nextDeadline(): Instant | undefined {
    const times = [
      this.#membership.nextDeadline(),
      this.#consensus.nextDeadline(),
      this.#execution.nextDeadline(this.#now),
      this.#nextTestimonyAt(),
      this.#holdMs() > 0 && this.#chain.newest === undefined ? this.#now + this.#holdMs() : undefined,
      this.#chain.newest?.plan.header.phase === 'granted' ? this.#repeatedAt + repeatStatementsMs : undefined,
    ].filter((time) => time !== undefined)
    return times.length === 0 ? undefined : Math.max(this.#now, Math.min(...times))
  }

  /** The present state, for status and the API. */
  view(): NodeView {
    return {
      self: this.#init.self,
      networkId: this.#init.networkId,
      now: this.#now,
      startedAt: this.#startedAt,
      chain: this.#chain,
      spec: this.#spec,
      bootstrap: this.#init.bootstrap,
      membership: this.#membership.view(),
      own: this.#membership.own().record,
      connected: [...this.#connections.keys()].toSorted(),
      consensus: this.#consensus.view(),
      birth: this.#chain.newest === undefined ? offerBirth(this.#birthSituation()) : undefined,
      charterRefused: this.#charterRefused,
      planning: this.#planning,
      following: this.#chain.newest === undefined ? this.#follow.waiting() : [],
      forks: [...this.#forks.values()],
      overlay: this.#overlayState,
      k3s: this.#execution.decision,
      k3sObservation: this.#execution.observation,
      k3sFailure: this.#execution.lastFailure,
      statements: this.#statements.all(),
      refusals: this.#refusals.all(),
      linkUp: this.#linkUp,
      holdMs: this.#holdMs(),
      quarantine: this.#init.quarantine,
      seen: this.#seen.all(),
    }
  }

  // Inputs

  #take(input: Input): void {
    switch (input.kind) {
      case 'message':
        return this.#takeMessage(input.from, input.message)
      case 'deadline':
        this.#membership.handleDeadline(this.#now)
        return this.#consensus.handleDeadline(this.#now)
      case 'peer-up':
      case 'peer-down':
      case 'peer-found':
      case 'peer-refused':
      case 'machine-changed':
        return this.#takeNetworkEvent(input)
      case 'overlay-observed':
        this.#overlayState = input.state
        return
      case 'k3s-observed':
        return this.#execution.observed(input.observation)
      case 'k3s-result':
        return this.#execution.result(input.result, this.#now)
      case 'request':
        this.#outbox.push({
          kind: 'answer',
          requestId: input.requestId,
          answer: this.#order(input.request.signed),
        })
        return
      case 'leaving':
        return this.#membership.update({ phase: 'stopped', note: 'the agent is going down' }, this.#now)
    }
  }

  #takeNetworkEvent(event: Exclude<NetworkEvent, { kind: 'message' }>): void {
    switch (event.kind) {
      case 'peer-up':
        this.#connections.set(event.peer, event.endpoint)
        this.#hear([event.peer])
        this.#membership.peerUp(event.peer, this.#now)
        this.#consensus.peerUp(event.peer)
        this.#announceTo(event.peer)
        this.#sayOwnStatements([event.peer])
        return
      case 'peer-down':
        this.#connections.delete(event.peer)
        this.#follow.peerDown(event.peer)
        return this.#membership.peerDown(event.peer, this.#now)
      case 'peer-found':
        return this.#hear([event.peer])
      case 'peer-refused':
        return this.#refusals.add(event, this.#now)
      case 'machine-changed':
        this.#linkUp = event.linkUp
        return this.#membership.update(
          {
            endpoints: event.endpoints,
            facts: { ...this.#membership.own().record.facts, localNetworks: event.localNetworks },
          },
          this.#now,
        )
    }
  }

  #takeMessage(from: NodeId, message: Message): void {
    switch (message.kind) {
      case 'hello':
      case 'ping':
      case 'ack':
      case 'ping-request':
      case 'nack':
      case 'gossip':
      case 'digest':
      case 'records-request':
        return this.#membership.handle(from, message satisfies MembershipMessage, this.#now)
      case 'prepare':
      case 'promise':
      case 'propose':
      case 'accept':
      case 'refuse':
      case 'vote-check':
      case 'vote-check-reply':
        if (this.#init.quarantine === undefined) this.#consensus.handle(from, message, this.#now)
        if (message.kind === 'prepare' || message.kind === 'propose') this.#helpLaggard(from, message)
        return
      case 'plan-announce':
        this.#follow.announced(from, message)
        return this.#compareGeneration(from, message.clusterId, message.generation, message.hash)
      case 'plan-request':
        return this.#answerPlanRequest(from, message.fromGeneration)
      case 'plan-chain':
        return this.#takeChain(from, message)
      case 'statement':
        return this.#takeStatement(from, message.signed)
      case 'secrets-request': {
        const answer = this.#execution.secretsFor(from, this.#chain)
        if (answer !== undefined) this.#send(from, answer)
        return
      }
      case 'secrets':
        return this.#execution.secretsArrived(from, message)
    }
  }

  // Plans

  /** A voter that asks about an older generation gets the certified headers; about a newer one, a question. */
  #helpLaggard(from: NodeId, message: Extract<Message, { kind: 'prepare' | 'propose' }>): void {
    const generation = message.kind === 'prepare' ? message.generation : message.plan.header.generation
    if (generation <= generationOf(this.#chain)) this.#announceTo(from)
    else if (generation > this.#chain.headers.length) this.#ask(from)
  }

  #compareGeneration(from: NodeId, clusterId: string, generation: number, hash: Hash): void {
    const mine = this.#chain.newest?.plan.header
    if (mine === undefined) return this.#send(from, { kind: 'plan-request', fromGeneration: 0 })
    if (mine.clusterId !== clusterId) {
      if (!this.#forks.has(clusterId)) this.#send(from, { kind: 'plan-request', fromGeneration: 0 })
      return
    }
    if (generation > mine.generation) this.#ask(from)
    else if (generation < mine.generation) this.#announceTo(from)
    else if (hash !== this.#chain.hash) this.#send(from, { kind: 'plan-request', fromGeneration: 0 })
  }

  #ask(peer: NodeId): void {
    this.#send(peer, { kind: 'plan-request', fromGeneration: this.#chain.headers.length })
  }

  #announceTo(peer: NodeId): void {
    const header = this.#chain.newest?.plan.header
    if (header === undefined || this.#chain.hash === '') return
    const { clusterId, generation } = header
    this.#send(peer, { kind: 'plan-announce', clusterId, generation, hash: this.#chain.hash })
  }

  #answerPlanRequest(from: NodeId, fromGeneration: number): void {
    const { headers, newest } = this.#chain
    if (newest === undefined) return
    const part = headers.slice(fromGeneration, fromGeneration + headersPerMessageMax)
    const complete = fromGeneration + part.length >= headers.length
    this.#send(from, { kind: 'plan-chain', headers: part, newest: complete ? newest : null })
  }

  #takeChain(from: NodeId, message: PlanChainMessage): void {
    const extension = this.#follow.offered(from, message, this.#chain)
    switch (extension.kind) {
      case 'known':
        return
      case 'gap':
        return this.#send(from, { kind: 'plan-request', fromGeneration: extension.from })
      case 'partial':
        return this.#send(from, { kind: 'plan-request', fromGeneration: extension.from })
      case 'invalid':
        this.#outbox.push({
          kind: 'cut-off',
          peer: from,
          code: 'Garbage',
          detail: `a forged plan: ${extension.flaw}`,
        })
        return
      case 'fork': {
        const { clusterId, generation } = extension
        const key =
          this.#chain.newest?.plan.header.clusterId === clusterId ? `${clusterId}/${generation}` : clusterId
        if (!this.#forks.has(key)) {
          this.#forks.set(key, { clusterId, generation, from })
          this.#event(
            'error',
            'Fork',
            `${shortId(from)} holds another certified history of this network (cluster ${clusterId.slice(0, 8)})`,
          )
        }
        return
      }
      case 'extended':
        if (this.#chain.newest !== undefined) this.#adopt(extension.chain)
        return
    }
  }

  /** Moves to a longer chain: written down first, with the register emptied, then told to everybody. */
  #adopt(chain: Chain): void {
    const added = chain.headers.slice(this.#chain.headers.length)
    const newest = chain.newest as CertifiedPlan
    const { header, body } = newest.plan
    this.#chain = chain
    for (const link of added) this.#writes.push({ op: 'append', log: 'chain', value: link })
    this.#writes.push({ op: 'put', key: 'plan', value: newest })
    const leader = newest.certificate.ballot.proposer
    this.#consensus.advance(nextElectorate(chain, this.#init.networkId), leader, this.#now)
    this.#follow.settled()
    this.#membership.setTimers(body.spec.timers)
    this.#membership.update(
      { plan: { clusterId: header.clusterId, generation: header.generation, hash: chain.hash } },
      this.#now,
    )
    this.#hear(body.assignments.map((assignment) => assignment.nodeId))
    this.#statements.prune((statement) => isPending(statement, newest.plan))
    this.#progress = { key: '', at: this.#now }
    for (const peer of this.#connections.keys()) this.#announceTo(peer)
    this.#event(
      'info',
      'PlanCertified',
      `generation ${header.generation}: ${header.phase}, ${body.assignments.length} machines, decided in a ballot of ${shortId(leader)}`,
    )
  }

  #terms(): ReturnType<ConstructorParameters<typeof Consensus>[1]['terms']> {
    if (this.#init.quarantine !== undefined) return undefined
    const offer = offerBirth(this.#birthSituation())
    return offer.kind === 'offer' ? offer.terms : undefined
  }

  #judge(plan: ClusterPlan): { ok: true } | { ok: false; reason: string; message: string } {
    const verdict = judge(this.#chain.newest?.plan, this.#chain.hash, plan, this.#init.crypto)
    if (verdict.ok) return { ok: true }
    return { ok: false, reason: verdict.reason, message: verdict.message }
  }

  #draft(promisers: readonly NodeId[]): ClusterPlan | undefined {
    if (this.#chain.newest !== undefined) {
      const planned = this.#planNext()
      return planned.kind === 'propose' ? planned.plan : undefined
    }
    const result = planCharter({
      ...this.#plannerContext(),
      spec: this.#init.spec,
      operatorKey: this.#init.operatorKey,
      prefix6: this.#init.prefix6,
      clusterId: this.#init.crypto
        .digest('muster/cluster-id/1', { entropy: this.#init.entropy, sequence: this.#random.next() })
        .slice(0, 32),
      promisers,
    })
    if (result.kind === 'refused') {
      this.#charterRefused = result
      return undefined
    }
    this.#charterRefused = undefined
    return result.plan
  }

  #planNext(): ReturnType<typeof planNext> {
    const observation = this.#execution.observation
    return planNext({
      ...this.#plannerContext(),
      parent: this.#chain.newest as CertifiedPlan,
      statements: this.#statements.all(),
      ...(observation === undefined ? {} : { etcd: { members: observation.members } }),
    })
  }

  #plannerContext(): Pick<
    Parameters<typeof planNext>[0],
    'self' | 'networkId' | 'crypto' | 'view' | 'now' | 'graceUntil'
  > {
    return {
      self: this.#init.self,
      networkId: this.#init.networkId,
      crypto: this.#init.crypto,
      view: this.#membership.view(),
      now: this.#now,
      graceUntil: this.#graceUntil,
    }
  }

  // Statements and orders

  #takeStatement(from: NodeId, signed: SignedStatement): void {
    const outcome = this.#statements.add(signed, this.#scope())
    if (outcome === 'known' || outcome === 'added') return
    if (outcome.flaw === 'a forged signature') {
      this.#outbox.push({ kind: 'cut-off', peer: from, code: 'Garbage', detail: 'a forged statement' })
    }
  }

  #order(signed: SignedStatement): LocalAnswer {
    const { statement } = signed
    const no = (reason: string, message: string): LocalAnswer => ({ accepted: false, reason, message })
    if (statement.kind !== 'spec' && statement.kind !== 'without') return no('NotAnOrder', 'this is no order')
    const plan = this.#chain.newest?.plan
    if (statement.kind === 'spec') {
      if (plan === undefined) return no('NoPlan', 'there is no plan to change yet')
      if (statement.serial <= plan.body.operatorSerial)
        return no('SerialUsed', 'this order was carried out already')
      const verdict = checkSpecChange(plan.body.spec, statement.spec)
      if (!verdict.allowed) return no('FrozenKey', verdict.message)
    } else if (plan !== undefined) {
      return no('Chartered', 'the cluster is founded: nothing waits for the nodes named')
    }
    const outcome = this.#statements.add(signed, this.#scope())
    if (typeof outcome === 'object') return no('NotGenuine', `the order is not valid here: ${outcome.flaw}`)
    const audience =
      plan?.header.voters ?? this.#membership.view().members.map((member) => member.record.nodeId)
    for (const voter of audience) this.#send(voter, { kind: 'statement', signed })
    return { accepted: true, reason: 'HandedToVoters', message: 'the order was handed to the voters' }
  }

  #say(statement: Statement): void {
    const signature = this.#init.crypto.sign('muster/statement/1', statement)
    const signed: SignedStatement = { statement, signer: this.#init.self, signature }
    if (this.#statements.add(signed, this.#scope()) !== 'added') return
    this.#event('info', 'Stated', describeStatement(statement))
    for (const peer of this.#audience()) this.#send(peer, { kind: 'statement', signed })
  }

  #sayOwnStatements(peers: readonly NodeId[]): void {
    const audience = new Set(this.#audience())
    for (const signed of this.#statements.all()) {
      const order = signed.statement.kind === 'spec' || signed.statement.kind === 'without'
      if (!order && signed.signer !== this.#init.self) continue
      for (const peer of peers)
        if (audience.has(peer) || order) this.#send(peer, { kind: 'statement', signed })
    }
  }

  /** Whom statements concern: those who decide, and the team that waits for them. */
  #audience(): readonly NodeId[] {
    const header = this.#chain.newest?.plan.header
    return [...(header?.voters ?? []), ...(header?.grant?.team ?? [])]
      .filter((id, index, all) => all.indexOf(id) === index && id !== this.#init.self)
      .toSorted()
  }

  #scope(): Parameters<StatementBook['add']>[1] {
    const plan = this.#chain.newest?.plan
    return {
      networkId: this.#init.networkId,
      epoch: plan?.header.epoch ?? 0,
      clusterId: plan?.header.clusterId ?? '',
      operatorKey: plan?.body.operatorKey ?? this.#init.operatorKey,
    }
  }

  #base(): Pick<InitialisedStatement, 'networkId' | 'epoch' | 'clusterId'> {
    const { networkId, epoch, clusterId } = this.#scope()
    return { networkId, epoch, clusterId }
  }

  // Everything that follows from what has changed

  #settle(): void {
    for (let round = 0; round < 16; round++) {
      this.#drainMembership()
      this.#drainConsensus()
      this.#followConfirmed()
      this.#testify()
      this.#execute()
      this.#wantPlans()
      if (!this.#deliverLoopback()) break
    }
    this.#applyOverlay()
    this.#keepInTouch()
  }

  #drainMembership(): void {
    for (const output of this.#membership.drain()) {
      switch (output.kind) {
        case 'send':
          this.#send(output.to, output.message)
          break
        case 'changed': {
          const { record } = output.current
          this.#hear([record.nodeId])
          const { clusterId, generation, hash } = record.plan
          const newer = generation > generationOf(this.#chain) && hash !== ''
          if (newer && this.#connections.has(record.nodeId)) {
            this.#compareGeneration(record.nodeId, clusterId, generation, hash)
          }
          this.#noteProgress(record)
          break
        }
        case 'misconduct':
          this.#outbox.push({ kind: 'cut-off', peer: output.peer, code: output.code, detail: output.detail })
          break
        case 'clone':
          this.#refusals.note(
            { peer: output.id, address: '', code: 'Clone', detail: output.detail },
            this.#now,
          )
          this.#event('error', 'Clone', `${shortId(output.id)} lives twice: ${output.detail}`)
          break
      }
    }
  }

  #drainConsensus(): void {
    for (const output of this.#consensus.drain()) this.#takeConsensusOutput(output)
  }

  #takeConsensusOutput(output: ConsensusOutput): void {
    switch (output.kind) {
      case 'persist':
        this.#writes.push({ op: 'put', key: 'register', value: output.register })
        return
      case 'send':
        return this.#send(output.to, output.message)
      case 'certified': {
        const { plan, certificate } = output.certified
        const link = { header: plan.header, certificate }
        const { networkId, crypto } = this.#init
        const extension = extendChain(this.#chain, networkId, [link], output.certified, crypto)
        if (extension.kind === 'extended') this.#adopt(extension.chain)
        return
      }
      case 'misconduct':
        this.#refusals.note(
          { peer: output.voter, address: '', code: 'Equivocation', detail: output.detail },
          this.#now,
        )
        return this.#event(
          'error',
          'Equivocation',
          `${shortId(output.voter)} is no longer listened to: ${output.detail}`,
        )
      case 'rolled-back':
        return this.#event('error', 'RolledBackDisk', output.detail)
    }
  }

  #followConfirmed(): void {
    if (this.#chain.newest !== undefined) return
    const chain = this.#follow.confirmed()
    if (chain !== undefined) this.#adopt(chain)
  }

  #testify(): void {
    const plan = this.#chain.newest?.plan
    if (plan === undefined) return
    const initialiser = plan.header.grant?.team[0]
    if (this.#progress.key === '' && initialiser !== undefined) {
      this.#progress = { key: initialiser, at: this.#now }
    }
    for (const due of dueTestimony(this.#testimonySituation(plan))) {
      const known = this.#statements.find(
        due.kind,
        (statement, signer) =>
          signer === this.#init.self &&
          (statement.kind === 'dead'
            ? due.kind === 'dead' &&
              statement.subject === due.subject &&
              statement.incarnation === due.incarnation
            : statement.kind === 'stalled' && due.kind === 'stalled' && statement.grant === due.grant),
      )
      if (known === undefined) this.#say({ ...due, ...this.#base() } as Statement)
    }
    if (plan.header.phase === 'granted' && this.#now >= this.#repeatedAt + repeatStatementsMs) {
      this.#repeatedAt = this.#now
      this.#sayOwnStatements(this.#audience().filter((id) => this.#connections.has(id)))
    }
  }

  #testimonySituation(plan: ClusterPlan): Parameters<typeof dueTestimony>[0] {
    const grants = new Set(
      this.#chain.headers.map((link) => link.header.grant?.number).filter((n) => n !== undefined),
    )
    return {
      self: this.#init.self,
      plan,
      view: this.#membership.view(),
      progressAt: this.#progress.at,
      revocations: Math.max(0, grants.size - 1),
      graceUntil: this.#graceUntil,
      now: this.#now,
    }
  }

  #nextTestimonyAt(): Instant | undefined {
    const plan = this.#chain.newest?.plan
    return plan === undefined ? undefined : nextTestimonyAt(this.#testimonySituation(plan))
  }

  /** Any change of what the initialiser says of itself is signed progress. */
  #noteProgress(record: MemberRecord): void {
    const grant = this.#chain.newest?.plan.header.grant
    if (grant?.team[0] !== record.nodeId) return
    const key = `${record.nodeId} ${record.phase} ${record.note} ${record.etcd.length}`
    if (key !== this.#progress.key) this.#progress = { key, at: this.#now }
  }

  #execute(): void {
    const header = this.#chain.newest?.plan.header
    if (header === undefined) return
    const { effects, decision } = this.#execution.decide(
      {
        self: this.#init.self,
        chain: this.#chain,
        view: this.#membership.view(),
        overlayUp: this.#overlayState?.up === true,
        initialised: this.#initialised(),
        connected: (peer) => this.#connections.has(peer),
      },
      this.#now,
    )
    for (const effect of effects) {
      if (effect.kind === 'persist') this.#writes.push(...effect.writes)
      else this.#outbox.push(effect)
    }
    if (decision === undefined) return
    const { initialised, ready, members } = decision.say
    if (initialised !== undefined) this.#say({ kind: 'initialised', ...this.#base(), ...initialised })
    if (ready !== undefined) this.#say({ kind: 'ready', ...this.#base(), ...ready })
    if (members !== undefined) this.#say({ kind: 'members', ...this.#base(), ...members })
    this.#membership.update(
      {
        phase: decision.phase,
        note: decision.note,
        etcd: this.#execution.observation?.members ?? this.#membership.own().record.etcd,
      },
      this.#now,
    )
  }

  #initialised(): InitialisedStatement | undefined {
    const grant = this.#chain.newest?.plan.header.grant
    if (grant === null || grant === undefined) return undefined
    const signed = this.#statements.find(
      'initialised',
      (statement, signer) => statement.grant === grant.number && signer === grant.team[0],
    )
    return signed?.statement.kind === 'initialised' ? signed.statement : undefined
  }

  #wantPlans(): void {
    if (this.#init.quarantine !== undefined) return
    if (this.#chain.newest === undefined) {
      this.#consensus.want(this.#terms() !== undefined, this.#now)
      return
    }
    if (!this.#chain.newest.plan.header.voters.includes(this.#init.self)) {
      this.#planning = []
      return
    }
    const planned = this.#planNext()
    this.#planning = planned.kind === 'propose' ? [planned.why] : planned.reasons
    this.#consensus.want(planned.kind === 'propose', this.#now)
  }

  #deliverLoopback(): boolean {
    const messages = this.#loopback
    this.#loopback = []
    for (const message of messages) this.#takeMessage(this.#init.self, message)
    if (messages.length > 0) return true
    // A ballot that is due at once should not wait for the next deadline.
    const due = this.#consensus.nextDeadline()
    if (due === undefined || due > this.#now) return false
    this.#consensus.handleDeadline(this.#now)
    return true
  }

  #applyOverlay(): void {
    const plan = this.#chain.newest?.plan
    if (plan === undefined) return
    const intent: OverlayIntent | undefined = buildOverlayIntent({
      self: this.#init.self,
      body: plan.body,
      view: this.#membership.view(),
      connections: this.#connections,
      device: this.#init.overlay.device,
      mtu: this.#init.overlay.mtu,
    })
    if (intent === undefined) return
    const text = JSON.stringify(intent)
    if (text === this.#overlayIntent) return
    this.#overlayIntent = text
    this.#outbox.push({ kind: 'overlay', intent })
  }

  #keepInTouch(): void {
    const pace = this.#chain.newest === undefined ? 'forming' : 'settled'
    if (pace !== this.#pace) {
      this.#pace = pace
      this.#outbox.push({ kind: 'pace', pace })
    }
    const peers = this.#membership.contacts()
    const text = JSON.stringify(peers)
    if (text === this.#contacts) return
    this.#contacts = text
    this.#outbox.push({ kind: 'keep-peers', peers })
    if (peers.length > 0 && this.#now >= this.#rememberedAt + rememberIntervalMs) {
      this.#rememberedAt = this.#now
      this.#writes.push({ op: 'put', key: 'peers', value: { peers: peers.slice(0, 64) } })
    }
  }

  // Small things

  get #spec(): ClusterSpec {
    return this.#chain.newest?.plan.body.spec ?? this.#init.spec
  }

  get #graceUntil(): Instant {
    return this.#startedAt + this.#spec.timers.bootGraceMs
  }

  #birthSituation(): BirthSituation {
    const without = this.#statements
      .all()
      .flatMap(({ statement }) => (statement.kind === 'without' ? statement.without : []))
    return {
      self: this.#init.self,
      setting: this.#init.bootstrap,
      specHash: this.#specHash,
      controlPlane: this.#init.spec.controlPlane,
      durable: this.#init.facts.durable,
      seen: this.#seen.all(),
      view: this.#membership.view(),
      planHeard: this.#follow.heardOfPlan,
      holdMs: this.#holdMs(),
      without,
    }
  }

  #holdMs(): number {
    const enabledAt = this.#startedAt + this.#init.bootstrapDelayMs
    const settledAt =
      this.#init.bootstrap.mode === 'auto' ? this.#lastNewIdentityAt + this.#init.spec.timers.settleMs : 0
    return Math.max(0, Math.max(enabledAt, settledAt) - this.#now)
  }

  #hear(ids: readonly NodeId[]): void {
    if (!this.#seen.add(ids)) return
    this.#lastNewIdentityAt = this.#now
    this.#writes.push({ op: 'put', key: 'seen', value: this.#seen.stored() })
  }

  #isAlive(id: NodeId): boolean {
    return this.#membership.member(id)?.liveness === 'alive'
  }

  #send(to: NodeId, message: Message): void {
    if (to === this.#init.self) this.#loopback.push(message)
    else this.#outbox.push({ kind: 'send', to, message })
  }

  #event(level: Extract<Effect, { kind: 'event' }>['level'], reason: string, message: string): void {
    this.#outbox.push({ kind: 'event', level, reason, message })
  }

  #firstRecord(): MemberRecord {
    const { self, networkId, boot, birth, facts, bootstrap, spec, crypto, overlay } = this.#init
    const header = this.#chain.newest?.plan.header
    return {
      nodeId: self,
      networkId,
      // Leaves room for the refutations of a whole boot below the next one.
      incarnation: boot.counter * 1_048_576,
      sequence: 0,
      bootNonce: boot.nonce,
      birth,
      facts,
      phase: header === undefined ? 'waiting' : 'chartered',
      note: '',
      left: false,
      endpoints: [],
      overlayPort: overlay.port,
      overlayKey: overlay.publicKey,
      bootstrap,
      specHash: this.#specHash,
      specKeys: specKeyDigests(spec, crypto),
      plan: {
        clusterId: header?.clusterId ?? '',
        generation: header?.generation ?? -1,
        hash: this.#chain.hash,
      },
      etcd: [],
    }
  }
}

/** What stays pending under a new plan. */
function isPending(statement: Statement, { header, body }: ClusterPlan): boolean {
  switch (statement.kind) {
    case 'initialised':
      return statement.grant === header.grant?.number
    case 'ready':
    case 'stalled':
      return header.phase === 'granted' && statement.grant === header.grant?.number
    case 'dead':
      return body.assignments.some((assignment) => assignment.nodeId === statement.subject)
    case 'members':
      return statement.generation >= header.generation
    case 'spec':
      return statement.serial > body.operatorSerial
    case 'without':
      return false
  }
}

function describeStatement(statement: Statement): string {
  switch (statement.kind) {
    case 'initialised':
      return `the CA of grant ${statement.grant} is made; starting the first server`
    case 'ready':
      return `etcd has all ${statement.members.length} servers of grant ${statement.grant} as voters`
    case 'stalled':
      return `no progress of the initialiser of grant ${statement.grant}: asking for another team`
    case 'dead':
      return `nothing was heard of ${shortId(statement.subject)} for too long`
    case 'members':
      return `etcd lists ${statement.members.length} members`
    case 'spec':
      return `order ${statement.serial}: change the spec`
    case 'without':
      return 'order: found the cluster without silent machines'
  }
}

/** Of several puts of one key the last one counts; the chain's records keep their order and come first. */
function mergeWrites(writes: readonly Write[]): readonly Write[] {
  const puts = new Map<string, Write>()
  const appends: Write[] = []
  for (const write of writes) {
    if (write.op === 'append') appends.push(write)
    else puts.set(write.key, write)
  }
  return [...appends, ...puts.values()]
}

function loadChain(stored: StoredState, networkId: Hash, crypto: Crypto): Chain {
  const headers = decodeTree(list(certifiedHeaderCodec, Number.MAX_SAFE_INTEGER), stored.chain)
  if (headers.length === 0) return emptyChain
  const newest = decodeTree(certifiedPlanCodec, stored.values.plan)
  const hash = planHash(newest.plan.header, crypto)
  const whole = extendChain(emptyChain, networkId, headers, newest, crypto)
  if (whole.kind === 'extended' && whole.chain.hash === hash) return whole.chain
  throw new Error(`the chain of plans on disk does not verify: ${whole.kind}`)
}

export type { BootRecord }
export { bootCodec }
