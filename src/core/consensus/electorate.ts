import type { Hash, NodeId } from '../model/ids.ts'
import type { Ballot, CharterTerms, VoteClaim } from '../model/plan.ts'
import { majority, mayVoteUnder } from './terms.ts'

/** Who decides one generation, and on top of what. */
export interface Electorate {
  readonly networkId: Hash
  readonly epoch: number
  /** The generation that is being decided. */
  readonly generation: number
  readonly parentHash: Hash | ''
  /** The parent's voters, sorted; empty before the charter, where the terms of each ballot say who may vote. */
  readonly voters: readonly NodeId[]
}

/** Votes in one ballot that decide. */
export function quorumOf(electorate: Electorate, terms: CharterTerms | null): number {
  return terms === null ? majority(electorate.voters.length) : terms.quorum
}

/** Whether this node's vote counts in a ballot. */
export function countsAsVoter(electorate: Electorate, terms: CharterTerms | null, voter: NodeId): boolean {
  return terms === null ? electorate.voters.includes(voter) : mayVoteUnder(terms, voter)
}

/** What a vote signs: everything that tells this decision from any other. */
export function voteClaim(
  electorate: Electorate,
  planHash: Hash,
  ballot: Ballot,
  terms: CharterTerms | null,
): VoteClaim {
  const { networkId, epoch, generation, parentHash } = electorate
  return { networkId, epoch, generation, parentHash, planHash, ballot, terms }
}
