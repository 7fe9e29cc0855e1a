// Proves that votes are counted by ballot, in any order of arrival, and that lies are told from accidents.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { certificateFlaw } from '../../../src/core/consensus/certificate.ts'
import type { TallyResult } from '../../../src/core/consensus/tally.ts'
import { Tally } from '../../../src/core/consensus/tally.ts'
import type { AcceptMessage } from '../../../src/core/model/message.ts'
import type { Ballot, ClusterPlan } from '../../../src/core/model/plan.ts'
import { planHash } from '../../../src/core/model/plan-hash.ts'
import { certifiedCharter, digests, electorateAfter, id, planFor, voteOf } from './decisions.ts'

const electorate = electorateAfter(certifiedCharter())
const plan = planFor(electorate, 1)
const otherPlan = planFor(electorate, 2)
const first: Ballot = { number: 0, proposer: id(0) }
const second: Ballot = { number: 1, proposer: id(1) }

type Counted = Pick<AcceptMessage, 'ballot' | 'planHash' | 'vote'>

function accept(rank: number, ballot = first, of: ClusterPlan = plan): Counted {
  const vote = voteOf(id(rank), electorate, of, ballot, null)
  return { ballot, planHash: planHash(of.header, digests), vote }
}

function certifications(results: readonly TallyResult[]): readonly string[] {
  return results.flatMap((result) =>
    result.kind === 'certified' ? [planHash(result.certified.plan.header, digests)] : [],
  )
}

describe('a tally', () => {
  it('certifies once a quorum voted in one ballot, whatever comes first, plan or votes', () => {
    const events = ['learn', 0, 1, 2] as const
    fc.assert(
      fc.property(fc.shuffledSubarray([...events]), (order) => {
        const tally = new Tally(electorate, digests)
        const results = order.flatMap((event) =>
          event === 'learn' ? tally.learn(first, plan, null) : [tally.count(accept(event))],
        )
        const complete = order.includes('learn') && order.filter((event) => event !== 'learn').length >= 2
        expect(certifications(results).length > 0).toBe(complete)
        for (const result of results) {
          if (result.kind !== 'certified') continue
          const { certificate } = result.certified
          expect(certificateFlaw(electorate, plan.header, certificate, digests)).toBeUndefined()
        }
      }),
    )
  })

  it('never adds up votes of one plan in two ballots', () => {
    const tally = new Tally(electorate, digests)
    const results = [
      ...tally.learn(first, plan, null),
      ...tally.learn(second, plan, null),
      tally.count(accept(0, first)),
      tally.count(accept(1, second)),
      tally.count(accept(0, first)),
    ]
    expect(certifications(results)).toEqual([])
    expect(certifications([tally.count(accept(2, second))])).toEqual([planHash(plan.header, digests)])
  })

  it('does not count strangers', () => {
    const tally = new Tally(electorate, digests)
    tally.learn(first, plan, null)
    expect(certifications([tally.count(accept(0)), tally.count(accept(4)), tally.count(accept(5))])).toEqual(
      [],
    )
  })

  it('tells a forged vote, early or late', () => {
    const forged = { ...accept(1), vote: { ...accept(0).vote, voter: id(1) } }
    const late = new Tally(electorate, digests)
    late.learn(first, plan, null)
    expect(late.count(forged)).toEqual({ kind: 'forged', voter: id(1) })
    const early = new Tally(electorate, digests)
    expect(early.count(forged)).toEqual({ kind: 'counted' })
    expect(early.learn(first, plan, null)).toEqual([{ kind: 'forged', voter: id(1) }])
  })

  it('blames a voter for two votes in a ballot, whichever came first and whether the plan was known', () => {
    const blamed = { kind: 'equivocation', voter: id(1) }
    for (const votes of [
      [accept(1), accept(1, first, otherPlan)],
      [accept(1, first, otherPlan), accept(1)],
    ] as const) {
      const late = new Tally(electorate, digests)
      late.learn(first, plan, null)
      expect(votes.map((vote) => late.count(vote))).toEqual([{ kind: 'counted' }, blamed])
      const early = new Tally(electorate, digests)
      for (const vote of [...votes, ...votes]) early.count(vote)
      expect(early.learn(first, plan, null)).toEqual([{ kind: 'counted' }, blamed])
    }
  })

  it('blames a proposer for two plans on the word of two voters, and not of one', () => {
    const tally = new Tally(electorate, digests)
    tally.learn(first, plan, null)
    const foreign = (rank: number): TallyResult => tally.count(accept(rank, first, otherPlan))
    expect(foreign(2)).toEqual({ kind: 'counted' })
    expect(foreign(2)).toEqual({ kind: 'counted' })
    expect(foreign(1)).toEqual({ kind: 'equivocation', voter: id(0) })
    expect(tally.votersFor(first)).toEqual([])
  })

  it('believes nothing more of who is caught: two liars are two voters, and one caught is none', () => {
    const tally = new Tally(electorate, digests)
    tally.learn(first, plan, null)
    tally.count(accept(1, first, otherPlan))
    expect(tally.count(accept(1))).toEqual({ kind: 'equivocation', voter: id(1) })
    expect(tally.count(accept(2, first, otherPlan))).toEqual({ kind: 'counted' })
  })

  it('cuts a flood of ballots, and keeps those that it had', () => {
    const tally = new Tally(electorate, digests)
    tally.learn(first, plan, null)
    for (let number = 1; number < 200; number++) tally.count(accept(1, { number, proposer: id(1) }))
    expect(tally.learn({ number: 199, proposer: id(1) }, plan, null)).toEqual([])
    expect(certifications([tally.count(accept(0)), tally.count(accept(1))])).toHaveLength(1)
  })
})
