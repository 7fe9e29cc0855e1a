import type { Crypto } from '../model/crypto.ts'
import { sortedIds } from '../model/ids.ts'
import type { Instant, NodeId } from '../model/ids.ts'
import type {
  AcceptedValue,
  AcceptMessage,
  ConsensusMessage,
  ProposeMessage,
  RefuseMessage,
  VoteStamp,
} from '../model/message.ts'
import type { Ballot, CertifiedPlan, CharterTerms, ClusterPlan } from '../model/plan.ts'
import { planHash } from '../model/plan-hash.ts'
import type { Random } from '../model/random.ts'
import type { SpecTimers } from '../model/spec.ts'
import type { AcceptorContext, Verdict } from './acceptor.ts'
import { acceptPrepare, acceptPropose } from './acceptor.ts'
import { ballotAbove, compareBallots, sameBallot } from './ballot.ts'
import { chooseValue } from './choose.ts'
import type { Electorate } from './electorate.ts'
import { countsAsVoter } from './electorate.ts'
import { Pacing } from './pacing.ts'
import type { Register } from './register.ts'
import { emptyRegister } from './register.ts'
import { Tally } from './tally.ts'
import type { TallyResult } from './tally.ts'
import { VoteCheck } from './vote-check.ts'

/** A ballot's question is repeated so often before the ballot is given up: a charter may need every answer. */
const questionsPerBallot = 6

/** What consensus asks of the node around it. Read at the moment of use, never stored. */
export interface Surroundings {
  /** Generation 0: the terms that this node would offer now, or undefined while it may not propose. */
  terms(): CharterTerms | undefined
  /** Generation 0: whom to ask for a promise under these terms; sorted, this node included. */
  electors(terms: CharterTerms): readonly NodeId[]
  /** Generation 0: whether this node may vote under these terms here and now. */
  admits(terms: CharterTerms, proposer: NodeId): Verdict
  /** Identities that a proposal or a refusal named: they become part of the view that never shrinks. */
  hear(ids: readonly NodeId[]): void
  /** Whether a node is not believed dead: orders the turns of proposers, decides nothing. */
  alive(id: NodeId): boolean
  judge(plan: ClusterPlan): Verdict
  /** The plan to propose when the promises leave the choice free; undefined: nothing to decide any more. */
  draft(promisers: readonly NodeId[]): ClusterPlan | undefined
}

export interface ConsensusInit {
  readonly self: NodeId
  readonly bootCounter: number
  readonly crypto: Crypto
  readonly random: Random
  readonly timers: SpecTimers
  readonly electorate: Electorate
  /** What the disk holds; undefined at the first boot. */
  readonly register: Register | undefined
  /** Proposer of the newest certified ballot: it leads on while it lives. */
  readonly leader: NodeId | undefined
  readonly now: Instant
}

export type ConsensusOutput =
  /** Must be durable before any output after it is carried out. */
  | { readonly kind: 'persist'; readonly register: Register }
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: ConsensusMessage }
  | { readonly kind: 'certified'; readonly certified: CertifiedPlan }
  | { readonly kind: 'misconduct'; readonly voter: NodeId; readonly detail: string }
  /** Others remember more of this node than its disk does. */
  | { readonly kind: 'rolled-back'; readonly detail: string }

/** A ballot of our own. */
interface Attempt {
  readonly ballot: Ballot
  readonly terms: CharterTerms | null
  readonly electors: readonly NodeId[]
  readonly promises: Map<NodeId, AcceptedValue | null>
  readonly refusals: Map<NodeId, RefuseMessage>
  readonly startedAt: Instant
  resendAt: Instant
  proposal: ProposeMessage | undefined
}

/** What `status` says of a decision that is under way. */
export interface ConsensusView {
  readonly generation: number
  readonly leader: NodeId | undefined
  readonly promised: Ballot | undefined
  readonly accepted: boolean
  readonly stage: 'idle' | 'preparing' | 'proposing'
  readonly have: readonly NodeId[]
  readonly need: number
  readonly asked: readonly NodeId[]
  readonly refusals: readonly { readonly voter: NodeId; readonly reason: string; readonly message: string }[]
  readonly nextAttemptAt: Instant | undefined
  readonly voteCheck: { readonly have: number; readonly need: number } | undefined
  readonly rolledBack: boolean
}

/**
 * Decides one generation after the other: acceptor, proposer and tally of one node.
 *
 *              want or unfinished, my turn              all promises that are needed
 *     ┌──────┐ ────────────────────────▶ ┌───────────┐ ──────────────────────────▶ ┌───────────┐
 *     │ idle │                           │ preparing │                             │ proposing │
 *     └──────┘ ◀──────────────────────── └───────────┘                             └───────────┘
 *        ▲       refused, or no answer                                                   │
 *        └───────────────────────────────────────────────────────────────────────────────┘
 *                          refused, no answer, or certified
 *
 * Safety rests on the register being durable before a message leaves, and on nothing else: turns, leaders and
 * time-outs only make it quick.
 */
export class Consensus {
  readonly #init: ConsensusInit
  readonly #around: Surroundings
  readonly #pacing: Pacing
  readonly #voteCheck: VoteCheck
  readonly #lying = new Set<NodeId>()
  #electorate: Electorate
  #register: Register
  /** The highest stamp heard of each other voter; newer than the register's until that is written again. */
  readonly #stamps: Map<NodeId, VoteStamp>
  #tally: Tally
  #attempt: Attempt | undefined
  #certified = false
  /** When a restarted voter asks again what the others remember: questions and answers get lost. */
  #askAgainAt: Instant
  #outputs: ConsensusOutput[] = []

  constructor(init: ConsensusInit, around: Surroundings) {
    const { electorate, register } = init
    this.#init = init
    this.#around = around
    this.#electorate = electorate
    const current =
      register !== undefined &&
      register.generation === electorate.generation &&
      register.parentHash === electorate.parentHash
    this.#register = current
      ? register
      : emptyRegister(electorate.generation, electorate.parentHash, register)
    this.#stamps = new Map(Object.entries(this.#register.stamps))
    this.#tally = new Tally(electorate, init.crypto)
    this.#pacing = new Pacing(init.self, init.timers, init.random, init.leader)
    this.#voteCheck = new VoteCheck(init.self, init.bootCounter, register)
    this.#askAgainAt = init.now + this.#resendMs
    if (this.#register.accepted !== null) {
      this.#learnAccepted(this.#register.accepted)
      this.#pacing.acceptedAt(init.now)
    }
  }

  /** A certified plan was adopted: the next generation begins with an empty register. */
  advance(electorate: Electorate, leader: NodeId, now: Instant): void {
    this.#electorate = electorate
    this.#register = emptyRegister(electorate.generation, electorate.parentHash, this.#register)
    this.#tally = new Tally(electorate, this.#init.crypto)
    this.#attempt = undefined
    this.#certified = false
    this.#pacing.nextGeneration(leader, now)
    this.#persist()
    this.#askAboutVotes()
  }

  /** Whether there is something to propose. Repeated calls with the same answer change nothing. */
  want(wanted: boolean, now: Instant): void {
    this.#pacing.want(wanted, now)
  }

  /** A peer is reachable: a restarted voter asks it what it remembers. */
  peerUp(peer: NodeId): void {
    if (this.#voteCheck.asks(peer, this.#electorate.voters)) this.#send(peer, this.#voteCheck.question())
  }

  handle(from: NodeId, message: ConsensusMessage, now: Instant): void {
    if (this.#lying.has(from)) return
    switch (message.kind) {
      case 'prepare':
      case 'propose':
        return this.#vote(from, message, now)
      case 'promise':
        this.#remember(from, message.stamp)
        return this.#promised(from, message.ballot, message.accepted, now)
      case 'refuse':
        return this.#refused(from, message, now)
      case 'accept':
        this.#remember(from, message.stamp)
        return this.#accepted(from, message)
      case 'vote-check':
        return this.#send(from, {
          kind: 'vote-check-reply',
          asked: message.stamp,
          known: this.#stamps.get(from) ?? { bootCounter: 0, voteSequence: 0 },
        })
      case 'vote-check-reply': {
        const { asked, known } = message
        const { voteSequence } = this.#register
        const trouble = this.#voteCheck.answered(from, asked, known, this.#electorate.voters, voteSequence)
        if (trouble !== undefined) this.#outputs.push({ kind: 'rolled-back', detail: trouble })
        return
      }
    }
  }

  /** Starts, repeats or gives up ballots, as the time says. */
  handleDeadline(now: Instant): void {
    if (this.#isAsking && now >= this.#askAgainAt) {
      this.#askAgainAt = now + this.#resendMs
      this.#askAboutVotes()
    }
    const attempt = this.#attempt
    if (attempt !== undefined) {
      if (now >= attempt.startedAt + this.#init.timers.leaderTimeoutMs) {
        this.#giveUp(now)
      } else if (now >= attempt.resendAt) {
        attempt.resendAt = now + this.#resendMs
        this.#ask(attempt)
      }
      return
    }
    const due = this.#nextAttemptAt()
    if (due !== undefined && now >= due) this.#begin(now)
  }

  nextDeadline(): Instant | undefined {
    const ballot = this.#ballotDeadline()
    if (!this.#isAsking) return ballot
    return ballot === undefined ? this.#askAgainAt : Math.min(ballot, this.#askAgainAt)
  }

  drain(): ConsensusOutput[] {
    const outputs = this.#outputs
    this.#outputs = []
    return outputs
  }

  view(): ConsensusView {
    const attempt = this.#attempt
    const have =
      attempt === undefined
        ? []
        : attempt.proposal === undefined
          ? sortedIds(attempt.promises.keys())
          : sortedIds(this.#tally.votersFor(attempt.ballot))
    return {
      generation: this.#electorate.generation,
      leader: this.#pacing.leader,
      promised: this.#register.promised ?? undefined,
      accepted: this.#register.accepted !== null,
      stage: attempt === undefined ? 'idle' : attempt.proposal === undefined ? 'preparing' : 'proposing',
      have,
      need: attempt?.terms?.quorum ?? Math.floor(this.#electorate.voters.length / 2) + 1,
      asked: attempt?.electors ?? [],
      refusals: [...(attempt?.refusals ?? this.#pacing.lastRefusals)].map(([voter, { reason, message }]) => ({
        voter,
        reason,
        message,
      })),
      nextAttemptAt: this.#nextAttemptAt(),
      voteCheck: this.#voteCheck.progress(this.#electorate.voters),
      rolledBack: this.#voteCheck.rolledBack,
    }
  }

  // Acceptor

  #vote(
    from: NodeId,
    message: Extract<ConsensusMessage, { kind: 'prepare' | 'propose' }>,
    now: Instant,
  ): void {
    const { terms } = message
    if (terms !== null) this.#around.hear(terms.list)
    if (!this.#voteCheck.mayVote(this.#electorate.voters)) {
      return this.#send(from, this.#notYet(message))
    }
    const context = this.#context()
    const step =
      message.kind === 'prepare'
        ? acceptPrepare(this.#register, from, message, context)
        : acceptPropose(this.#register, from, message, context)
    if (step.register !== this.#register) {
      this.#register = step.register
      this.#persist()
    }
    if (step.reply.kind !== 'refuse' && from !== this.#init.self) this.#pacing.heardBallot(now)
    if (message.kind === 'propose' && step.reply.kind === 'accept') {
      this.#results(this.#tally.learn(message.ballot, message.plan, terms))
      this.#pacing.acceptedAt(now)
      this.#broadcastVote(message.plan, terms, from, step.reply)
    } else {
      this.#send(from, step.reply)
    }
  }

  /** To those who build the certificate: the parent's voters; at a charter those that it names (decisions/0012). */
  #broadcastVote(plan: ClusterPlan, terms: CharterTerms | null, proposer: NodeId, vote: AcceptMessage): void {
    const counting = terms === null ? this.#electorate.voters : plan.header.voters
    for (const voter of sortedIds([...counting, proposer])) this.#send(voter, vote)
  }

  #notYet(message: Extract<ConsensusMessage, { kind: 'prepare' | 'propose' }>): RefuseMessage {
    return {
      kind: 'refuse',
      generation: this.#electorate.generation,
      ballot: message.ballot,
      reason: this.#voteCheck.rolledBack ? 'RolledBackDisk' : 'VoteCheckPending',
      message: this.#voteCheck.rolledBack
        ? 'this voter runs on an older copy of its disk'
        : 'this voter restarted and is asking the others what they remember of it',
      promised: null,
      view: [],
    }
  }

  #context(): AcceptorContext {
    return {
      self: this.#init.self,
      bootCounter: this.#init.bootCounter,
      electorate: this.#electorate,
      crypto: this.#init.crypto,
      admits: (terms, proposer) => this.#around.admits(terms, proposer),
      judge: (plan) => this.#around.judge(plan),
    }
  }

  // Proposer

  #begin(now: Instant): void {
    const terms = this.#electorate.generation === 0 ? this.#around.terms() : null
    if (terms === undefined || !countsAsVoter(this.#electorate, terms, this.#init.self)) {
      return this.#pacing.backOff(now)
    }
    const { promised, accepted, proposedNumber } = this.#register
    const ballot = ballotAbove(this.#init.self, proposedNumber, [
      promised,
      accepted?.ballot ?? null,
      this.#pacing.highest,
    ])
    // Persisted before it is sent: a ballot is never used for two values, not even across a crash.
    this.#register = {
      ...this.#register,
      proposedNumber: ballot.number,
      voteSequence: this.#register.voteSequence + 1,
    }
    this.#persist()
    this.#attempt = {
      ballot,
      terms,
      electors: terms === null ? this.#electorate.voters : this.#around.electors(terms),
      promises: new Map(),
      refusals: new Map(),
      startedAt: now,
      resendAt: now + this.#resendMs,
      proposal: undefined,
    }
    this.#ask(this.#attempt)
  }

  /** Sends the ballot's present question to everybody who has not answered it. */
  #ask(attempt: Attempt): void {
    const { ballot, terms, proposal } = attempt
    const { generation, parentHash } = this.#electorate
    const answered = proposal === undefined ? attempt.promises : new Set(this.#tally.votersFor(ballot))
    for (const voter of attempt.electors) {
      if (answered.has(voter)) continue
      this.#send(voter, proposal ?? { kind: 'prepare', generation, parentHash, ballot, terms })
    }
  }

  #promised(from: NodeId, ballot: Ballot, accepted: AcceptedValue | null, now: Instant): void {
    const attempt = this.#attempt
    if (attempt === undefined || attempt.proposal !== undefined || !sameBallot(attempt.ballot, ballot)) return
    if (!attempt.electors.includes(from)) return
    attempt.promises.set(from, accepted)
    attempt.refusals.delete(from)
    const choice = chooseValue(this.#electorate, attempt.terms, attempt.promises, this.#init.crypto)
    if (choice.kind === 'wait') return
    if (choice.kind === 'chosen') return this.#certify({ plan: choice.plan, certificate: choice.certificate })
    const promisers = sortedIds(attempt.promises.keys())
    const plan = choice.kind === 'adopt' ? choice.plan : this.#around.draft(promisers)
    if (plan === undefined || !this.#around.judge(plan).ok) return this.#giveUp(now)
    attempt.proposal = { kind: 'propose', ballot, plan, terms: attempt.terms }
    attempt.resendAt = now + this.#resendMs
    this.#pacing.leads(this.#init.self)
    this.#results(this.#tally.learn(ballot, plan, attempt.terms))
    this.#ask(attempt)
  }

  #refused(from: NodeId, message: RefuseMessage, now: Instant): void {
    if (message.view.length > 0) this.#around.hear(message.view)
    const attempt = this.#attempt
    if (attempt === undefined || !sameBallot(attempt.ballot, message.ballot)) return
    attempt.refusals.set(from, message)
    if (message.promised !== null && compareBallots(message.promised, attempt.ballot) > 0) {
      this.#pacing.saw(message.promised)
      this.#giveUp(now)
    } else if (message.view.length > 0) {
      this.#giveUp(now)
    }
  }

  #giveUp(now: Instant): void {
    if (this.#attempt !== undefined) this.#pacing.failed(this.#attempt.refusals)
    this.#attempt = undefined
    this.#pacing.backOff(now)
  }

  // Votes

  #accepted(from: NodeId, message: AcceptMessage): void {
    const { generation, parentHash } = this.#electorate
    if (message.generation !== generation || message.parentHash !== parentHash) return
    if (message.vote.voter !== from) return
    this.#results([this.#tally.count(message)])
  }

  #results(results: readonly TallyResult[]): void {
    for (const result of results) {
      if (result.kind === 'certified') this.#certify(result.certified)
      else if (result.kind !== 'counted') {
        this.#lying.add(result.voter)
        this.#outputs.push({
          kind: 'misconduct',
          voter: result.voter,
          detail: result.kind === 'forged' ? 'a forged vote' : 'two different votes in one ballot',
        })
      }
    }
  }

  #certify(certified: CertifiedPlan): void {
    if (this.#certified) return
    this.#certified = true
    this.#outputs.push({ kind: 'certified', certified })
  }

  #learnAccepted(accepted: AcceptedValue): void {
    const { ballot, plan, terms, vote } = accepted
    this.#results(this.#tally.learn(ballot, plan, terms))
    this.#results([this.#tally.count({ ballot, planHash: planHash(plan.header, this.#init.crypto), vote })])
  }

  // A restarted voter

  #askAboutVotes(): void {
    for (const voter of this.#electorate.voters) this.peerUp(voter)
  }

  #remember(from: NodeId, stamp: VoteStamp): void {
    const known = this.#stamps.get(from)
    if (
      known !== undefined &&
      known.bootCounter >= stamp.bootCounter &&
      known.voteSequence >= stamp.voteSequence
    ) {
      return
    }
    // Rides along with the next write: it helps to find an old disk, and no answer depends on it.
    this.#stamps.set(from, stamp)
  }

  #persist(): void {
    this.#register = { ...this.#register, stamps: Object.fromEntries(this.#stamps) }
    this.#outputs.push({ kind: 'persist', register: this.#register })
  }

  #nextAttemptAt(): Instant | undefined {
    if (this.#certified || !this.#voteCheck.mayVote(this.#electorate.voters)) return undefined
    const { voters, generation } = this.#electorate
    if (generation > 0 && !voters.includes(this.#init.self)) return undefined
    if (!this.#pacing.waits(this.#register.accepted !== null)) return undefined
    const terms = generation === 0 ? this.#around.terms() : null
    if (terms === undefined && this.#register.accepted === null) return undefined
    const queue = terms === null || terms === undefined ? voters : this.#around.electors(terms)
    return this.#pacing.nextAttemptAt(queue, (id) => this.#around.alive(id), this.#register.accepted !== null)
  }

  #ballotDeadline(): Instant | undefined {
    const attempt = this.#attempt
    if (attempt === undefined) return this.#nextAttemptAt()
    return Math.min(attempt.startedAt + this.#init.timers.leaderTimeoutMs, attempt.resendAt)
  }

  /** Whether this voter restarted and waits for the others' word. */
  get #isAsking(): boolean {
    return !this.#voteCheck.rolledBack && this.#voteCheck.progress(this.#electorate.voters) !== undefined
  }

  get #resendMs(): number {
    return this.#init.timers.leaderTimeoutMs / questionsPerBallot
  }

  #send(to: NodeId, message: ConsensusMessage): void {
    this.#outputs.push({ kind: 'send', to, message })
  }
}
