// Proves what promises oblige a proposer to: random sets of promises for normal ballots, and each rule of `auto`.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { compareBallots } from '../../../src/core/consensus/ballot.ts'
import { certificateFlaw } from '../../../src/core/consensus/certificate.ts'
import type { Choice } from '../../../src/core/consensus/choose.ts'
import { chooseValue } from '../../../src/core/consensus/choose.ts'
import { charterTerms } from '../../../src/core/consensus/terms.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import type { AcceptedValue } from '../../../src/core/model/message.ts'
import type { CharterTerms } from '../../../src/core/model/plan.ts'
import {
  acceptedBy,
  certifiedCharter,
  charterElectorate,
  digests,
  electorateAfter,
  expectThree,
  id,
  ids,
  planFor,
} from './decisions.ts'

const five = electorateAfter(certifiedCharter())
const electorate = { ...five, voters: ids.slice(0, 5) }

type Promised = readonly (readonly [NodeId, AcceptedValue | null])[]

function choose(promises: Promised, terms: CharterTerms | null = null): Choice {
  const by = terms === null ? electorate : charterElectorate
  return chooseValue(by, terms, new Map(promises), digests)
}

describe('the promises of a ballot', () => {
  it.each([
    [[0, 1], { kind: 'wait', have: 2, need: 3 }],
    [[0, 1, 5], { kind: 'wait', have: 2, need: 3 }],
    [[0, 1, 2], { kind: 'free' }],
    [[0, 1, 2, 3, 4], { kind: 'free' }],
  ])('of the nodes %j, empty, mean %j', (ranks, expected) => {
    expect(choose(ranks.map((rank) => [id(rank), null]))).toEqual(expected)
  })

  it('oblige to the plan of the highest ballot, whatever the order in which they came', () => {
    const ballots = fc.record({ number: fc.nat({ max: 4 }), rank: fc.nat({ max: 4 }) })
    const accepted = fc.array(fc.option(ballots), { minLength: 3, maxLength: 5 })
    fc.assert(
      fc.property(accepted, fc.func(fc.nat()), (values, order) => {
        // One plan for each ballot, as an honest proposer makes it.
        const promises = values.map((value, rank): readonly [NodeId, AcceptedValue | null] => {
          if (value === null) return [id(rank), null]
          const plan = planFor(electorate, 10 * value.number + value.rank)
          const ballot = { number: value.number, proposer: id(value.rank) }
          return [id(rank), acceptedBy(id(rank), electorate, plan, ballot, null)]
        })
        const highest = promises
          .flatMap(([, value]) => (value === null ? [] : [value]))
          .toSorted((a, b) => compareBallots(b.ballot, a.ballot))[0]
        const expected = highest === undefined ? { kind: 'free' } : { kind: 'adopt', plan: highest.plan }
        expect(choose(promises)).toEqual(expected)
        expect(choose(promises.toSorted(([a], [b]) => order(a) - order(b)))).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  })

  it('oblige to neither of two plans in the highest ballot, since either may have been chosen', () => {
    const once = { number: 1, proposer: id(0) }
    const report = (rank: number, number: number, mark: number): Promised[number] => {
      const ballot = { ...once, number }
      return [id(rank), acceptedBy(id(rank), electorate, planFor(electorate, mark), ballot, null)]
    }
    const contested: Promised = [report(0, 1, 1), report(1, 1, 2), [id(2), null]]
    expect(choose(contested)).toEqual({ kind: 'wait', have: 3, need: 4 })
    expect(choose(contested.toReversed())).toEqual({ kind: 'wait', have: 3, need: 4 })
    // A later ballot settled it: what is below it no longer matters.
    const settled: Promised = [...contested, report(3, 2, 1)]
    expect(choose(settled)).toEqual({ kind: 'adopt', plan: planFor(electorate, 1) })
  })

  it('of a charter with a declared number oblige alike', () => {
    const plan = planFor(charterElectorate)
    const value = acceptedBy(id(1), charterElectorate, plan, { number: 0, proposer: id(1) }, expectThree)
    const promises: Promised = [
      [id(0), null],
      [id(1), value],
      [id(4), null],
    ]
    expect(choose(promises.slice(0, 2), expectThree)).toEqual({ kind: 'wait', have: 2, need: 3 })
    expect(choose(promises, expectThree)).toEqual({ kind: 'adopt', plan })
  })
})

describe('under `auto`', () => {
  const small = charterTerms({ mode: 'auto' }, ids.slice(0, 3), [])
  const large = charterTerms({ mode: 'auto' }, ids.slice(0, 4), [])
  const plan = planFor(charterElectorate)
  const first = { number: 0, proposer: id(0) }
  const second = { number: 1, proposer: id(1) }
  const accepts = (rank: number, ballot = first, of = plan): readonly [NodeId, AcceptedValue] => [
    id(rank),
    acceptedBy(id(rank), charterElectorate, of, ballot, small),
  ]
  const nothing = (rank: number): readonly [NodeId, null] => [id(rank), null]

  it('all that are listed must promise', () => {
    expect(choose([0, 1, 2].map(nothing), large)).toEqual({ kind: 'wait', have: 3, need: 4 })
    expect(choose([0, 1, 2, 5].map(nothing), large)).toEqual({ kind: 'wait', have: 3, need: 4 })
    expect(choose([0, 1, 2, 3].map(nothing), large)).toEqual({ kind: 'free' })
  })

  it('a plan that a whole earlier list accepted in one ballot is the charter, with its certificate', () => {
    const choice = choose([accepts(2), nothing(3), accepts(0), accepts(1)], large)
    if (choice.kind !== 'chosen') throw new Error(choice.kind)
    expect(choice.plan).toEqual(plan)
    expect(choice.certificate).toMatchObject({ ballot: first, terms: small })
    expect(certificateFlaw(charterElectorate, plan.header, choice.certificate, digests)).toBeUndefined()
  })

  it.each<[string, Promised]>([
    ['one of that list did not accept it', [accepts(0), accepts(1), nothing(2), nothing(3)]],
    ['it was accepted in two ballots', [accepts(0), accepts(1), accepts(2, second), nothing(3)]],
    [
      'one of them accepted another plan',
      [accepts(0), accepts(1), accepts(2, first, planFor(charterElectorate, 2)), nothing(3)],
    ],
    [
      'one vote is not genuine',
      [
        accepts(0),
        accepts(1),
        [id(2), { ...accepts(2)[1], vote: { ...accepts(1)[1].vote, voter: id(2) } }],
        nothing(3),
      ],
    ],
    ['one shows the vote of another', [accepts(0), accepts(1), [id(2), accepts(1)[1]], nothing(3)]],
  ])('the proposer is free when %s', (_, promises) => {
    expect(choose(promises, large)).toEqual({ kind: 'free' })
  })

  describe('without a silent machine', () => {
    const without = charterTerms({ mode: 'auto' }, ids.slice(0, 4), [id(2)])

    it('a plan that all who answer of its list report is completed: the silent one may hold its certificate', () => {
      expect(choose([accepts(0), accepts(1), nothing(3)], without)).toEqual({ kind: 'adopt', plan })
    })

    it('a plan that one who answers does not report was never chosen', () => {
      expect(choose([accepts(0), nothing(1), nothing(3)], without)).toEqual({ kind: 'free' })
    })

    it('the promise of the silent one is not waited for, and does not count', () => {
      expect(choose([nothing(0), nothing(1)], without)).toEqual({ kind: 'wait', have: 2, need: 3 })
      expect(choose([nothing(0), nothing(1), nothing(2)], without)).toEqual({
        kind: 'wait',
        have: 2,
        need: 3,
      })
      expect(choose([nothing(0), nothing(1), nothing(3)], without)).toEqual({ kind: 'free' })
    })
  })
})
