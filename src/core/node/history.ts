import type { Chain, Extension } from '../consensus/chain.ts'
import { emptyChain, extendChain, generationOf, nextElectorate } from '../consensus/chain.ts'
import type { Electorate } from '../consensus/electorate.ts'
import { decodeTree, list } from '../model/codec.ts'
import type { Crypto } from '../model/crypto.ts'
import type { Hash, Instant, NodeId } from '../model/ids.ts'
import { shortId, sortedIds } from '../model/ids.ts'
import { headersPerMessageMax } from '../model/limits.ts'
import type { MemberRecord } from '../model/member.ts'
import type { PlanAnnounceMessage, PlanChainMessage, PlanRequestMessage } from '../model/message.ts'
import type { CertifiedPlan, ClusterPlan } from '../model/plan.ts'
import { planHash } from '../model/plan-hash.ts'
import type { ClusterSpec } from '../model/spec.ts'
import { certifiedHeaderCodec, certifiedPlanCodec } from '../model/wire.ts'
import type { StoredState } from '../ports.ts'
import type { FollowWaiting } from './follow.ts'
import { candidatesMax, Follow } from './follow.ts'
import type { ForkReport } from './node-view.ts'
import type { NodeContext } from './outbox.ts'

/** Whoever holds a plan that this node lacks is asked again after this. */
const askAgainMs = 3_000

/** So many peers are asked for one plan as soon as it is heard of; one answer is enough, and any may be lost. */
const askersMax = 3

/**
 * A node that does not vote announces a new plan to so many peers. Those who vote tell everybody that they are
 * connected to, and records carry the news to the rest: nobody depends on these few.
 */
const announceFanout = 8

/**
 * The chain of certified plans that this node holds, and the talk with peers about it.
 *
 * ```
 *   announced, recorded, ballot ─▶ longer than ours? ─▶ ask ─▶ chain ─▶ descends ──▶ adopted
 *                                  shorter? ─▶ tell               ├───▶ fork ─────▶ reported, nothing else
 *                                                                 └───▶ no plan yet ▶ follow (confirm first)
 * ```
 * Methods that may move the node to a newer plan return it, so that the other parts can be told.
 */
export class History {
  readonly #context: NodeContext
  readonly #follow: Follow
  readonly #connected = new Set<NodeId>()
  readonly #forks = new Map<string, ForkReport>()
  /** Connected peers that said they hold a newer plan, and its generation. */
  readonly #ahead = new Map<NodeId, number>()
  /** Generations that connected peers said they hold: they need not be told. */
  readonly #holds = new Map<NodeId, number>()
  /** By cluster: the generation that was asked for, and how many were asked. */
  readonly #asked = new Map<string, { readonly from: number; readonly at: Instant; readonly count: number }>()
  /** When those who hold what this node lacks were asked last; undefined while it lacks nothing. */
  #askedAt: Instant | undefined
  #companions: readonly NodeId[] = []
  #chain: Chain

  /** @throws if the chain on disk does not verify: the agent must not start with a damaged history */
  constructor(context: NodeContext) {
    const { self, stored, networkId, crypto } = context.init
    this.#context = context
    this.#chain = loadChain(stored, networkId, crypto)
    this.#follow = new Follow(self, networkId, crypto)
  }

  get chain(): Chain {
    return this.#chain
  }

  /** The newest certified plan; undefined before the charter. */
  get plan(): ClusterPlan | undefined {
    return this.#chain.newest?.plan
  }

  /** The spec in force: that of the newest plan, and before the charter that of the configuration. */
  get spec(): ClusterSpec {
    return this.plan?.body.spec ?? this.#context.init.spec
  }

  /** Who decides the next generation. */
  get electorate(): Electorate {
    return nextElectorate(this.#chain, this.#context.init.networkId)
  }

  /** Certified plans of this network that do not descend from ours. */
  get forks(): readonly ForkReport[] {
    return [...this.#forks.values()]
  }

  /** What a node without a plan lacks before it follows one. */
  get following(): readonly FollowWaiting[] {
    return this.plan === undefined ? this.#follow.waiting() : []
  }

  /**
   * With whom this node has business of its own, wherever they are: those whose word it waits for, or as one of those
   * who decide and of the team, the others. The same list as long as it names the same ones.
   */
  get companions(): readonly NodeId[] {
    const { self } = this.#context.init
    const plan = this.plan?.header
    const circle = plan === undefined ? [] : [...plan.voters, ...(plan.grant?.team ?? [])]
    const wanted =
      plan === undefined
        ? this.following.flatMap(({ missing }) => missing)
        : circle.includes(self)
          ? circle
          : []
    if (wanted.length !== this.#companions.length || wanted.some((id, at) => id !== this.#companions[at])) {
      this.#companions = wanted
    }
    return this.#companions
  }

  /** Whether a certified plan was heard of, followed or not: join beats init. */
  get heardOfPlan(): boolean {
    return this.#follow.heardOfPlan
  }

  peerUp(peer: NodeId): void {
    this.#connected.add(peer)
    this.#announceTo(peer)
  }

  peerDown(peer: NodeId): void {
    this.#connected.delete(peer)
    this.#ahead.delete(peer)
    this.#holds.delete(peer)
    this.#follow.peerDown(peer)
  }

  handle(
    from: NodeId,
    message: PlanAnnounceMessage | PlanRequestMessage | PlanChainMessage,
  ): Chain | undefined {
    switch (message.kind) {
      case 'plan-announce':
        this.#follow.announced(from, message)
        this.#noteHeld(from, message.clusterId, message.generation)
        this.#compare(from, message)
        return undefined
      case 'plan-request':
        this.#answer(from, message.fromGeneration)
        return undefined
      case 'plan-chain':
        return this.#offered(from, this.#follow.offered(from, message, this.#chain))
    }
  }

  /** A peer's signed record names its newest plan: an announcement that was lost is made up for by gossip. Whether it does. */
  recorded({ nodeId, plan }: MemberRecord): boolean {
    const newer = plan.hash !== '' && plan.generation > generationOf(this.#chain)
    if (!newer || !this.#connected.has(nodeId)) return false
    this.#compare(nodeId, plan)
    return true
  }

  /** A voter that asks about an older generation is told of ours; one that asks about a newer one is asked. */
  heardBallot(from: NodeId, generation: number): void {
    if (generation <= generationOf(this.#chain)) this.#announceTo(from)
    else if (generation > this.#chain.headers.length) this.#request(from, this.#chain.headers.length)
  }

  /** Takes the plan that this node saw certified by the votes themselves. */
  certified(certified: CertifiedPlan): Chain | undefined {
    const { networkId, crypto } = this.#context.init
    const { plan, certificate } = certified
    const link = { header: plan.header, certificate }
    const extension = extendChain(this.#chain, networkId, [link], certified, crypto)
    return extension.kind === 'extended' ? this.#adopt(extension.chain) : undefined
  }

  /** A node without a plan moves to the one that has been confirmed by now, if there is one. */
  followConfirmed(): Chain | undefined {
    const confirmed = this.plan === undefined ? this.#follow.confirmed() : undefined
    return confirmed === undefined ? undefined : this.#adopt(confirmed)
  }

  /** Asks again for plans that were heard of and did not come: messages may be lost. */
  askAgain(): void {
    const { now } = this.#context.moment
    const lacking = this.#lacking()
    if (lacking.length === 0) {
      this.#askedAt = undefined
      return
    }
    // Whoever said that it holds more was asked at once.
    this.#askedAt ??= now
    if (now < this.#askedAt + askAgainMs) return
    this.#askedAt = now
    for (const peer of lacking) this.#request(peer, this.#chain.headers.length)
  }

  /** When `askAgain` has something to ask. */
  nextDeadline(): Instant | undefined {
    return this.#askedAt === undefined ? undefined : this.#askedAt + askAgainMs
  }

  /** Connected peers whose newest plan, or whose word on the plan to follow, this node lacks. */
  #lacking(): readonly NodeId[] {
    const missing = this.following.flatMap((waiting) => waiting.missing)
    if (this.#ahead.size + missing.length === 0) return []
    return sortedIds([...this.#ahead.keys(), ...missing.filter((peer) => this.#connected.has(peer))])
  }

  /** Moves to a longer chain: written down first, then told to everybody. */
  #adopt(chain: Chain): Chain {
    const { outbox } = this.#context
    const { plan, certificate } = chain.newest as CertifiedPlan
    for (const link of chain.headers.slice(this.#chain.headers.length)) {
      outbox.persist({ op: 'append', log: 'chain', value: link })
    }
    outbox.persist({ op: 'put', key: 'plan', value: { plan, certificate } })
    this.#chain = chain
    this.#follow.settled()
    for (const [peer, generation] of this.#ahead) {
      if (generation <= generationOf(chain)) this.#ahead.delete(peer)
    }
    this.#spread(plan)
    const { generation, phase } = plan.header
    outbox.event(
      'info',
      'PlanCertified',
      `generation ${generation}: ${phase}, ${plan.body.assignments.length} machines, ` +
        `decided in a ballot of ${shortId(certificate.ballot.proposer)}`,
    )
    return chain
  }

  /** Tells peers of a plan that is new here: all of them if this node has a vote, else a few. */
  #spread({ header }: ClusterPlan): void {
    const { self } = this.#context.init
    const parent = this.#chain.headers.at(-2)?.header
    const decides = header.voters.includes(self) || parent?.voters.includes(self) === true
    const lacking = sortedIds(this.#connected).filter(
      (peer) => (this.#holds.get(peer) ?? -1) < header.generation,
    )
    if (decides || lacking.length <= announceFanout) {
      for (const peer of lacking) this.#announceTo(peer)
      return
    }
    // The next ones in the order of ids, so that different nodes tell different ones.
    const after = lacking.findIndex((peer) => peer > self)
    for (let step = 0; step < announceFanout; step++) {
      this.#announceTo(lacking[(Math.max(0, after) + step) % lacking.length] as NodeId)
    }
  }

  #noteHeld(peer: NodeId, clusterId: string, generation: number): void {
    const mine = this.plan?.header.clusterId
    if (this.#connected.has(peer) && (mine === undefined || mine === clusterId))
      this.#holds.set(peer, generation)
  }

  /** Asks for what was heard of, unless enough others were asked for it just now. */
  #ask(peer: NodeId, clusterId: string, from: number): void {
    const { now } = this.#context.moment
    const asked = this.#asked.get(clusterId)
    const same = asked !== undefined && asked.from === from && now < asked.at + askAgainMs
    if (same && asked.count >= askersMax) return
    if (!same && this.#asked.size >= candidatesMax) this.#asked.clear()
    this.#asked.set(clusterId, { from, at: same ? asked.at : now, count: same ? asked.count + 1 : 1 })
    this.#request(peer, from)
  }

  #compare(from: NodeId, said: { clusterId: string; generation: number; hash: Hash }): void {
    const mine = this.plan?.header
    const comparable = mine === undefined || mine.clusterId === said.clusterId
    if (comparable && said.generation > generationOf(this.#chain) && this.#connected.has(from)) {
      this.#ahead.set(from, said.generation)
    }
    if (mine === undefined) return this.#ask(from, said.clusterId, 0)
    if (mine.clusterId !== said.clusterId) {
      if (!this.#forks.has(said.clusterId)) this.#request(from, 0)
    } else if (said.generation > mine.generation) this.#ask(from, said.clusterId, this.#chain.headers.length)
    else if (said.generation < mine.generation) this.#announceTo(from)
    else if (said.hash !== this.#chain.hash) this.#request(from, 0)
  }

  #offered(from: NodeId, extension: Extension): Chain | undefined {
    switch (extension.kind) {
      case 'known':
        return undefined
      case 'gap':
      case 'partial':
        this.#request(from, extension.from)
        return undefined
      case 'invalid':
        this.#context.outbox.cutOff(from, `a forged plan: ${extension.flaw}`)
        return undefined
      case 'fork':
        this.#reportFork({ clusterId: extension.clusterId, generation: extension.generation, from })
        return undefined
      case 'extended':
        return this.plan === undefined ? undefined : this.#adopt(extension.chain)
    }
  }

  #reportFork(fork: ForkReport): void {
    const { clusterId, generation, from } = fork
    const ours = this.plan?.header.clusterId === clusterId
    const key = ours ? `${clusterId}/${generation}` : clusterId
    if (this.#forks.has(key)) return
    this.#forks.set(key, fork)
    this.#context.outbox.event(
      'error',
      'Fork',
      `${shortId(from)} holds another certified history of this network (cluster ${clusterId.slice(0, 8)})`,
    )
  }

  #request(peer: NodeId, fromGeneration: number): void {
    this.#context.outbox.send(peer, { kind: 'plan-request', fromGeneration })
  }

  #announceTo(peer: NodeId): void {
    const { hash } = this.#chain
    if (this.plan === undefined || hash === '') return
    const { clusterId, generation } = this.plan.header
    this.#context.outbox.send(peer, { kind: 'plan-announce', clusterId, generation, hash })
  }

  #answer(from: NodeId, fromGeneration: number): void {
    const { headers, newest } = this.#chain
    if (newest === undefined) return
    const part = headers.slice(fromGeneration, fromGeneration + headersPerMessageMax)
    const complete = fromGeneration + part.length >= headers.length
    this.#context.outbox.send(from, { kind: 'plan-chain', headers: part, newest: complete ? newest : null })
  }
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
