// Proves the small pure parts: suspicion times, the queue of news, awareness, and what a node says of its place.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Awareness, multiplierMax } from '../../../src/core/membership/awareness.ts'
import { connectivity } from '../../../src/core/membership/connectivity.ts'
import { DeadRetries } from '../../../src/core/membership/dead-retries.ts'
import { BroadcastQueue, sendLimit } from '../../../src/core/membership/dissemination.ts'
import { suspicionLimits, suspicionTimeoutMs, Suspicions } from '../../../src/core/membership/suspicion.ts'
import type { Liveness, MembershipView } from '../../../src/core/model/member.ts'
import { nodeName, recordOf, seeded } from './virtual-network.ts'

describe('suspicion', () => {
  it('lasts 4·max(1, log10(n + 1)) intervals at least, six times that at most', () => {
    expect(suspicionLimits(5, 1_000)).toEqual({ minimumMs: 4_000, maximumMs: 24_000, confirmations: 2 })
    expect(suspicionLimits(999, 1_000).minimumMs).toBe(12_000)
    expect(suspicionLimits(2, 1_000)).toEqual({ minimumMs: 4_000, maximumMs: 4_000, confirmations: 0 })
  })

  it('shortens with each confirmation and stays within its limits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 5_000 }),
        fc.integer({ min: 0, max: 5 }),
        (members, confirmed) => {
          const limits = suspicionLimits(members, 1_000)
          const timeout = suspicionTimeoutMs(limits, confirmed)
          expect(timeout).toBeGreaterThanOrEqual(limits.minimumMs)
          expect(timeout).toBeLessThanOrEqual(limits.maximumMs)
          expect(suspicionTimeoutMs(limits, confirmed + 1)).toBeLessThanOrEqual(timeout)
        },
      ),
    )
    // 24 s − 20 s · log 2 / log 3
    expect(suspicionTimeoutMs(suspicionLimits(5, 1_000), 1)).toBeCloseTo(11_381.4, 1)
  })

  it('counts each accuser once and is due when its wait is over', () => {
    const open = new Suspicions()
    open.start('s', 'a', suspicionLimits(5, 1_000), 0)
    expect(open.confirm('s', 'a', 0)).toBe(false)
    expect(open.confirm('s', 'b', 0)).toBe(true)
    expect(open.nextDeadline()).toBeCloseTo(11_381.4, 1)
    expect(open.confirm('s', 'c', 0)).toBe(true)
    expect(open.confirm('s', 'd', 0)).toBe(false)
    expect(open.due(3_999)).toEqual([])
    open.postpone(500)
    expect(open.due(4_499)).toEqual([])
    expect(open.due(4_500)).toEqual(['s'])
  })
})

describe('a late confirmation', () => {
  it('ends the wait now, never in the past: that would look like a pause of our own', () => {
    const open = new Suspicions()
    open.start('s', 'a', suspicionLimits(5, 1_000), 0)
    expect(open.condemn('s', 20_000)).toBe(true)
    expect(open.condemn('s', 20_001)).toBe(false)
    expect(open.nextDeadline()).toBe(20_000)
  })
})

describe('the queue of news', () => {
  it('gives the freshest of what was sent least, and each piece as often as the limit says', () => {
    const queue = new BroadcastQueue<string>()
    queue.put('a', 'a1', 'x')
    queue.put('b', 'b1', 'x')
    expect(queue.take('t', 1, 3)).toEqual(['b1'])
    expect(queue.take('t', 1, 3)).toEqual(['a1'])
    queue.put('c', 'c1', 'x')
    queue.put('a', 'a2', 'x')
    expect(queue.take('t', 9, 3)).toEqual(['a2', 'c1', 'b1'])
    expect(queue.take('t', 9, 3)).toEqual(['a2', 'c1', 'b1'])
    expect(queue.take('t', 9, 3)).toEqual(['a2', 'c1'])
    expect(queue.size).toBe(0)
  })

  it('does not tell a source its own words, and forgets what nobody can be told', () => {
    const queue = new BroadcastQueue<string>()
    queue.put('a', 'a1', 'x')
    expect(queue.take('x', 9, 2)).toEqual([])
    queue.pass(2)
    queue.pass(2)
    expect(queue.size).toBe(0)
  })

  it('keeps one piece for each subject, whatever is done to it', () => {
    const deed = fc.oneof(
      fc.tuple(fc.constant('put' as const), fc.integer({ min: 0, max: 5 })),
      fc.tuple(fc.constant('drop' as const), fc.integer({ min: 0, max: 5 })),
      fc.tuple(fc.constant('take' as const), fc.integer({ min: 0, max: 5 })),
    )
    fc.assert(
      fc.property(fc.array(deed), (deeds) => {
        const queue = new BroadcastQueue<string>()
        const model = new Map<string, number>()
        for (const [kind, index] of deeds) {
          const subject = `s${index}`
          if (kind === 'put') {
            queue.put(subject, subject, 'x')
            model.set(subject, 0)
          } else if (kind === 'drop') {
            queue.drop(subject)
            model.delete(subject)
          } else {
            const taken = queue.take('t', index, 3)
            expect(new Set(taken).size).toBe(taken.length)
            expect(taken.length).toBe(Math.min(index, model.size))
            for (const item of taken) {
              const sends = (model.get(item) ?? NaN) + 1
              if (sends >= 3) model.delete(item)
              else model.set(item, sends)
            }
          }
          expect(queue.size).toBe(model.size)
        }
      }),
    )
  })

  it('passes news on 4·log10(n + 1) times', () => {
    expect([1, 5, 50, 1_000].map(sendLimit)).toEqual([2, 4, 7, 13])
  })
})

describe('awareness', () => {
  it('stays between 1 and 8', () => {
    const awareness = new Awareness()
    awareness.improve()
    expect(awareness.multiplier).toBe(1)
    awareness.worsen(3)
    expect(awareness.multiplier).toBe(4)
    awareness.worsen(30)
    expect(awareness.multiplier).toBe(multiplierMax)
    awareness.improve()
    expect(awareness.multiplier).toBe(7)
  })
})

describe('the dead', () => {
  it('are retried for ever, in doubling waits up to the longest, a few at a time', () => {
    const retries = new DeadRetries(seeded(1))
    for (let index = 0; index < 10; index++) retries.add(nodeName(index), 0, 2_000)
    expect(retries.take(2_000, 3, 1_000, 30_000)).toHaveLength(3)
    expect(retries.take(2_500, 3, 1_000, 30_000)).toEqual([])
    expect(retries.nextDeadline()).toBe(3_000)
    let knocks = 0
    for (let now = 3_000; now <= 603_000; now += 1_000) knocks += retries.take(now, 3, 1_000, 30_000).length
    expect(knocks).toBeGreaterThan(10 * (600 / 37.5))
    expect(knocks).toBeLessThan(10 * (600 / 22.5 + 6))
  })
})

function viewOf(livenesses: readonly Liveness[]): MembershipView {
  const members = livenesses.map((liveness, index) => ({
    record: recordOf(nodeName(index)),
    liveness,
    since: 0,
  }))
  return { self: nodeName(0), members }
}

describe('connectivity', () => {
  const voters = [2, 1, 0].map(nodeName)

  it('counts voters that are alive; suspects, the dead and the unknown are missing', () => {
    expect(connectivity(viewOf(['alive', 'alive', 'suspect']), voters)).toEqual({
      alive: 2,
      total: 3,
      isolated: false,
      missing: [nodeName(2)],
    })
    expect(connectivity(viewOf(['alive', 'dead']), voters)).toEqual({
      alive: 1,
      total: 3,
      isolated: true,
      missing: [nodeName(1), nodeName(2)],
    })
  })

  it('says of half that it is no majority, and of the only voter that it is one', () => {
    expect(connectivity(viewOf(['alive', 'alive', 'dead', 'dead']), [])).toMatchObject({ isolated: true })
    expect(connectivity(viewOf(['alive']), [nodeName(0)])).toMatchObject({ alive: 1, isolated: false })
  })

  it('without a plan: who sees nobody is isolated; who left does not count', () => {
    expect(connectivity(viewOf(['alive']), [])).toMatchObject({ alive: 1, total: 1, isolated: true })
    expect(connectivity(viewOf(['alive', 'alive', 'left', 'left']), [])).toMatchObject({
      total: 2,
      isolated: false,
    })
  })
})
