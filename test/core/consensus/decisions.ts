import type { AcceptorContext } from '../../../src/core/consensus/acceptor.ts'
import type { Electorate } from '../../../src/core/consensus/electorate.ts'
import { voteClaim } from '../../../src/core/consensus/electorate.ts'
import { charterTerms } from '../../../src/core/consensus/terms.ts'
import type { Crypto } from '../../../src/core/model/crypto.ts'
import { sortedIds } from '../../../src/core/model/ids.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import type { AcceptedValue } from '../../../src/core/model/message.ts'
import type {
  Ballot,
  Certificate,
  CertifiedPlan,
  CharterTerms,
  ClusterPlan,
  Vote,
} from '../../../src/core/model/plan.ts'
import { bodyHash, planHash } from '../../../src/core/model/plan-hash.ts'
import { defaultSpec } from '../../../src/core/model/spec.ts'
import { networkId, virtualCrypto, virtualId } from '../../support/virtual-cluster.ts'

// What tests of a decision need: voters, plans on top of a parent, genuine votes and certificates. Digests are
// real, and a signature can be made here only with its signer's `Crypto`.

/** Six nodes in the order that all agree on. Tests let the last one be the stranger. */
export const ids: readonly NodeId[] = sortedIds(Array.from({ length: 6 }, (_, index) => virtualId(index)))

/** The id with this rank. */
export function id(rank: number): NodeId {
  return ids[rank] as NodeId
}

/** This voter's crypto, with signatures as plain bytes: what comes back from a disk is equal to what went there. */
export function cryptoOf(self: NodeId): Crypto {
  const crypto = virtualCrypto(self)
  return { ...crypto, sign: (label, value) => Uint8Array.from(crypto.sign(label, value)) }
}

/** Digests are the same for everybody. */
export const digests: Crypto = cryptoOf(id(0))

/** Terms under which three machines, any, make a charter. */
export const expectThree: CharterTerms = charterTerms({ mode: 'expect', expect: 3 }, [], [])

/** Who decides the charter: nobody in particular. */
export const charterElectorate: Electorate = {
  networkId,
  epoch: 0,
  generation: 0,
  parentHash: '',
  voters: [],
}

/** Who decides on top of this plan. */
export function electorateAfter({ plan: { header } }: CertifiedPlan): Electorate {
  return {
    networkId,
    epoch: header.epoch,
    generation: header.generation + 1,
    parentHash: planHash(header, digests),
    voters: header.voters,
  }
}

/** A plan for the electorate's generation; plans with other marks are other plans. */
export function planFor(
  electorate: Electorate,
  mark = 1,
  voters: readonly NodeId[] = ids.slice(0, 3),
): ClusterPlan {
  const body: ClusterPlan['body'] = {
    spec: defaultSpec,
    operatorKey: 'none',
    operatorSerial: mark,
    prefix6: '',
    caHash: '',
    assignments: [],
    retired: [],
    evidence: [],
  }
  const { epoch, generation, parentHash } = electorate
  return {
    header: {
      networkId,
      epoch,
      generation,
      parentHash,
      clusterId: 'c1'.repeat(16),
      phase: generation === 0 ? 'chartered' : 'granted',
      voters,
      grant: null,
      openChange: null,
      bodyHash: bodyHash(body, digests),
    },
    body,
  }
}

export function voteOf(
  voter: NodeId,
  electorate: Electorate,
  plan: ClusterPlan,
  ballot: Ballot,
  terms: CharterTerms | null,
): Vote {
  const claim = voteClaim(electorate, planHash(plan.header, digests), ballot, terms)
  return { voter, signature: cryptoOf(voter).sign('muster/vote/1', claim) }
}

/** What `voter` reports in a promise after it accepted this. */
export function acceptedBy(
  voter: NodeId,
  electorate: Electorate,
  plan: ClusterPlan,
  ballot: Ballot,
  terms: CharterTerms | null,
): AcceptedValue {
  return { ballot, plan, terms, vote: voteOf(voter, electorate, plan, ballot, terms) }
}

export function certificateOf(
  voters: readonly NodeId[],
  electorate: Electorate,
  plan: ClusterPlan,
  ballot: Ballot,
  terms: CharterTerms | null,
): Certificate {
  return { ballot, terms, votes: voters.map((voter) => voteOf(voter, electorate, plan, ballot, terms)) }
}

/** A charter that three machines voted for. */
export function certifiedCharter(mark = 1): CertifiedPlan {
  const plan = planFor(charterElectorate, mark)
  const ballot = { number: 0, proposer: id(0) }
  return { plan, certificate: certificateOf(ids.slice(0, 3), charterElectorate, plan, ballot, expectThree) }
}

/** A plan on top of another, with the votes of two of its three voters. */
export function certifiedAfter(parent: CertifiedPlan, mark = 1): CertifiedPlan {
  const electorate = electorateAfter(parent)
  const plan = planFor(electorate, mark)
  const ballot = { number: 0, proposer: id(0) }
  return { plan, certificate: certificateOf(ids.slice(0, 2), electorate, plan, ballot, null) }
}

/** An acceptor that finds everything admissible and acceptable, unless told otherwise. */
export function contextOf(
  self: NodeId,
  electorate: Electorate,
  but: Partial<Pick<AcceptorContext, 'admits' | 'judge'>> = {},
): AcceptorContext {
  return {
    self,
    bootCounter: 1,
    electorate,
    crypto: cryptoOf(self),
    admits: () => ({ ok: true }),
    judge: () => ({ ok: true }),
    ...but,
  }
}
