// Proves that no counter passes the window twice, that order within the window does not matter, and that the
// window agrees with a model (a set of all counters ever accepted), by random sequences.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReplayWindow, replayWindowFrames } from '../../../src/core/overlay/replay-window.ts'

const usable = replayWindowFrames - 32

describe('ReplayWindow', () => {
  it('agrees with a set of all counters, whatever comes', () => {
    const near = fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 400 })
    const far = fc.array(fc.oneof(fc.integer({ min: 0, max: 9_000 }), fc.maxSafeNat()), { maxLength: 200 })
    fc.assert(
      fc.property(fc.oneof(near, far), (counters) => {
        const window = new ReplayWindow()
        const accepted = new Set<number>()
        let newest = -1
        for (const counter of counters) {
          const expected = !accepted.has(counter) && (counter > newest || newest - counter < usable)
          expect(window.isFresh(counter)).toBe(expected)
          expect(window.accept(counter)).toBe(expected)
          if (expected) accepted.add(counter)
          newest = Math.max(newest, accepted.has(counter) ? counter : -1)
          expect(window.newest).toBe(newest)
        }
      }),
    )
  })

  it('accepts a shuffled window whole, once', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(
          Array.from({ length: usable }, (_, index) => index),
          { minLength: usable },
        ),
        fc.integer({ min: 0, max: 1_000_000 }),
        (order, base) => {
          const window = new ReplayWindow()
          for (const offset of order) expect(window.accept(base + offset)).toBe(true)
          for (const offset of order) expect(window.accept(base + offset)).toBe(false)
        },
      ),
      { numRuns: 20 },
    )
  })

  it('accepts late ones, however often the bitmap has wrapped around', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 500 }), (stride, lag) => {
        const window = new ReplayWindow()
        const late = Math.min(lag, stride)
        const refused: number[] = []
        for (let round = 1; round <= 5_000; round++) {
          const counter = round * (stride + 1)
          for (const each of [counter, counter - late]) if (!window.accept(each)) refused.push(each)
        }
        expect(refused).toEqual([])
      }),
    )
  })

  it('is not moved by asking', () => {
    const window = new ReplayWindow()
    expect(window.isFresh(1_000_000)).toBe(true)
    expect(window.accept(0)).toBe(true)
  })

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuses %d', (counter) => {
    expect(new ReplayWindow().accept(counter)).toBe(false)
  })
})
