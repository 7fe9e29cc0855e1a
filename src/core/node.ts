import type { Chain } from './consensus/chain.ts'
import type { Effect, LocalAnswer } from './effect.ts'
import type { Input, LocalRequest } from './input.ts'
import { Membership } from './membership/membership.ts'
import type { Instant, NodeId } from './model/ids.ts'
import type { MembershipView } from './model/member.ts'
import { shortId } from './model/ids.ts'
import type { MembershipMessage, Message, StatementMessage } from './model/message.ts'
import type { CertifiedPlan } from './model/plan.ts'
import { Random } from './model/random.ts'
import type { NetworkEvent } from './ports.ts'
import { mayLeave } from './node/departure.ts'
import { Decisions } from './node/decisions.ts'
import { Execution } from './node/execution.ts'
import { History } from './node/history.ts'
import type { ForkReport, NodeGlance, NodeInit, NodeView } from './node/node-view.ts'
import { Outbox } from './node/outbox.ts'
import { firstRecord } from './node/own-record.ts'
import { Quarantine } from './node/quarantine.ts'
import { Reach } from './node/reach.ts'
import { Refusals } from './node/refusals.ts'
import { Rest } from './node/rest.ts'
import { Words } from './node/words.ts'

export type { ForkReport, NodeGlance, NodeInit, NodeView }

/** Rounds in which the parts of a node see what the others concluded. Two or three are usual. */
const settleRoundsMax = 16

/**
 * One node: the pure state machine that ties its parts together.
 *
 * ```
 *            ┌──────────────────────────────── settle ────────────────────────────────┐
 *   input ─▶ │ membership ─▶ decisions ─▶ history ─▶ words ─▶ execution ─▶ decisions  │ ─▶ reach ─▶ drain
 *            │  who is there  what is      what was   what was  what runs   what to   │
 *            │                certified    adopted    said      here        propose   │
 *            └──────────────────▲─────────────────────────────────────────────────┬───┘
 *                               └───────────── until nothing changes ─────────────┘
 * ```
 * Each part puts its effects into one outbox, and `drain` hands them out: what must be durable comes first. After an input
 * that moves membership alone and leaves the view as it was, there is nothing to settle (`Rest`).
 */
export class ClusterNode {
  readonly #init: NodeInit
  readonly #moment: { now: Instant }
  readonly #outbox: Outbox
  readonly #quarantine: Quarantine
  readonly #membership: Membership
  readonly #history: History
  readonly #words: Words
  readonly #decisions: Decisions
  readonly #execution: Execution
  readonly #reach: Reach
  readonly #refusals = new Refusals()
  readonly #rest = new Rest()
  /** When a part other than membership is due. */
  #othersDueAt: Instant = Number.NEGATIVE_INFINITY
  #deadline: Instant | undefined

  constructor(init: NodeInit) {
    const { self, networkId, crypto, now, stored } = init
    const random = new Random(init.entropy)
    this.#init = init
    this.#moment = { now }
    this.#outbox = new Outbox(self)
    this.#quarantine = new Quarantine(self, init.boot.nonce, init.quarantine)
    const context = { init, moment: this.#moment, outbox: this.#outbox, quarantine: this.#quarantine }
    this.#history = new History(context)
    this.#words = new Words(context, this.#history)
    this.#execution = new Execution(stored.values.k3s)
    this.#reach = new Reach(context)
    const { timers } = this.#history.spec
    const own = firstRecord(init, this.#history.chain)
    this.#membership = new Membership({ self, networkId, crypto, random, timers, own, now })
    this.#decisions = new Decisions(context, {
      random,
      history: this.#history,
      membership: this.#membership,
      words: this.#words,
      execution: this.#execution,
      refusals: this.#refusals,
    })
    this.#outbox.persist({ op: 'put', key: 'boot', value: init.boot })
    this.#decisions.hear([self])
    this.#settle()
  }

  /** Takes one input. Effects are waiting in `drain` afterwards. */
  handle(input: Input, now: Instant): void {
    this.#moment.now = Math.max(this.#moment.now, now)
    this.#deadline = undefined
    const isQuiet = this.#take(input)
    if (isQuiet && this.#rest.holds(this.#membership.view(), this.#moment.now) && this.#drainMembership())
      return
    this.#settle()
  }

  /** What to do, in order: whatever must be durable first, then messages and everything else. */
  drain(): readonly Effect[] {
    return this.#outbox.drain()
  }

  /** When `handle({kind: 'deadline'})` is wanted at the latest. Between two inputs it does not change. */
  nextDeadline(): Instant {
    const { now } = this.#moment
    this.#deadline ??= Math.max(now, Math.min(this.#membership.nextDeadline(), this.#othersDueAt))
    return this.#deadline
  }

  /** Of the present state what costs nothing to show. */
  glance(): NodeGlance {
    return { chain: this.#history.chain, membership: this.#membership.view() }
  }

  /** Generation of the newest certified plan; -1 before any. */
  get generation(): number {
    return this.#history.plan?.header.generation ?? -1
  }

  /** The present state, for status and the API. */
  view(): NodeView {
    const { self, networkId, bootstrap, boot, now: startedAt } = this.#init
    return {
      self,
      networkId,
      now: this.#moment.now,
      startedAt,
      chain: this.#history.chain,
      spec: this.#history.spec,
      bootstrap,
      membership: this.#membership.view(),
      lastHeard: (id) => this.#membership.lastHeard(id),
      own: this.#membership.own().record,
      connected: this.#reach.connected,
      consensus: this.#decisions.consensus,
      birth: this.#decisions.birth,
      charterRefused: this.#decisions.charterRefused,
      planning: this.#decisions.planning,
      following: this.#history.following,
      forks: this.#history.forks,
      overlay: this.#reach.overlay,
      k3s: this.#execution.decision,
      k3sObservation: this.#execution.observation,
      k3sFailure: this.#execution.lastFailure,
      statements: this.#words.all(),
      refusals: this.#refusals.all(),
      linkUp: this.#reach.linkUp,
      holdMs: this.#decisions.holdMs,
      quarantine: this.#quarantine.isActive
        ? this.#quarantine.reason(this.#history.plan, this.#words.all())
        : undefined,
      boot: boot.nonce,
      seen: this.#decisions.seen,
    }
  }

  // Inputs

  /** Takes an input in. True: whatever it changed, it changed in membership. */
  #take(input: Input): boolean {
    const { now } = this.#moment
    switch (input.kind) {
      case 'message':
        return this.#takeMessage(input.from, input.message)
      case 'deadline':
        this.#membership.handleDeadline(now)
        if (!this.#rest.holds(this.#membership.view(), now)) this.#decisions.handleDeadline()
        return true
      case 'k3s-observed':
        return !this.#execution.observed(input.observation, input.generation)
      case 'peer-found':
        return !this.#decisions.hear([input.peer]) || this.#membership.isPaced
      case 'peer-up':
      case 'peer-down':
        this.#takeNetworkEvent(input)
        return this.#settleSoon()
      default:
        this.#takeReport(input)
        return false
    }
  }

  /** In a large network connections come and go all the time, and are looked at together. Whether that is so. */
  #settleSoon(): boolean {
    const { isPaced, paceMs } = this.#membership
    if (!isPaced) return false
    const by = this.#moment.now + paceMs
    this.#othersDueAt = Math.min(this.#othersDueAt, by)
    this.#rest.endBy(by)
    return true
  }

  #takeReport(input: Exclude<Input, { kind: 'message' | 'deadline' | 'k3s-observed' | 'peer-found' }>): void {
    const { now } = this.#moment
    switch (input.kind) {
      case 'overlay-observed':
        return this.#reach.overlayObserved(input.state)
      case 'k3s-result':
        return this.#execution.result(input.result, now)
      case 'request': {
        const answer = this.#answer(input.request)
        return this.#outbox.push({ kind: 'answer', requestId: input.requestId, answer })
      }
      case 'identity-kept':
        this.#outbox.event('info', 'IdentityKept', 'this machine is the node: it votes again')
        return this.#quarantine.lift()
      case 'leaving':
        return this.#membership.update({ phase: 'stopped', note: 'the agent is going down' }, now)
      default:
        return this.#takeNetworkEvent(input)
    }
  }

  /** An order, or a wish of root on this machine. */
  #answer(request: LocalRequest): LocalAnswer {
    const view = this.#membership.view()
    const { plan } = this.#history
    switch (request.kind) {
      case 'order':
        return this.#words.order(request.signed, view)
      case 'keep-identity': {
        const message = 'the operator decides that: sign the order with the operator key'
        if ((plan?.body.operatorKey ?? this.#init.operatorKey) !== 'none')
          return { accepted: false, reason: 'OperatorOnly', message }
        if (!this.#quarantine.isActive)
          return { accepted: false, reason: 'Trusted', message: 'the identity of this node is not in doubt' }
        this.#quarantine.confirmHere()
        return { accepted: true, reason: 'Kept', message: 'this machine keeps its key' }
      }
      case 'go-on-without':
        return this.#words.orderWithout(request.without, view)
      case 'leave':
        return this.#leave(request.cancel)
    }
  }

  #leave(cancel: boolean): LocalAnswer {
    const { left } = this.#membership.own().record
    const answer: LocalAnswer = cancel
      ? {
          accepted: true,
          reason: 'Staying',
          message: 'this node stays; if it was retired already, it joins again',
        }
      : left
        ? { accepted: true, reason: 'Leaving', message: 'this node has said goodbye before' }
        : mayLeave(this.#init.self, this.#history.plan, this.#membership.view())
    if (answer.accepted && left === cancel) {
      this.#outbox.persist({ op: 'put', key: 'leaving', value: { leaving: !cancel } })
      this.#membership.update({ left: !cancel }, this.#moment.now)
      this.#outbox.event('info', answer.reason, answer.message)
    }
    return answer
  }

  #takeNetworkEvent(event: Exclude<NetworkEvent, { kind: 'message' | 'peer-found' }>): void {
    const { now } = this.#moment
    switch (event.kind) {
      case 'peer-up':
        this.#reach.peerUp(event.peer, event.endpoint)
        this.#membership.peerUp(event.peer, now)
        this.#decisions.peerUp(event.peer)
        this.#history.peerUp(event.peer)
        return this.#words.repeatTo([event.peer])
      case 'peer-down':
        this.#reach.peerDown(event.peer)
        this.#history.peerDown(event.peer)
        return this.#membership.peerDown(event.peer, now)
      case 'peer-refused':
        return this.#refusals.add(event, now)
      case 'machine-changed': {
        const { endpoints, localNetworks, linkUp } = event
        const { facts } = this.#membership.own().record
        this.#reach.linkChanged(linkUp)
        return this.#membership.update({ endpoints, facts: { ...facts, localNetworks } }, now)
      }
    }
  }

  #takeMessage(from: NodeId, message: Message): boolean {
    switch (message.kind) {
      case 'hello':
      case 'ping':
      case 'ack':
      case 'ping-request':
      case 'nack':
      case 'gossip':
      case 'digest':
      case 'records-request':
        this.#membership.handle(from, message, this.#moment.now)
        return true
      case 'statement':
        return !this.#words.hear(from, message.signed)
      default:
        this.#takeWord(from, message)
        return false
    }
  }

  #takeWord(from: NodeId, message: Exclude<Message, MembershipMessage | StatementMessage>): void {
    switch (message.kind) {
      case 'prepare':
      case 'propose':
        this.#decisions.handle(from, message)
        return this.#history.heardBallot(
          from,
          message.kind === 'prepare' ? message.generation : message.plan.header.generation,
        )
      case 'promise':
      case 'accept':
      case 'refuse':
      case 'vote-check':
      case 'vote-check-reply':
        return this.#decisions.handle(from, message)
      case 'plan-announce':
      case 'plan-request':
      case 'plan-chain':
        return this.#adopted(this.#history.handle(from, message))
      case 'secrets-request': {
        const answer = this.#execution.secretsFor(from, this.#history.chain)
        if (answer !== undefined) this.#outbox.send(from, answer)
        return
      }
      case 'secrets':
        return this.#execution.secretsArrived(from, message)
    }
  }

  // Everything that follows from what has changed

  #settle(): void {
    let seen = this.#membership.view()
    for (let round = 0; round < settleRoundsMax; round++) {
      this.#drainMembership()
      seen = this.#membership.view()
      for (const certified of this.#decisions.drain()) this.#adopted(this.#history.certified(certified))
      this.#adopted(this.#history.followConfirmed())
      this.#history.askAgain()
      this.#words.testify(this.#membership.view(), this.#reach.connected)
      this.#reviewIdentity()
      this.#execute()
      this.#decisions.want()
      if (!this.#hearOneself() && !this.#decisions.hurry()) break
    }
    // Two machines with one address of the overlay would cut each other off.
    const plan = this.#quarantine.isActive ? undefined : this.#history.plan
    const membership = this.#membership
    this.#reach.settle(
      plan,
      membership.view(),
      membership.ways(),
      membership.contacts(this.#history.companions),
    )
    this.#noteRest(seen)
  }

  /** All parts have settled, and saw this view. */
  #noteRest(seen: MembershipView): void {
    const never = Number.POSITIVE_INFINITY
    this.#othersDueAt = Math.min(
      this.#decisions.nextDeadline() ?? never,
      this.#history.nextDeadline() ?? never,
      this.#reach.nextDeadline() ?? never,
      this.#execution.nextDeadline(this.#moment.now) ?? never,
      this.#words.nextDeadline(this.#membership.view()) ?? never,
    )
    const until = Math.min(this.#othersDueAt, this.#decisions.plannedUntil, this.#reach.settledUntil)
    this.#rest.begin(seen, this.#quarantine.isActive ? Number.NEGATIVE_INFINITY : until)
  }

  /** Hands on what membership has to say. Whether that was nothing from which more follows at once. */
  #drainMembership(): boolean {
    let isQuiet = true
    for (const output of this.#membership.drain()) {
      isQuiet &&= output.kind === 'send' || output.kind === 'changed'
      switch (output.kind) {
        case 'send':
          this.#outbox.send(output.to, output.message)
          break
        case 'changed': {
          const { record } = output.current
          this.#decisions.hear([record.nodeId])
          const isAsking = this.#history.recorded(record)
          const isProgress = this.#words.noteProgress(record)
          // In a large network a change is looked at when it shows in the view.
          isQuiet &&= this.#membership.isPaced && !isAsking && !isProgress
          break
        }
        case 'misconduct': {
          const { peer, code, detail } = output
          this.#outbox.push({ kind: 'cut-off', peer, code, detail })
          break
        }
        case 'clone': {
          const { id: peer, incarnation, detail } = output
          this.#refusals.note({ peer, address: '', code: 'Clone', detail }, this.#moment.now)
          if (peer !== this.#init.self) this.#words.heardTwice(peer)
          else if (this.#quarantine.isActive) this.#quarantine.hearOriginal()
          else this.#membership.outbid(incarnation)
          this.#outbox.event('error', 'Clone', `${shortId(peer)} lives twice: ${detail}`)
          break
        }
      }
    }
    return isQuiet
  }

  /** The node has moved to a newer plan: every part that depends on it is told. */
  #adopted(chain: Chain | undefined): void {
    if (chain === undefined) return
    const newest = chain.newest as CertifiedPlan
    const { clusterId, generation } = newest.plan.header
    this.#decisions.adopted(newest)
    this.#words.adopted(newest.plan)
    this.#membership.setTimers(newest.plan.body.spec.timers, this.#moment.now)
    // What etcd listed before this plan proves nothing of what the plan asks of it: servers read it anew.
    const plan = { clusterId, generation, hash: chain.hash }
    this.#membership.update({ plan, etcd: [] }, this.#moment.now)
  }

  /** How a quarantine ends: told once, carried out by the agent. */
  #reviewIdentity(): void {
    if (!this.#quarantine.isActive) return
    const verdict = this.#quarantine.conclude(this.#history.plan, this.#words.all())
    if (verdict === undefined) return
    this.#outbox.push({ kind: 'identity', verdict: verdict.kind, reason: verdict.reason })
  }

  #execute(): void {
    // Where the original may be alive, its etcd member must not start a second time.
    if (this.#quarantine.isActive) {
      return this.#membership.update({ phase: 'stopped', note: 'the identity is in doubt' }, this.#moment.now)
    }
    const { effects, decision } = this.#execution.decide(
      {
        self: this.#init.self,
        chain: this.#history.chain,
        view: this.#membership.view(),
        own: this.#membership.own().record,
        overlayUp: this.#reach.overlay?.up === true,
        initialised: this.#words.initialised(),
        connected: this.#reach.connected,
      },
      this.#moment.now,
    )
    for (const effect of effects) {
      if (effect.kind === 'persist') this.#outbox.persist(...effect.writes)
      else if (effect.kind === 'send') this.#outbox.send(effect.to, effect.message)
      else this.#outbox.push(effect)
    }
    if (decision === undefined) return
    const { initialised, ready, members, lost } = decision.say
    if (initialised !== undefined) this.#words.say({ kind: 'initialised', ...initialised })
    if (ready !== undefined) this.#words.say({ kind: 'ready', ...ready })
    if (members !== undefined) this.#words.say({ kind: 'members', ...members })
    if (lost !== undefined) this.#words.say({ kind: 'lost', ...lost })
    const { phase, note } = decision
    const etcd = this.#execution.members(this.generation) ?? this.#membership.own().record.etcd
    this.#membership.update({ phase, note, etcd }, this.#moment.now)
  }

  /** Delivers this node's messages to itself. Whether there were any. */
  #hearOneself(): boolean {
    const messages = this.#outbox.takeOwn()
    for (const message of messages) this.#takeMessage(this.#init.self, message)
    return messages.length > 0
  }
}
