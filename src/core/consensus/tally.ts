import type { Crypto } from '../model/crypto.ts'
import type { Hash, NodeId } from '../model/ids.ts'
import type { AcceptMessage } from '../model/message.ts'
import type { Ballot, CertifiedPlan, CharterTerms, ClusterPlan, Vote, VoteClaim } from '../model/plan.ts'
import { planHash } from '../model/plan-hash.ts'
import { ballotKey } from './ballot.ts'
import { certify, voteIsGenuine } from './certificate.ts'
import type { Electorate } from './electorate.ts'
import { voteClaim } from './electorate.ts'

/** Ballots that a tally keeps apart; a generation needs a handful, and a flood of them is cut here. */
const ballotsMax = 64

interface BallotTally {
  readonly ballot: Ballot
  plan: ClusterPlan | undefined
  terms: CharterTerms | null
  hash: Hash
  /** What a vote for the plan signs. */
  claim: VoteClaim | undefined
  /** Votes that wait for the plan and terms which they sign: of each voter the first two that differ. */
  readonly unchecked: Map<NodeId, readonly CastVote[]>
  readonly votes: Map<NodeId, Vote>
  /** Voters that voted for another plan than the one that this node knows, and for no second one. */
  readonly strays: Map<NodeId, Hash>
}

type CastVote = Pick<AcceptMessage, 'planHash' | 'vote'>

/**
 * So many voters, none of which voted twice, must name another plan before the proposer is taken to have offered two.
 * The word of one is no proof: it may lie, and would silence an honest proposer in every ballot.
 */
const accusersMin = 2

/** What came of one vote. */
export type TallyResult =
  | { readonly kind: 'counted' }
  | { readonly kind: 'certified'; readonly certified: CertifiedPlan }
  /** Two plans were voted for in one ballot: the voter runs twice or lies, or the proposer offered both. */
  | { readonly kind: 'equivocation'; readonly voter: NodeId }
  | { readonly kind: 'forged'; readonly voter: NodeId }

/**
 * Collects the votes of one generation, ballot by ballot, so that every voter can build the certificate
 * although the proposer died. Votes are never added up across ballots.
 */
export class Tally {
  readonly #electorate: Electorate
  readonly #crypto: Crypto
  readonly #ballots = new Map<string, BallotTally>()

  constructor(electorate: Electorate, crypto: Crypto) {
    this.#electorate = electorate
    this.#crypto = crypto
  }

  /** Notes which plan a ballot is for, and checks the votes that came before it. */
  learn(ballot: Ballot, plan: ClusterPlan, terms: CharterTerms | null): TallyResult[] {
    const tally = this.#of(ballot)
    if (tally === undefined || tally.plan !== undefined) return []
    tally.plan = plan
    tally.terms = terms
    tally.hash = planHash(plan.header, this.#crypto)
    tally.claim = voteClaim(this.#electorate, tally.hash, tally.ballot, terms)
    const early = [...tally.unchecked.values()].flat()
    tally.unchecked.clear()
    return early.map(({ planHash: hash, vote }) => this.#count(tally, hash, vote))
  }

  /** Counts a vote that arrived from its voter. */
  count(message: Pick<AcceptMessage, 'ballot' | 'planHash' | 'vote'>): TallyResult {
    const tally = this.#of(message.ballot)
    if (tally === undefined) return { kind: 'counted' }
    if (tally.plan === undefined) {
      const { planHash: hash, vote } = message
      const held = tally.unchecked.get(vote.voter) ?? []
      const isNew = held.length < 2 && held.every((one) => one.planHash !== hash)
      if (isNew) tally.unchecked.set(vote.voter, [...held, { planHash: hash, vote }])
      return { kind: 'counted' }
    }
    return this.#count(tally, message.planHash, message.vote)
  }

  /** The voters counted for a ballot. */
  votersFor(ballot: Ballot): readonly NodeId[] {
    return [...(this.#ballots.get(ballotKey(ballot))?.votes.keys() ?? [])]
  }

  #count(tally: BallotTally, hash: Hash, vote: Vote): TallyResult {
    const { ballot, terms } = tally
    const known = hash === tally.hash ? tally.claim : undefined
    if (!voteIsGenuine(known ?? voteClaim(this.#electorate, hash, ballot, terms), vote, this.#crypto)) {
      return { kind: 'forged', voter: vote.voter }
    }
    const { voter } = vote
    const stray = tally.strays.get(voter)
    if (hash === tally.hash ? stray !== undefined : tally.votes.has(voter) || (stray ?? hash) !== hash) {
      tally.strays.delete(voter)
      return { kind: 'equivocation', voter }
    }
    if (hash !== tally.hash) {
      tally.strays.set(voter, hash)
      return tally.strays.size < accusersMin
        ? { kind: 'counted' }
        : { kind: 'equivocation', voter: ballot.proposer }
    }
    tally.votes.set(voter, vote)
    const certificate = certify(this.#electorate, ballot, terms, tally.votes)
    if (certificate === undefined) return { kind: 'counted' }
    return { kind: 'certified', certified: { plan: tally.plan as ClusterPlan, certificate } }
  }

  #of(ballot: Ballot): BallotTally | undefined {
    const key = ballotKey(ballot)
    const known = this.#ballots.get(key)
    if (known !== undefined) return known
    if (this.#ballots.size >= ballotsMax) return undefined
    const fresh: BallotTally = {
      ballot,
      plan: undefined,
      terms: null,
      hash: '',
      claim: undefined,
      unchecked: new Map(),
      votes: new Map(),
      strays: new Map(),
    }
    this.#ballots.set(key, fresh)
    return fresh
  }
}
