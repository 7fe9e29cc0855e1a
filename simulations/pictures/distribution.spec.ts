// Proves that a distribution tells quantiles within its stated error, and that parts of it add up, by drawing lots.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addDistribution, addTime, emptyDistribution, quantileMs, rangesOf } from './distribution.ts'

const times = fc.array(fc.option(fc.double({ min: 1, max: 1e8, noNaN: true }), { nil: undefined }), {
  minLength: 1,
  maxLength: 200,
})

function distributionOf(list: readonly (number | undefined)[]): ReturnType<typeof emptyDistribution> {
  const made = emptyDistribution()
  for (const ms of list) addTime(made, ms)
  return made
}

describe('a distribution', () => {
  it('tells each quantile within 1 %, with what never happened last', () => {
    fc.assert(
      fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (list, share) => {
        const sorted = list.map((ms) => ms ?? Infinity).toSorted((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Infinity
        const told = quantileMs(distributionOf(list), share)
        if (exact === Infinity) expect(told).toBeUndefined()
        else expect(Math.abs((told ?? Infinity) / exact - 1)).toBeLessThan(0.01)
      }),
    )
  })

  it('is the same whether counted in one part or in two', () => {
    fc.assert(
      fc.property(times, times, (first, second) => {
        const parts = distributionOf(first)
        addDistribution(parts, distributionOf(second))
        expect(parts).toEqual(distributionOf([...first, ...second]))
      }),
    )
  })

  it('loses no run', () => {
    const made = distributionOf([0, 0.5, 3, 3, 900, undefined])
    expect(rangesOf(made).reduce((sum, { count }) => sum + count, 0)).toBe(5)
    expect(made).toMatchObject({ count: 5, never: 1, leastMs: 0, mostMs: 900 })
    expect(quantileMs(emptyDistribution(), 0.5)).toBeUndefined()
  })
})
