import type { Crypto } from '../model/crypto.ts'
import type { NodeId } from '../model/ids.ts'
import type { AcceptedValue } from '../model/message.ts'
import type { Certificate, CharterTerms, ClusterPlan, Vote } from '../model/plan.ts'
import { planHash } from '../model/plan-hash.ts'
import { ballotKey, compareBallots, sameBallot } from './ballot.ts'
import { voteIsGenuine } from './certificate.ts'
import type { Electorate } from './electorate.ts'
import { countsAsVoter, quorumOf, voteClaim } from './electorate.ts'
import { mayVoteUnder } from './terms.ts'

/** What a set of promises obliges a proposer to do. */
export type Choice =
  /** Too few promises yet. */
  | { readonly kind: 'wait'; readonly have: number; readonly need: number }
  /** Nothing was accepted: propose what you like. */
  | { readonly kind: 'free' }
  /** This may have been chosen: propose it again. */
  | { readonly kind: 'adopt'; readonly plan: ClusterPlan }
  /** The promises prove that this was chosen already. */
  | { readonly kind: 'chosen'; readonly plan: ClusterPlan; readonly certificate: Certificate }

/**
 * Reads the promises of one ballot (voter -> what it had accepted before).
 *
 * Normal Paxos: with a quorum of promises, the plan of the highest accepted ballot must be proposed again.
 * `auto` has no fixed quorum: *all* of the list must promise. If then every member of some earlier list
 * reports an accept of one ballot, that plan is the charter; otherwise it was never chosen and never will be,
 * since a later accept would need a promise that is now withdrawn (protocol 2.3, rule 3).
 */
export function chooseValue(
  electorate: Electorate,
  terms: CharterTerms | null,
  promises: ReadonlyMap<NodeId, AcceptedValue | null>,
  crypto: Crypto,
): Choice {
  const need = quorumOf(electorate, terms)
  const have = [...promises.keys()].filter((voter) => countsAsVoter(electorate, terms, voter)).length
  if (have < need) return { kind: 'wait', have, need }
  return terms !== null && terms.setting.mode === 'auto'
    ? chooseUnderAuto(electorate, terms, promises, crypto)
    : chooseHighest(promises, have, crypto)
}

/**
 * Two plans in the highest ballot: its proposer ran twice with one key, or on an old disk. Either may have been
 * chosen, and the promises cannot say which, so neither is proposed again: the proposer waits for others.
 */
function chooseHighest(
  promises: ReadonlyMap<NodeId, AcceptedValue | null>,
  have: number,
  crypto: Crypto,
): Choice {
  const accepted = [...promises.values()].filter((value) => value !== null)
  const highest = accepted.toSorted((a, b) => compareBallots(a.ballot, b.ballot)).at(-1)
  if (highest === undefined) return { kind: 'free' }
  const hash = planHash(highest.plan.header, crypto)
  const contested = accepted.some(
    ({ ballot, plan }) => sameBallot(ballot, highest.ballot) && planHash(plan.header, crypto) !== hash,
  )
  return contested ? { kind: 'wait', have, need: have + 1 } : { kind: 'adopt', plan: highest.plan }
}

function chooseUnderAuto(
  electorate: Electorate,
  terms: CharterTerms,
  promises: ReadonlyMap<NodeId, AcceptedValue | null>,
  crypto: Crypto,
): Choice {
  const ballots = new Map<string, { value: AcceptedValue; votes: Map<NodeId, Vote> }>()
  for (const [voter, accepted] of promises) {
    if (accepted === null || accepted.terms === null || accepted.vote.voter !== voter) continue
    const key = `${ballotKey(accepted.ballot)} ${planHash(accepted.plan.header, crypto)}`
    const group = ballots.get(key) ?? { value: accepted, votes: new Map<NodeId, Vote>() }
    ballots.set(key, group)
    group.votes.set(voter, accepted.vote)
  }
  for (const key of [...ballots.keys()].toSorted()) {
    const { value, votes } = ballots.get(key) as { value: AcceptedValue; votes: Map<NodeId, Vote> }
    const earlier = value.terms as CharterTerms
    const electors = earlier.list.filter((id) => mayVoteUnder(earlier, id))
    const answering = electors.filter((id) => !terms.without.includes(id))
    if (!answering.every((id) => votes.has(id))) continue
    // Some elector may be silent because this ballot goes on without it: it may hold the certificate, so
    // the plan is completed rather than dropped.
    if (answering.length < electors.length) return { kind: 'adopt', plan: value.plan }
    const claim = voteClaim(electorate, planHash(value.plan.header, crypto), value.ballot, earlier)
    const genuine = [...votes.values()].every((vote) => voteIsGenuine(claim, vote, crypto))
    if (!genuine) continue
    const sorted = electors.map((id) => votes.get(id) as Vote)
    return {
      kind: 'chosen',
      plan: value.plan,
      certificate: { ballot: value.ballot, terms: earlier, votes: sorted },
    }
  }
  return { kind: 'free' }
}
