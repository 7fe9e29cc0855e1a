import type { Verdict } from '../consensus/acceptor.ts'
import type { ConsensusView } from '../consensus/consensus.ts'
import { Consensus } from '../consensus/consensus.ts'
import { registerCodec } from '../consensus/register.ts'
import type { Membership } from '../membership/membership.ts'
import { decodeTree } from '../model/codec.ts'
import { Conclusion } from '../model/conclusion.ts'
import { Facet } from '../model/facet.ts'
import type { Hash, Instant, NodeId } from '../model/ids.ts'
import { shortId } from '../model/ids.ts'
import type { ConsensusMessage } from '../model/message.ts'
import type { CertifiedPlan, CharterTerms, ClusterPlan } from '../model/plan.ts'
import type { Random } from '../model/random.ts'
import { planCharter } from '../planner/charter.ts'
import type { PlannedView, PlannerContext, Planned } from '../planner/context.ts'
import { nextPlanningAt, sameToPlanner } from '../planner/context.ts'
import { judge } from '../planner/judge.ts'
import { planNext } from '../planner/next.ts'
import type { BirthOffer, BirthSituation } from './birth.ts'
import { admitBirth, birthElectors, offerBirth } from './birth.ts'
import type { Execution } from './execution.ts'
import type { History } from './history.ts'
import type { NodeView } from './node-view.ts'
import type { NodeContext } from './outbox.ts'
import { specDigest } from './own-record.ts'
import type { Refusals } from './refusals.ts'
import { SeenIdentities } from './seen.ts'
import type { Words } from './words.ts'

/** The parts of the node that decisions are made from. They are read at the moment of use. */
export interface DecisionSources {
  readonly random: Random
  readonly history: History
  readonly membership: Membership
  readonly words: Words
  readonly execution: Execution
  readonly refusals: Refusals
}

/**
 * What this node takes part in deciding: the charter while there is no plan, and as a voter the next plan.
 * The planner says what should be, consensus what is.
 */
export class Decisions {
  readonly #context: NodeContext
  readonly #sources: DecisionSources
  readonly #consensus: Consensus
  readonly #seen: SeenIdentities
  readonly #specHash: Hash
  readonly #offered = new Conclusion<CharterTerms | undefined>()
  readonly #electors = new Conclusion<readonly NodeId[]>()
  readonly #plannedView = new Facet<PlannedView>(sameToPlanner)
  readonly #planned = new Conclusion<Planned>()
  readonly #judged = new Conclusion<Verdict>()
  #isSeenToWrite = false
  #lastNewIdentityAt: Instant
  #planning: readonly string[] = []
  #charterRefused: NodeView['charterRefused']

  constructor(context: NodeContext, sources: DecisionSources) {
    const { self, boot, crypto, spec, stored } = context.init
    const { register } = stored.values
    this.#context = context
    this.#sources = sources
    this.#seen = new SeenIdentities(stored.values.seen)
    this.#specHash = specDigest(spec, crypto)
    this.#lastNewIdentityAt = context.moment.now
    this.#consensus = new Consensus(
      {
        self,
        bootCounter: boot.counter,
        crypto,
        random: sources.random,
        timers: sources.history.spec.timers,
        electorate: sources.history.electorate,
        register: register === undefined ? undefined : decodeTree(registerCodec, register),
        leader: sources.history.chain.newest?.certificate.ballot.proposer,
        now: context.moment.now,
      },
      {
        terms: () => this.#terms(),
        electors: (terms) => this.#electorsUnder(terms),
        admits: (terms, proposer) => admitBirth(this.#situation(), terms, proposer),
        hear: (ids) => this.hear(ids),
        alive: (id) => sources.membership.isAlive(id),
        judge: (plan) => this.#judge(plan),
        draft: (promisers) => this.#draft(promisers),
      },
    )
  }

  /** Every identity ever heard of. */
  get seen(): readonly NodeId[] {
    return this.#seen.all()
  }

  /** How long voting on a charter is still held back: the configured delay, or the settle time of `auto`. */
  get holdMs(): number {
    const { init, moment } = this.#context
    const enabledAt = init.now + init.bootstrapDelayMs
    const settledAt = init.bootstrap.mode === 'auto' ? this.#lastNewIdentityAt + init.spec.timers.settleMs : 0
    return Math.max(0, Math.max(enabledAt, settledAt) - moment.now)
  }

  get consensus(): ConsensusView {
    return this.#consensus.view()
  }

  /** What this node offers or waits for at the birth; undefined once there is a plan. */
  get birth(): BirthOffer | undefined {
    return this.#sources.history.plan === undefined ? offerBirth(this.#situation()) : undefined
  }

  /** Why no charter can be made of these machines, if the last attempt came to that. */
  get charterRefused(): NodeView['charterRefused'] {
    return this.#charterRefused
  }

  /** What the next plan would do, or why there is none. */
  get planning(): readonly string[] {
    return this.#planning
  }

  /** Identities that were heard of by any means. They are written down before anything is decided with them. */
  hear(ids: readonly NodeId[]): boolean {
    if (!this.#seen.add(ids)) return false
    this.#lastNewIdentityAt = this.#context.moment.now
    this.#isSeenToWrite = true
    return true
  }

  /** What was heard of is on disk before anything that follows from the same input is sent. */
  #writeSeen(): void {
    if (!this.#isSeenToWrite) return
    this.#isSeenToWrite = false
    this.#context.outbox.persist({ op: 'put', key: 'seen', value: this.#seen.stored() })
  }

  peerUp(peer: NodeId): void {
    this.hear([peer])
    this.#consensus.peerUp(peer)
  }

  /** A word of consensus. A node whose identity is in doubt votes for nothing. */
  handle(from: NodeId, message: ConsensusMessage): void {
    if (this.#context.quarantine.isActive) return
    this.#consensus.handle(from, message, this.#context.moment.now)
  }

  handleDeadline(): void {
    this.#consensus.handleDeadline(this.#context.moment.now)
  }

  /** Starts a ballot that is due at once, so that it does not wait for the next input. Whether it did. */
  hurry(): boolean {
    const due = this.#consensus.nextDeadline()
    if (due === undefined || due > this.#context.moment.now) return false
    this.handleDeadline()
    return true
  }

  nextDeadline(): Instant | undefined {
    const { holdMs } = this
    const next = this.#consensus.nextDeadline()
    if (holdMs === 0 || this.#sources.history.plan !== undefined) return next
    return Math.min(this.#context.moment.now + holdMs, next ?? Number.POSITIVE_INFINITY)
  }

  /** The next moment at which time alone may change what this node would plan. */
  get plannedUntil(): Instant {
    return this.#planned.until
  }

  /** The next generation begins. */
  adopted({ plan, certificate }: CertifiedPlan): void {
    this.#consensus.advance(
      this.#sources.history.electorate,
      certificate.ballot.proposer,
      this.#context.moment.now,
    )
    this.hear(plan.body.assignments.map((assignment) => assignment.nodeId))
  }

  /** Tells consensus whether there is something to propose. */
  want(): void {
    this.#writeSeen()
    const { init, moment, quarantine } = this.#context
    const { plan } = this.#sources.history
    if (quarantine.isActive) return
    if (plan === undefined) return this.#consensus.want(this.#terms() !== undefined, moment.now)
    if (!plan.header.voters.includes(init.self)) {
      this.#planning = []
      return
    }
    const planned = this.#planNext()
    this.#planning = planned.kind === 'propose' ? [planned.why] : planned.reasons
    this.#consensus.want(planned.kind === 'propose', moment.now)
  }

  /** Carries out what consensus asks for; the plans that it saw certified, in order. */
  drain(): readonly CertifiedPlan[] {
    const { outbox, moment } = this.#context
    const certified: CertifiedPlan[] = []
    for (const output of this.#consensus.drain()) {
      switch (output.kind) {
        case 'persist':
          outbox.persist({ op: 'put', key: 'register', value: output.register })
          break
        case 'send':
          outbox.send(output.to, output.message)
          break
        case 'certified':
          certified.push(output.certified)
          break
        case 'misconduct': {
          const { voter: peer, detail } = output
          this.#sources.refusals.note({ peer, address: '', code: 'Equivocation', detail }, moment.now)
          outbox.event('error', 'Equivocation', `${shortId(peer)} is no longer listened to: ${detail}`)
          break
        }
        case 'rolled-back':
          outbox.event('error', 'RolledBackDisk', output.detail)
          break
      }
    }
    return certified
  }

  #terms(): CharterTerms | undefined {
    if (this.#context.quarantine.isActive) return undefined
    const { history, membership, words } = this.#sources
    // Of the time that voting is held back, only whether it is over makes a difference to the terms.
    const held = this.holdMs > 0
    return this.#offered.of(
      this.#context.moment.now,
      [this.#seen.all(), membership.view(), words.all(), history.heardOfPlan, held],
      () => {
        const offer = offerBirth(this.#situation())
        return offer.kind === 'offer' ? offer.terms : undefined
      },
    )
  }

  #electorsUnder(terms: CharterTerms): readonly NodeId[] {
    const { now } = this.#context.moment
    const view = this.#sources.membership.view()
    return this.#electors.of(now, [view, terms], () => birthElectors(this.#situation(), terms))
  }

  #situation(): BirthSituation {
    const { self, bootstrap, spec, facts } = this.#context.init
    const { history, membership, words } = this.#sources
    return {
      self,
      setting: bootstrap,
      specHash: this.#specHash,
      controlPlane: spec.controlPlane,
      durable: facts.durable,
      seen: this.#seen.all(),
      view: membership.view(),
      planHeard: history.heardOfPlan,
      holdMs: this.holdMs,
      without: words.without((signer) => this.#seen.has(signer)),
    }
  }

  #judge(plan: ClusterPlan): Verdict {
    const { chain } = this.#sources.history
    return this.#judged.of(this.#context.moment.now, [chain, plan], () =>
      judge(chain.newest?.plan, chain.hash, plan, this.#context.init.crypto),
    )
  }

  #draft(promisers: readonly NodeId[]): ClusterPlan | undefined {
    if (this.#sources.history.plan === undefined) return this.#draftCharter(promisers)
    const planned = this.#planNext()
    return planned.kind === 'propose' ? planned.plan : undefined
  }

  #draftCharter(promisers: readonly NodeId[]): ClusterPlan | undefined {
    const { spec, operatorKey, prefix6, crypto, entropy } = this.#context.init
    const origin = { entropy, sequence: this.#sources.random.next() }
    const clusterId = crypto.digest('muster/cluster-id/1', origin).slice(0, 32)
    const result = planCharter({
      ...this.#plannerContext(),
      spec,
      operatorKey,
      prefix6,
      clusterId,
      promisers,
    })
    this.#charterRefused = result.kind === 'refused' ? result : undefined
    return result.kind === 'plan' ? result.plan : undefined
  }

  #planNext(): Planned {
    const { history, words, execution } = this.#sources
    const { observation } = execution
    const context = this.#plannerContext()
    const parent = history.chain.newest as CertifiedPlan
    const statements = words.all()
    return this.#planned.of(
      context.now,
      [context.view, parent, statements, observation],
      () => {
        const etcd = observation === undefined ? {} : { etcd: { members: observation.members } }
        return planNext({ ...context, parent, statements, ...etcd })
      },
      () => nextPlanningAt(context, parent.plan.body.spec.timers.promoteAfterMs),
    )
  }

  #plannerContext(): PlannerContext {
    const { init, moment } = this.#context
    const { history, membership } = this.#sources
    return {
      self: init.self,
      networkId: init.networkId,
      crypto: init.crypto,
      view: this.#plannedView.of(membership.view()),
      now: moment.now,
      graceUntil: init.now + history.spec.timers.bootGraceMs,
    }
  }
}
