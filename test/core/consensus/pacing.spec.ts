// Proves in which order voters take their turns, and how long a ballot that failed is waited for, for any jitter.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Pacing } from '../../../src/core/consensus/pacing.ts'
import type { NodeId } from '../../../src/core/model/ids.ts'
import { Random } from '../../../src/core/model/random.ts'
import { defaultTimers } from '../../../src/core/model/spec.ts'
import { id, ids } from './decisions.ts'

const { leaderTimeoutMs, acceptTimeoutMs } = defaultTimers
const anySeed = fc.uint8Array({ minLength: 16, maxLength: 16 })
const everybody = (): boolean => true

function pacing(self: NodeId, seed: Uint8Array, leader?: NodeId): Pacing {
  return new Pacing(self, defaultTimers, new Random(seed), leader)
}

/** When each of these wants its turn, if all start to want at 1000. */
function turns(
  of: readonly NodeId[],
  seed: Uint8Array,
  leader?: NodeId,
  alive = everybody as (id: NodeId) => boolean,
): number[] {
  return of.map((self, index) => {
    const one = pacing(
      self,
      seed.map((byte) => byte + index),
      leader,
    )
    one.want(true, 1_000)
    return one.nextAttemptAt(ids, alive, false) as number
  })
}

describe('turns', () => {
  it('follow the ranks, each in its own slot, the first at once', () => {
    fc.assert(
      fc.property(anySeed, (seed) => {
        const times = turns(ids.slice(0, 5), seed)
        expect(times[0]).toBe(1_000)
        times.forEach((time, rank) => {
          expect(time).toBeGreaterThanOrEqual(1_000 + rank * leaderTimeoutMs)
          expect(time).toBeLessThan(1_000 + (rank + 0.5) * leaderTimeoutMs)
        })
      }),
    )
  })

  it('begin with the leader, whatever its id', () => {
    fc.assert(
      fc.property(anySeed, fc.nat({ max: 4 }), (seed, rank) => {
        const leader = id(rank)
        const order = [leader, ...ids.filter((one) => one !== leader)].slice(0, 5)
        const times = turns(order, seed, leader)
        expect(times).toEqual(times.toSorted((a, b) => a - b))
        expect(times[0]).toBe(1_000)
      }),
    )
  })

  it('pass over those who seem dead, the leader too', () => {
    const seed = new Uint8Array(16)
    const dead = [id(0), id(2)]
    const alive = (one: NodeId): boolean => !dead.includes(one)
    const [first, second] = turns([id(1), id(3)], seed, id(0), alive)
    expect(first).toBe(1_000)
    expect(second).toBeGreaterThanOrEqual(1_000 + leaderTimeoutMs)
    expect(second).toBeLessThan(1_000 + 2 * leaderTimeoutMs)
  })

  it('come for the last of many as well', () => {
    const seed = new Uint8Array(16)
    const many = Array.from({ length: 50 }, (_, index) => `n${String(index).padStart(2, '0')}`)
    const last = pacing('n49', seed)
    last.want(true, 0)
    expect(last.nextAttemptAt(many, everybody, false)).toBeLessThan(5 * leaderTimeoutMs)
  })

  it('wait while another ballot is alive', () => {
    fc.assert(
      fc.property(anySeed, (seed) => {
        const first = pacing(id(0), seed)
        first.want(true, 0)
        first.heardBallot(10_000)
        expect(first.nextAttemptAt(ids, everybody, false)).toBeGreaterThanOrEqual(10_000 + leaderTimeoutMs)
      }),
    )
  })

  it('are nobody’s while nothing is wanted', () => {
    const one = pacing(id(0), new Uint8Array(16))
    expect(one.nextAttemptAt(ids, everybody, false)).toBeUndefined()
    one.want(true, 5)
    one.want(true, 50)
    expect(one.nextAttemptAt(ids, everybody, false)).toBe(5)
    one.want(false, 60)
    expect(one.nextAttemptAt(ids, everybody, false)).toBeUndefined()
  })
})

describe('an accepted plan without a certificate', () => {
  it('is finished by whoever accepted it, after a patience that doubles', () => {
    fc.assert(
      fc.property(anySeed, fc.nat({ max: 6 }), (seed, failures) => {
        const one = pacing(id(4), seed)
        for (let count = 0; count < failures; count++) one.backOff(0)
        one.acceptedAt(100_000)
        const patience = acceptTimeoutMs * 2 ** Math.min(failures, 3)
        expect(one.nextAttemptAt(ids, everybody, false)).toBeUndefined()
        const due = one.nextAttemptAt(ids, everybody, true)
        expect(due).toBeGreaterThanOrEqual(100_000 + patience)
        expect(due).toBeLessThan(100_000 + 2 * patience)
      }),
    )
  })
})

describe('a ballot that failed', () => {
  it('is followed by a pause that doubles three times and no more', () => {
    fc.assert(
      fc.property(anySeed, fc.integer({ min: 1, max: 8 }), (seed, failures) => {
        const one = pacing(id(0), seed)
        one.want(true, 0)
        for (let count = 0; count < failures; count++) one.backOff(1_000)
        const longest = leaderTimeoutMs * 2 ** Math.min(failures - 1, 3)
        const due = one.nextAttemptAt(ids, everybody, false)
        expect(due).toBeGreaterThanOrEqual(1_000 + 0.3 * longest)
        expect(due).toBeLessThan(1_000 + longest)
      }),
    )
  })

  it('is forgotten with its generation', () => {
    const one = pacing(id(1), new Uint8Array(16))
    one.saw({ number: 7, proposer: id(2) })
    one.backOff(0)
    one.nextGeneration(id(1), 9_000)
    one.want(true, 9_000)
    expect(one.highest).toBeNull()
    expect(one.leader).toBe(id(1))
    expect(one.nextAttemptAt(ids, everybody, false)).toBe(9_000)
  })

  it('tells the highest ballot that was in its way', () => {
    const one = pacing(id(0), new Uint8Array(16))
    for (const number of [2, 5, 3]) one.saw({ number, proposer: id(1) })
    expect(one.highest).toEqual({ number: 5, proposer: id(1) })
  })
})
