// Proves that ballots are totally ordered and that a new one is above all that were seen, for random ballots.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { ballotAbove, ballotKey, compareBallots, sameBallot } from '../../../src/core/consensus/ballot.ts'
import { id, ids } from './decisions.ts'

const anyBallot = fc.record({ number: fc.nat({ max: 5 }), proposer: fc.constantFrom(...ids) })

describe('ballots', () => {
  it('are ordered totally: antisymmetric, transitive, and equal only to themselves', () => {
    fc.assert(
      fc.property(anyBallot, anyBallot, anyBallot, (a, b, c) => {
        expect(Math.sign(compareBallots(a, b)) + Math.sign(compareBallots(b, a))).toBe(0)
        expect(compareBallots(a, b) === 0).toBe(sameBallot(a, b))
        expect(ballotKey(a) === ballotKey(b)).toBe(sameBallot(a, b))
        if (compareBallots(a, b) <= 0 && compareBallots(b, c) <= 0) {
          expect(compareBallots(a, c)).toBeLessThanOrEqual(0)
        }
      }),
    )
  })

  it('start above every ballot that was seen and every number that was used', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1, max: 6 }), fc.array(fc.option(anyBallot)), (used, seen) => {
        const next = ballotAbove(id(0), used, seen)
        expect(next.proposer).toBe(id(0))
        expect(next.number).toBeGreaterThan(used)
        for (const ballot of seen)
          if (ballot !== null) expect(compareBallots(next, ballot)).toBeGreaterThan(0)
      }),
    )
  })

  it('start at 0 in a generation in which nothing happened', () => {
    expect(ballotAbove(id(0), -1, [null, null])).toEqual({ number: 0, proposer: id(0) })
  })
})
