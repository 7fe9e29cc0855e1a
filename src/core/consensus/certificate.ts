import type { Crypto } from '../model/crypto.ts'
import { compareIds } from '../model/ids.ts'
import type { NodeId } from '../model/ids.ts'
import type { Ballot, Certificate, CharterTerms, PlanHeader, Vote, VoteClaim } from '../model/plan.ts'
import { planHash } from '../model/plan-hash.ts'
import type { Electorate } from './electorate.ts'
import { countsAsVoter, quorumOf, voteClaim } from './electorate.ts'
import { termsFlaw } from './terms.ts'

/**
 * A certificate of these votes if they are a quorum. The votes must all be for one plan in one ballot and
 * already verified: accepts of one plan in different ballots do not add up, since such a sum can certify a
 * plan that was never chosen.
 */
export function certify(
  electorate: Electorate,
  ballot: Ballot,
  terms: CharterTerms | null,
  votes: ReadonlyMap<NodeId, Vote>,
): Certificate | undefined {
  const quorum = quorumOf(electorate, terms)
  if (votes.size < quorum) return undefined
  const counted = [...votes.values()].filter((vote) => countsAsVoter(electorate, terms, vote.voter))
  if (counted.length < quorum) return undefined
  return { ballot, terms, votes: counted.toSorted((a, b) => compareIds(a.voter, b.voter)) }
}

/** Whether one vote is genuine: signed by its voter for exactly this plan, ballot and terms. */
export function voteIsGenuine(claim: VoteClaim, vote: Vote, crypto: Crypto): boolean {
  return crypto.verify(vote.voter, 'muster/vote/1', claim, vote.signature)
}

/** The flaw of a certificate for this header on top of its parent, or undefined if it proves the decision. */
export function certificateFlaw(
  electorate: Electorate,
  header: PlanHeader,
  certificate: Certificate,
  crypto: Crypto,
): string | undefined {
  const { networkId, epoch, generation, parentHash, voters } = electorate
  const from = [header, networkId, epoch, generation, parentHash, crypto.digest, crypto.verify]
  const before = examined.get(certificate)
  const same =
    before !== undefined &&
    before.from.every((value, index) => value === from[index]) &&
    (before.voters === voters || before.voters.join() === voters.join())
  if (same) return before.flaw
  const flaw = flawOf(electorate, header, certificate, crypto)
  examined.set(certificate, { from, voters, flaw })
  return flaw
}

interface Examined {
  readonly from: readonly unknown[]
  readonly voters: readonly NodeId[]
  readonly flaw: string | undefined
}

/** Certificates never change: each is examined once under one electorate, a charter's many signatures above all. */
const examined = new WeakMap<Certificate, Examined>()

function flawOf(
  electorate: Electorate,
  header: PlanHeader,
  certificate: Certificate,
  crypto: Crypto,
): string | undefined {
  const { terms, ballot, votes } = certificate
  if (header.networkId !== electorate.networkId) return 'another network'
  if (header.epoch !== electorate.epoch) return 'another epoch'
  if (header.generation !== electorate.generation) return 'another generation'
  if (header.parentHash !== electorate.parentHash) return 'another parent'
  if ((terms === null) !== header.generation > 0) return 'terms belong to the charter alone'
  const flaw = terms === null ? undefined : termsFlaw(terms)
  if (flaw !== undefined) return flaw

  const claim = voteClaim(electorate, planHash(header, crypto), ballot, terms)
  const voters = new Set<NodeId>()
  for (const vote of votes) {
    if (voters.has(vote.voter)) return 'a voter counted twice'
    voters.add(vote.voter)
    if (!countsAsVoter(electorate, terms, vote.voter)) return 'a vote of a node without a vote'
    if (!voteIsGenuine(claim, vote, crypto)) return 'a forged vote'
  }
  return voters.size < quorumOf(electorate, terms) ? 'fewer votes than a quorum' : undefined
}
