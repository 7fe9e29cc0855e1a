// Proves that each trial is made of a calm site and passes, and that one that finds nothing to try says so.
import { describe, expect, it } from 'vitest'
import { generatePlan } from '../plan/generate.ts'
import type { Plan, Trial } from '../plan/plan.ts'
import { simulate } from '../run/simulate.ts'

function calm(nodes: number, trial: Trial, change: Partial<Plan> = {}): Plan {
  const core = Array.from({ length: nodes }, (_, index) => index)
  const plan = generatePlan({ seed: 1, nodes, faults: 'clean' })
  return { ...plan, controlPlane: 3, core, trials: [trial], ...change }
}

describe('a calm cluster', () => {
  it.each<readonly [Trial, string]>([
    ['quiet', 'plans stopped changing'],
    ['leader-dies', 'leader died and another took over'],
    ['server-dies', 'dead server replaced'],
    ['power-cut', 'site lost its power and came back'],
  ])('bears the trial %s', (trial, seen) => {
    const { violations, coverage } = simulate(calm(5, trial)).result
    expect(violations).toEqual([])
    expect(coverage[seen]).toBe(1)
  })

  it('is not asked to replace a server where there is no other machine', () => {
    const { violations, coverage } = simulate(calm(3, 'server-dies')).result
    expect(violations).toEqual([])
    expect(coverage['dead server replaced']).toBeUndefined()
  })
})
