// Proves that a certificate is a quorum of genuine votes in one ballot: a good one passes, and each way to bend it
// is refused with its own flaw.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { certificateFlaw, certify } from '../../../src/core/consensus/certificate.ts'
import type { Electorate } from '../../../src/core/consensus/electorate.ts'
import { charterTerms } from '../../../src/core/consensus/terms.ts'
import type { Ballot, Certificate, CertifiedPlan, PlanHeader, Vote } from '../../../src/core/model/plan.ts'
import {
  certificateOf,
  certifiedAfter,
  certifiedCharter,
  charterElectorate,
  digests,
  electorateAfter,
  expectThree,
  id,
  ids,
  planFor,
  voteOf,
} from './decisions.ts'

const charter = certifiedCharter()
const electorate = electorateAfter(charter)
const next = certifiedAfter(charter)
const ballot = next.certificate.ballot
const other: Ballot = { number: 1, proposer: id(1) }

function flaw(of: CertifiedPlan, by: Electorate, header = of.plan.header): string | undefined {
  return certificateFlaw(by, header, of.certificate, digests)
}

function withVotes(votes: readonly Vote[]): Certificate {
  return { ...next.certificate, votes }
}

function vote(rank: number, at: Ballot = ballot, mark = 1): Vote {
  return voteOf(id(rank), electorate, planFor(electorate, mark), at, null)
}

describe('a certificate', () => {
  it('of a quorum proves the charter and the plan after it', () => {
    expect(flaw(charter, charterElectorate)).toBeUndefined()
    expect(flaw(next, electorate)).toBeUndefined()
  })

  it.each<[string, string, Certificate]>([
    ['a missing vote', 'fewer votes than a quorum', withVotes([vote(0)])],
    ['no votes at all', 'fewer votes than a quorum', withVotes([])],
    ['one voter twice', 'a voter counted twice', withVotes([vote(0), vote(0)])],
    ['a stranger', 'a vote of a node without a vote', withVotes([vote(0), vote(5)])],
    [
      'a stranger besides a quorum',
      'a vote of a node without a vote',
      withVotes([vote(0), vote(1), vote(5)]),
    ],
    ['votes of two ballots', 'a forged vote', withVotes([vote(0), vote(1, other)])],
    ['votes for two plans', 'a forged vote', withVotes([vote(0), vote(1, ballot, 2)])],
    ['another ballot number', 'a forged vote', { ...next.certificate, ballot: { ...ballot, number: 1 } }],
    ['another proposer', 'a forged vote', { ...next.certificate, ballot: { ...ballot, proposer: id(1) } }],
    ['a borrowed signature', 'a forged vote', withVotes([vote(0), { ...vote(0), voter: id(1) }])],
    [
      'terms after the charter',
      'terms belong to the charter alone',
      { ...next.certificate, terms: expectThree },
    ],
  ])('is refused for %s', (_, expected, certificate) => {
    expect(certificateFlaw(electorate, next.plan.header, certificate, digests)).toBe(expected)
  })

  it.each<[string, Partial<PlanHeader>, string]>([
    ['network', { networkId: 'b'.repeat(64) }, 'another network'],
    ['epoch', { epoch: 1 }, 'another epoch'],
    ['generation', { generation: 2 }, 'another generation'],
    ['parent', { parentHash: 'f'.repeat(64) }, 'another parent'],
    ['cluster id', { clusterId: 'd'.repeat(32) }, 'a forged vote'],
    ['phase', { phase: 'active' }, 'a forged vote'],
    ['voters', { voters: [id(5)] }, 'a forged vote'],
    ['grant', { grant: { number: 1, team: [id(5)] } }, 'a forged vote'],
    ['open change', { openChange: { kind: 'remove', node: id(2), etcdMemberId: '1' } }, 'a forged vote'],
    ['body', { bodyHash: 'f'.repeat(64) }, 'a forged vote'],
  ])('is void for a header with another %s', (_, change, expected) => {
    expect(flaw(next, electorate, { ...next.plan.header, ...change })).toBe(expected)
  })

  it('is void with any bit of any signature turned', () => {
    fc.assert(
      fc.property(fc.nat({ max: 1 }), fc.nat({ max: 31 }), fc.nat({ max: 7 }), (which, byte, bit) => {
        const votes = next.certificate.votes.map((held, index) => {
          if (index !== which) return held
          const signature = Uint8Array.from(held.signature)
          signature[byte] = signature[byte]! ^ (1 << bit)
          return { ...held, signature }
        })
        expect(certificateFlaw(electorate, next.plan.header, withVotes(votes), digests)).toBe('a forged vote')
      }),
    )
  })
})

describe('a certificate of the charter', () => {
  const bent = (change: Partial<Certificate>): string | undefined =>
    certificateFlaw(charterElectorate, charter.plan.header, { ...charter.certificate, ...change }, digests)

  it('needs the terms that its voters signed', () => {
    expect(bent({ terms: null })).toBe('terms belong to the charter alone')
    expect(bent({ terms: { ...expectThree, quorum: 2 } })).toBe('wrong quorum')
    expect(bent({ terms: charterTerms({ mode: 'expect', expect: 2 }, [], []) })).toBe('a forged vote')
  })

  it('of `auto` needs everybody on its list', () => {
    const terms = charterTerms({ mode: 'auto' }, ids.slice(0, 4), [])
    const plan = planFor(charterElectorate)
    const of = (voters: readonly string[]): string | undefined =>
      certificateFlaw(
        charterElectorate,
        plan.header,
        certificateOf(voters, charterElectorate, plan, ballot, terms),
        digests,
      )
    expect(of(ids.slice(0, 4))).toBeUndefined()
    expect(of(ids.slice(0, 3))).toBe('fewer votes than a quorum')
    expect(of(ids.slice(1, 5))).toBe('a vote of a node without a vote')
  })
})

describe('certify', () => {
  it('makes a flawless certificate of every quorum, sorted, and of nothing less', () => {
    const subsets = fc.uniqueArray(fc.nat({ max: 5 }), { maxLength: 6 })
    fc.assert(
      fc.property(subsets, (ranks) => {
        const votes = new Map(ranks.map((rank) => [id(rank), vote(rank)]))
        const made = certify(electorate, ballot, null, votes)
        const voters = ranks.filter((rank) => rank < 3).toSorted((a, b) => a - b)
        expect(made?.votes.map((one) => one.voter)).toEqual(voters.length < 2 ? undefined : voters.map(id))
        if (made !== undefined) {
          expect(certificateFlaw(electorate, next.plan.header, made, digests)).toBeUndefined()
        }
      }),
    )
  })
})
