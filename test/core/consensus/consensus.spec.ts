// Proves agreement, persistence before every letter, and an end once the weather is calm: production voters in random
// storms of lost, repeated and reordered letters and of power cuts between any two outputs.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { certifiedCharter, electorateAfter, ids } from './decisions.ts'
import type { Weather } from './voters.ts'
import { Voters, calm } from './voters.ts'

const anySeed = fc.uint8Array({ minLength: 16, maxLength: 16 })
const storm: Weather = { loss: 0.5, repeats: 0.2, crashes: 0.1 }

function voters(count: number, seed: Uint8Array, weather: Weather): Voters {
  return new Voters({ ...electorateAfter(certifiedCharter()), voters: ids.slice(0, count) }, seed, weather)
}

describe('voters', () => {
  it.each([1, 2, 3, 5])('%i of them, in calm weather, all certify the plan of the first ballot', (count) => {
    const some = voters(count, new Uint8Array(16), calm)
    some.run(1_000)
    expect(some.certified.size).toBe(1)
    expect(some.informed.size).toBe(count)
    expect(some.proposed.size).toBe(1)
  })

  it.each([3, 5])('%i of them, in a storm, agree; and come to an end when it is over', (count) => {
    let crashes = 0
    let contested = 0
    fc.assert(
      fc.property(anySeed, (seed) => {
        const some = voters(count, seed, storm)
        some.run(20_000)
        some.weather = calm
        some.run(120_000)
        crashes += some.crashes
        contested += Number(new Set([...some.proposed.values()].flatMap((plans) => [...plans])).size > 1)
        expect(some.certified.size).toBe(1)
        expect(some.informed.size).toBeGreaterThan(0)
        expect([...some.proposed.values()].every((plans) => plans.size === 1)).toBe(true)
        expect(some.unwritten).toEqual([])
        expect(some.misconduct).toEqual([])
        expect(some.rolledBack).toEqual([])
      }),
      // The example: a voter repeated an old promise, and a late answer that told of it was taken for an old disk.
      {
        numRuns: 200,
        examples: [[Uint8Array.from([1, 228, 210, 245, 92, 253, 5, 212, 157, 88, 207, 4, 242, 85, 50, 196])]],
      },
    )
    // A storm in which nothing goes wrong proves nothing.
    expect(crashes).toBeGreaterThan(200)
    expect(contested).toBeGreaterThan(0)
  })
})
