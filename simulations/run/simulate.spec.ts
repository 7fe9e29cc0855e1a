// Proves that a run depends on its plan alone, as data, and that sites of other shapes keep their promises too.
import { describe, expect, it } from 'vitest'

import type { GenerateOptions } from '../plan/generate.ts'
import { generatePlan } from '../plan/generate.ts'
import { planSchema } from '../plan/plan.ts'
import { simulate } from './simulate.ts'

describe('a plan', () => {
  it.each([3, 99])('of seed %i runs alike from its seed and from a file', (seed) => {
    const plan = generatePlan({ seed, nodes: 5, faults: 'hostile' })
    const read = planSchema.parse(JSON.parse(JSON.stringify(plan)))
    expect(simulate(read).result).toEqual(simulate(plan).result)
  })

  it('forms with real keys and real bytes as well', () => {
    const plan = generatePlan({ seed: 1, nodes: 5, faults: 'clean' })
    const { violations, formation } = simulate({ ...plan, crypto: 'real' }).result
    expect(violations).toEqual([])
    expect(formation.allActiveMs).toBeGreaterThan(0)
  })
})

describe('no promise is broken', () => {
  it.each<[string, GenerateOptions, number]>([
    ['by a hostile site of three', { seed: 3_000, nodes: 3, faults: 'hostile' }, 15],
    ['by a hostile birth without a number', { seed: 2_085, nodes: 5, faults: 'hostile', expect: 'auto' }, 15],
    ['by a lost question about votes', { seed: 1_040, nodes: 6, faults: 'hostile', expect: 3 }, 1],
  ])('%s', (_, options, count) => {
    for (let seed = options.seed; seed < options.seed + count; seed++) {
      const { violations } = simulate(generatePlan({ ...options, seed })).result
      expect({ seed, violations }).toEqual({ seed, violations: [] })
    }
  })
})
